"""The mixed requests of benchmarks/serving_soak.py: valid ones, refused ones, and what is wrong with an answer."""

import json
import math
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORDS = ["the", "a", "river", "answer", "model", "of", "and", "42", "is", "Question:", "Answer:", "in", "not", "Zürich"]
WORDS += ["größer", "мир", "世界", "नमस्ते", "السلام", "😀", "👩\u200d👩\u200d👧", "e\u0301"]
PLANES = (0x0000, 0x10000, 0x20000, 0x30000, 0xE0000, 0xF0000, 0x100000)  # the others have no characters
SURROGATES = range(0xD800, 0xE000)
STOPS = ["\n", "\n\n", "the", " ", "e", "世", "."]
VALID, REFUSED = frozenset({200}), frozenset({422})


@dataclass(frozen=True)
class Sent:
    """A request. `statuses` are those it may be answered by; `check` names what is wrong with a 200's body, or None.

    `gone`: the client does not wait for the answer, but leaves after so many seconds.
    """

    kind: str
    path: str
    body: bytes | None
    statuses: frozenset[int] = VALID
    check: Callable[[Any], str | None] = lambda said: None
    method: str = "POST"
    chunked: bool = False
    gone: float | None = None


def mixed_requests(count: int, seed: int, window: int, body_bytes: int, vocabulary: int) -> list[Sent]:
    """So many requests of all kinds in an order that the seed decides."""
    maker = Maker(random.Random(seed), window, body_bytes, vocabulary)
    kinds = list(KINDS)
    return [maker.rng.choices(kinds, [KINDS[kind] for kind in kinds])[0](maker) for _ in range(count)]


