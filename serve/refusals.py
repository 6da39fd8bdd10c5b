"""What a client is told when it gets no answer: one JSON form for every error, and never a word of what it sent."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

NAMED_FAULTS = 5  # of a body with many; a list of a million wrong tokens has a million


class Refused(Exception):
    """A request that gets an error: the HTTP status, a short fixed reason, and a sentence for the client's developer.

    `reason` is a label of the metrics. `retry_after`: seconds after which the same request may be answered.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def response(self) -> "JSONResponse":
        """`{"error": {"type": REASON, "message": MESSAGE}}`, the form that OpenAI's clients read, too."""
        from starlette.responses import JSONResponse

        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return JSONResponse({"error": {"type": self.reason, "message": self.message}}, self.status, headers)


def invalid(message: str) -> Refused:
    """The 422 for a body that has the wrong form."""
    return Refused(422, "invalid_request", message)


def invalid_body(error: ValidationError) -> Refused:
    """The 422 that names the first faults of a body, without their values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [": ".join(filter(None, (".".join(map(str, fault["loc"])), _message(fault["msg"])))) for fault in faults]
    more = f"; and {len(told) - NAMED_FAULTS} more" if len(told) > NAMED_FAULTS else ""
    return invalid("; ".join(told[:NAMED_FAULTS]) + more)


def _message(message: str) -> str:
    """The message without what pydantic puts before one of ours."""
    return message.removeprefix("Value error, ")
