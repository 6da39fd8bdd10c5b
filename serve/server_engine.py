"""Prompts -> text by a server that speaks OpenAI's completions API: vLLM, SGLang, llama.cpp, `transformers serve`.

The server tokenises the prompts itself and must serve the very model that the recipe names. A key, where the server
wants one, is read from the environment variable OPENAI_API_KEY. What the model is served with is not checked.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0  # a busy server queues a request behind all the others
RETRIES = 5  # on 408, 409, 429, 5xx and broken connections; the client waits 0.5 s, then twice as long each time
QUOTED = 300  # characters of a server's own words that are worth repeating
# These apply the repetition penalty that a model's folder suggests, unless a request says otherwise. The others
# refuse a field that is not in OpenAI's API, or apply none.
TAKE_REPETITION_PENALTY = frozenset({"vllm", "sglang"})


class ServerEngine:
    """Sends each prompt as a request, `concurrency` of them at a time. Errors: see `_failure`."""

    def __init__(self, url: str, served_model: str, concurrency: int) -> None:
        self.url = url.rstrip("/")
        self.model = served_model
        self.concurrency = concurrency
        self.client = _client(self.url)
        self.owners: dict[str, str | None] = {}
        self.owners = self._models()
        extends = self.owners.get(served_model) in TAKE_REPETITION_PENALTY
        self.extra = {"repetition_penalty": 1.0} if extends else {}

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; here each prompt is alone, so `done` ones are left out one by one."""
        left = [position for position in range(len(prompts)) if position not in done]
        pool = ThreadPoolExecutor(self.concurrency)
        try:
            asked = {
                pool.submit(self._complete, position, prompts[position], max_new_tokens, stop): position
                for position in left
            }
            batch = []
            for answer in as_completed(asked):
                batch.append((asked[answer], answer.result()))
                if len(batch) == self.concurrency:
                    yield batch
                    batch = []
            if batch:
                yield batch
        except BaseException:  # the user's Ctrl-C too: give up what is on its way, do not wait for it
            self.client.close()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _complete(self, position: int, prompt: str, max_new_tokens: int, stop: str) -> str:
        """The text for one prompt, cut after `stop`."""
        import openai

        try:
            answer = self.client.completions.create(
                model=self.model,
                prompt=prompt,
                max_tokens=max_new_tokens,
                temperature=0,
                frequency_penalty=0,  # takes the model's own repetition penalty off in `transformers serve`
                stop=[stop] if stop else None,  # `transformers serve` fails at an empty list
                extra_body=self.extra,
            )
        except (openai.OpenAIError, JSONDecodeError) as error:
            raise self._failure(error, f"prompt {position}") from error
        choices = getattr(answer, "choices", None)
        if not choices or not isinstance(choices[0].text, str):
            raise ValueError(
                f"{self.url} answered prompt {position} without a text in `choices`; "
                "is it an OpenAI-compatible completions API?"
            )
        usage = getattr(answer, "usage", None)
        if choices[0].finish_reason == "length" and usage and usage.completion_tokens < max_new_tokens:
            raise ValueError(
                f"prompt {position} is too long for the server: {max_new_tokens} new tokens do not fit behind it, only "
                f"{usage.completion_tokens} do; lower predict.max_prompt_tokens, or give the server a longer context"
            )
        text: str = choices[0].text
        return text[: text.find(stop) + len(stop)] if stop and stop in text else text

    def _models(self) -> dict[str, str | None]:
        """Each model that the server lists -> what it says owns it; none if it has no such list.

        `transformers serve` lists the models of the hub's cache alone, or fails, so the list proves nothing.
        """
        import openai

        try:
            content: Any = self.client.with_options(max_retries=0).get("/models", cast_to=object)
        except (openai.NotFoundError, openai.InternalServerError, openai.BadRequestError):
            return {}
        except openai.APIStatusError as error:
            if error.status_code in (405, 422):
                return {}
            raise self._failure(error, "the list of models") from error
        except (openai.OpenAIError, JSONDecodeError) as error:
            raise self._failure(error, "the list of models") from error
        listed = content.get("data") if isinstance(content, dict) else None
        return {str(model.get("id")): model.get("owned_by") for model in listed or []}

    def _listed(self) -> str:
        if not self.owners:
            return "the server lists no models; does the address end in /v1?"
        return f"the server lists {', '.join(sorted(self.owners))}; choose one with --served-model"

    def _failure(self, error: Exception, asked: str) -> Exception:
        """What went wrong, in words: ValueError for a wrong setting or prompt, else an OSError."""
        import openai

        if isinstance(error, openai.APITimeoutError):
            return TimeoutError(f"{self.url} did not answer {asked} within {ANSWER_SECONDS:.0f} s, {RETRIES + 1} times")
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            return ConnectionError(f"cannot reach {self.url} for {asked}: {cause}; is the server running there?")
        if not isinstance(error, openai.APIStatusError):
            return ConnectionError(f"{self.url} gave no usable answer to {asked}: {error}")
        status = error.status_code
        if status in (401, 403):
            return PermissionError(f"{self.url} refused the key ({status}); set OPENAI_API_KEY to one that it knows")
        said = _words(error)
        if status == 404:
            return ValueError(
                f"{self.url} has no completions for the model {self.model} (404: {said}); {self._listed()}"
            )
        if status in (400, 413, 422) and _too_long(error):
            return ValueError(f"{asked} is too long for the server: {said}")
        if status < 500 and status != 429:
            return ValueError(f"{self.url} refused {asked} ({status}: {said}); {self._listed()}")
        return ConnectionError(f"{self.url} failed at {asked}, {RETRIES + 1} times ({status}: {said})")


def _client(url: str) -> "openai.OpenAI":
    """A client of `url`; ValueError if the package is missing."""
    if find_spec("openai") is None:
        raise ValueError('engine server: the package openai is not installed; run: pip install -e ".[server]"')
    from openai import OpenAI, Timeout

    key = os.environ.get("OPENAI_API_KEY") or "none"  # the client wants one even where the server does not
    timeout = Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    return OpenAI(base_url=url, api_key=key, max_retries=RETRIES, timeout=timeout)


def _words(error: "openai.APIStatusError") -> str:
    """What the server said of the error, shortened."""
    body: Any = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    text = " ".join(str(body or error.message).split())
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def _too_long(error: "openai.APIStatusError") -> bool:
    """Whether the prompt exceeds the model's context. OpenAI gives a code; the others say it in words."""
    words = str(error.body).lower()
    return error.status_code == 413 or "context_length" in words or ("context" in words and "token" in words)