def largest_requests(count: int, window: int, body_bytes: int) -> list[Sent]:
    """The most that one request may ask for: every place of the window scored, with all alternatives."""
    word = "answer "
    body = {"prompt": word * (body_bytes // 2 // len(word)), "max_new_tokens": window // 4, "top_k_per_token": 100}
    texts = {"text": word * (body_bytes // 2 // len(word))}
    process = Sent("largest, process", "/process", _json(body | {"echo_prompt": True, "temperature": 0}))
    drawn = Sent("largest, n > 1", "/process", _json(body | {"num_samples": 4, "temperature": 1}))
    tokenize = Sent("largest, tokenize", "/tokenize", _json(texts))
    return [(process, drawn, tokenize)[number % 3] for number in range(count)]


class Maker:
    """Draws requests for a server with this window, body limit and number of tokens."""

    def __init__(self, rng: random.Random, window: int, body_bytes: int, vocabulary: int) -> None:
        self.rng = rng
        self.window = window
        self.body_bytes = body_bytes
        self.vocabulary = vocabulary

    def text(self, most_words: int = 40) -> str:
        """Some words, some of them odd."""
        return " ".join(self.rng.choices(WORDS, k=self.rng.randint(1, most_words)))

    def unicode(self) -> str:
        """Characters of every plane, control characters and unassigned ones included."""
        found = (self.rng.choice(PLANES) + self.rng.randrange(0x10000) for _ in range(self.rng.randint(1, 60)))
        return "".join(chr(code) for code in found if code not in SURROGATES) or "\0"

    def process(self) -> Sent:
        """All options, by the names of either generation."""
        rng, text = self.rng, self.text()
        body = {
            "prompt": text,
            "max_new_tokens": rng.choice([0, 1, 5, 20]),
            "temperature": rng.choice([0, 1e-7, 0.3, 1, 2.5]),
            "top_p": rng.choice([1, 0.9, 0.2, 1e-9]),
            "top_k": rng.choice([0, 1, 40, 10**9]),
            "top_k_per_token": rng.choice([0, 1, 5, 100]),
            "stop_sequences": rng.sample(STOPS, rng.randint(0, 3)),
            "echo_prompt": rng.random() < 0.3,
            "seed": rng.choice([None, 0, rng.randrange(2**53)]),
            "unknown_option": {"is": "ignored"},
        }
        return _process("process, all options", body)

    def older_names(self) -> Sent:
        """`num_samples`, as the published OpenAPI has it."""
        return _process(
            "process, older names", {"prompt": self.text(), "num_samples": 2, "max_new_tokens": 3, "seed": 1}
        )

    def prompt_alone(self) -> Sent:
        """As the organisers' health check; also an empty one."""
        return _process("process, prompt alone", {"prompt": self.rng.choice(["The capital of France is ", ""])})

    def scored(self) -> Sent:
        """HELM's separate multiple choice."""
        return _process("process, echo alone", {"prompt": self.text(), "max_new_tokens": 0, "echo_prompt": True})

    def several(self) -> Sent:
        """More than one completion."""
        body = {"prompt": self.text(), "num_return_sequences": self.rng.randint(2, 4), "max_new_tokens": 6}
        return _process("process, n > 1", body | {"temperature": 0.9, "seed": self.rng.randrange(99)})

    def stopped(self) -> Sent:
        """With stop sequences."""
        body = {"prompt": self.text(), "stop_sequences": self.rng.sample(STOPS, 3), "max_new_tokens": 20}
        return _process("process, stop", body)

    def too_long(self) -> Sent:
        """A prompt longer than the window, which is cut; or new tokens without end."""
        if self.rng.random() < 0.3:
            return _process(
                "process, too long", {"prompt": self.text(), "max_new_tokens": 10**6, "stop_sequences": ["e"]}
            )
        text = self.text() * (self.window // 4)
        return _process("process, too long", {"prompt": text[: self.body_bytes // 8], "max_new_tokens": 3})

    def odd_text(self) -> Sent:
        """A prompt of any characters."""
        return _process("process, unicode", {"prompt": self.unicode(), "max_new_tokens": 4, "echo_prompt": True})

    def tokenize(self) -> Sent:
        """Also truncated."""
        length = self.rng.choice([None, 0, 5, 2048])
        text = self.rng.choice([self.text, self.unicode])()
        check = _tokens_at_most(length)
        return Sent(
            "tokenize", "/tokenize", _json({"text": text, "truncation": True, "max_length": length}), check=check
        )

    def decode(self) -> Sent:
        """Any tokens."""
        tokens = [self.rng.randrange(self.vocabulary) for _ in range(self.rng.randint(0, 60))]
        return Sent("decode", "/decode", _json({"tokens": tokens}))

    def openai(self) -> Sent:
        """As OpenAI's clients ask."""
        body = {"model": "any", "prompt": self.text(), "max_tokens": 5, "logprobs": 2, "temperature": 0}
        return Sent("OpenAI's completions", "/v1/completions", _json(body))

    def invalid(self) -> Sent:
        """A body that is none."""
        prompt = json.dumps(self.text())
        bodies: list[bytes] = [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe{}",
            b"{}",
            b'{"prompt": 5}',
            b'{"prompt": "\xc3\x28"}',
            b"[" * 20_000,
            *(
                f'{{"prompt": {prompt}, {rest}}}'.encode()
                for rest in (
                    '"temperature": -1',
                    '"temperature": NaN',
                    '"temperature": 1e999',
                    '"top_p": 0',
                    '"top_p": "1"',
                    '"max_new_tokens": -1',
                    '"max_new_tokens": 1.5',
                    '"num_return_sequences": 100000',
                    '"stop_sequences": "x"',
                    '"stop_sequences": [""]',
                    f'"seed": {2**80}',
                    '"echo_prompt": "yes"',
                )
            ),
        ]
        return Sent("invalid body", "/process", self.rng.choice(bodies), REFUSED)

    def invalid_tokens(self) -> Sent:
        """Tokens that are none, for /decode."""
        wrong = self.rng.choice([[-1], [self.vocabulary + 10**6], [2**70], ["a"], [True], "abc", None])
        return Sent("invalid tokens", "/decode", _json({"tokens": wrong}), REFUSED)

    def surrogate(self) -> Sent:
        """A text with half a character, as JavaScript's clients can send it."""
        path, name = self.rng.choice([("/process", "prompt"), ("/tokenize", "text")])
        return Sent("lone surrogate", path, json.dumps({name: f"a {chr(0xD800)} b"}).encode(), REFUSED)

    def oversize(self) -> Sent:
        """A body beyond the limit, announced or not."""
        body = b'{"prompt": "' + b"x" * self.body_bytes + b'"}'
        return Sent("oversize body", "/process", body, frozenset({413}), chunked=self.rng.random() < 0.5)

    def disconnect(self) -> Sent:
        """A client that leaves before it has its answer, or before its body is out."""
        body = _json({"prompt": self.text(), "max_new_tokens": 200, "num_return_sequences": 2, "temperature": 1.0})
        return Sent("disconnect", "/process", body, frozenset(), gone=self.rng.choice([0, 0.001, 0.02, 0.2]))

    def other_path(self) -> Sent:
        """What is not served."""
        method, path, status = self.rng.choice(
            [("GET", "/process", 405), ("POST", "/nothing", 404), ("GET", "/%00", 404)]
        )
        return Sent("not served", path, None, frozenset({status}), method=method)

    def watched(self) -> Sent:
        """What a monitor asks for."""
        path = self.rng.choice(["/health", "/metrics", "/openapi.json"])
        return Sent("health and metrics", path, None, method="GET")


KINDS: dict[Callable[[Maker], Sent], int] = {
    Maker.process: 24,
    Maker.older_names: 3,
    Maker.prompt_alone: 2,
    Maker.scored: 8,
    Maker.several: 5,
    Maker.stopped: 5,
    Maker.too_long: 4,
    Maker.odd_text: 8,
    Maker.tokenize: 8,
    Maker.decode: 5,
    Maker.openai: 4,
    Maker.invalid: 7,
    Maker.invalid_tokens: 3,
    Maker.surrogate: 3,
    Maker.oversize: 3,
    Maker.disconnect: 6,
    Maker.other_path: 1,
    Maker.watched: 1,
}


def _json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _process(kind: str, body: dict[str, Any]) -> Sent:
    """A request to /process that must be answered, and rightly."""
    return Sent(kind, "/process", _json(body), check=lambda said: fault_of_answer(body, said))


def _tokens_at_most(length: int | None) -> Callable[[Any], str | None]:
    return lambda said: "more tokens than max_length" if length is not None and len(said["tokens"]) > length else None


def without_controls(text: str) -> str:
    """The text without control characters: SmolLM2's tokenizer has no token for some of them, U+0013 for one."""
    return "".join(character for character in text if unicodedata.category(character) != "Cc")


def fault_of_answer(body: dict[str, Any], said: dict[str, Any]) -> str | None:
    """What is wrong with an answer of /process; None if nothing is."""
    wanted = body.get("num_return_sequences", body.get("num_samples", 1))
    completions = said.get("completions", [said])
    if len(completions) != wanted:
        return f"{len(completions)} completions, not {wanted}"
    if said["request_time"] < 0:
        return "a negative request_time"
    for one in completions:
        texts, scores = [token["text"] for token in one["tokens"]], [token["logprob"] for token in one["tokens"]]
        if "".join(texts) != one["text"]:
            return "the tokens do not join to the text"
        if not all(math.isfinite(score) and score <= 0 for score in scores):
            return "a log-probability that is none"
        if not math.isclose(sum(scores), one["logprob"], rel_tol=1e-6, abs_tol=1e-6):
            return "logprob is not the sum of its tokens'"
        if body.get("echo_prompt") and not without_controls(one["text"]).startswith(without_controls(body["prompt"])):
            return "the prompt is not echoed"
        new = one["text"][len(body["prompt"]) if body.get("echo_prompt") else 0 :]
        if any(stop in new for stop in body.get("stop_sequences", [])):
            return "a stop sequence is in the text"
    return None
