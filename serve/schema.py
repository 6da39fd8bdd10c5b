"""The bodies of the challenge's HTTP API: what a client sends and what it gets.

Both generations of field names are taken: those that HELM sends, and those of the challenge's open_api_spec.json.
Only `prompt` is required. A field that is null has its default; a field that this server does not know is ignored, so
that a newer client still gets its answer. Values must have their JSON type: "5" is no number.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from serve.refusals import invalid_body

# The challenge's sample server, which the published ones copied, has these two where a request does not say.
MAX_NEW_TOKENS, TEMPERATURE = 50, 0.8
LARGEST_INT = 2**53 - 1  # what every JSON library reads exactly
# 50.0 is an integer in JSON Schema, and some clients write it so. Not in lists of tokens, which may have a million.
Whole = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
TokenId = Annotated[int, Field(ge=0, le=LARGEST_INT)]
Count = Annotated[TokenId, Whole]
Completions = Annotated[int, Field(ge=1, le=LARGEST_INT), Whole]
Alternatives = Annotated[int, Field(ge=0, le=100), Whole]
StopSequence = Annotated[str, Field(min_length=1, max_length=256)]
Body = TypeVar("Body", bound="RequestBody")


def declare_null(schema: dict[str, Any]) -> None:
    """Let a body's JSON schema say that each field that may be left out may be null too."""
    for name, field in schema["properties"].items():
        if name not in schema.get("required", ()) and "anyOf" not in field:
            told = {key: field.pop(key) for key in ("title", "default", "description") if key in field}
            value = dict(field)
            field.clear()
            field |= {"anyOf": [value, {"type": "null"}], **told}


class RequestBody(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, json_schema_extra=declare_null)

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, body: Any) -> Any:
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


def read_body(content: bytes, model: type[Body]) -> Body:
    """The JSON text as `model`, whatever its content type says. Refused (422) names what is wrong.

    pydantic's own JSON reader turns down what is no UTF-8, lone surrogates and nesting without end.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from None  # its text has the input


class ProcessRequest(RequestBody):
    """A prompt to go on with. `top_k_per_token` asks for alternatives to report; only `top_k` narrows the sampling.

    Temperatures up to 1e-6 are greedy. `top_k` 0 and `top_p` 1 leave no token out. Without a seed each request draws
    anew; with one, its first completion is the same whatever their number. More `max_new_tokens` than fit are lowered.
    """

    prompt: str
    temperature: float = Field(TEMPERATURE, ge=0, le=100)
    max_new_tokens: Count = MAX_NEW_TOKENS
    num_return_sequences: Completions | None = None
    num_samples: Completions | None = Field(None, description="The older name of num_return_sequences.")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: Count = 0
    top_k_per_token: Alternatives = 1
    seed: Count | None = None
    echo_prompt: bool = False
    stop_sequences: list[StopSequence] = Field(default_factory=list, max_length=16)

    @model_validator(mode="after")
    def _one_number_of_completions(self) -> "ProcessRequest":
        if None not in (self.num_return_sequences, self.num_samples) and self.num_return_sequences != self.num_samples:
            raise ValueError("num_return_sequences and num_samples are one setting and differ; send one of them")
        return self

    @property
    def completions(self) -> int:
        """How many completions are wanted."""
        return self.num_return_sequences or self.num_samples or 1  # neither can be 0


class TokenizeRequest(RequestBody):
    """A text to turn into tokens; with `truncation`, into its first `max_length` at most."""

    text: str
    truncation: bool = False
    max_length: Count | None = None


class DecodeRequest(RequestBody):
    """Tokens to turn into text."""

    tokens: list[TokenId] = Field(fail_fast=True)


class Token(BaseModel):
    """A token's text and the natural logarithm of its probability; `top_logprob` has the likeliest at its place."""

    text: str
    logprob: float
    top_logprob: dict[str, float]


class TextCompletion(BaseModel):
    """A text, which its tokens' texts join to, and the sum of their log-probabilities."""

    text: str
    tokens: list[Token]
    logprob: float


class ProcessResponse(TextCompletion):
    """The first completion, and all of them where more than one was asked for. `request_time` is in seconds."""

    request_time: float
    completions: list[TextCompletion] | None = None


class TokenizeResponse(BaseModel):
    """The tokens, none of them added by the tokenizer, and the seconds that took."""

    tokens: list[int]
    request_time: float


class DecodeResponse(BaseModel):
    """The text, and the seconds that took."""

    text: str
    request_time: float


class HealthResponse(BaseModel):
    """What is served."""

    status: str
    model: str


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    type: str
    message: str


class ErrorResponse(BaseModel):
    """The body of every answer that is not 200."""

    error: ErrorDetail
