"""The server's log: one JSON object a line on standard error, one line a request, never a prompt or a text."""

import asyncio
import json
import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from serve.facts import Facts
from serve.refusals import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from serve.metrics import Metrics

LOGGER = logging.getLogger("serve")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # what a client may name its request; another name is not taken
CLIENT_GONE = 499  # what is counted where no status could be sent
LONGEST_PATH = 100  # characters of a path in the log


class JsonLines(logging.Formatter):
    """A record as one line: time, level, message, what `extra={"facts": {...}}` adds, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_standard_error() -> None:
    """Write the server's log, and what uvicorn and asyncio warn of, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("serve", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


class RequestLog:
    """ASGI middleware, the outermost: names each request, counts it, and writes its line when it is done.

    The name is that of the request's X-Request-ID header if that is a plain one, else a new one; the answer has it.
    """

    def __init__(self, app: "ASGIApp", metrics: "Metrics") -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts = Facts(_request_id(scope), scope["method"], scope["path"])
        scope["oneday.facts"] = facts
        started = time.monotonic()

        async def send_named(message: "Message") -> None:
            if message["type"] == "http.response.start":
                facts.status = message["status"]
                name = (b"x-request-id", facts.request_id.encode())
                message = {**message, "headers": [*message.get("headers", []), name]}
            await send(message)

        try:
            with self.metrics.http_requests.track_inprogress():
                await self.app(scope, receive, send_named)
        except asyncio.CancelledError:
            facts.refused = "shutdown"  # when its time to shut down is over, uvicorn cancels what still runs
            if facts.status is not None:
                raise
            await Refused(503, "shutdown", "the server was stopped before this was answered").response()(
                scope, receive, send_named
            )
        finally:
            self._done(facts, time.monotonic() - started)

    def _done(self, facts: Facts, seconds: float) -> None:
        """Count the request and write its line."""
        if facts.status is None:
            facts.status = CLIENT_GONE if facts.gone else 500
        self.metrics.count(facts, seconds)
        line = {
            "request_id": facts.request_id,
            "method": facts.method[:LONGEST_PATH],
            "path": facts.path[:LONGEST_PATH],
            "status": facts.status,
            "seconds": round(seconds, 4),
            "prompt_tokens": facts.prompt_tokens,
            "new_tokens": facts.new_tokens,
        }
        told = {"case": facts.case, "refused": facts.refused}
        LOGGER.info("request", extra={"facts": line | {key: value for key, value in told.items() if value is not None}})


def _request_id(scope: "Scope") -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
