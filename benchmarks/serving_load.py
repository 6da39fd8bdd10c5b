"""Clients for benchmarks/serving.py: all requests, so many at a time, and what each took."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from benchmarks.serving_servers import Server

TIMEOUT = 600.0


@dataclass(frozen=True)
class Answer:
    """What a server said, and the seconds until it had."""

    text: str
    tokens: list[dict[str, Any]]
    seconds: float


@dataclass(frozen=True)
class Load:
    """What one server made of all requests."""

    server: str
    answers: list[Answer]
    wall_seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.answers) / self.wall_seconds

    @property
    def cpu_rate(self) -> float:
        """Requests a CPU second of the server."""
        return len(self.answers) / self.cpu_seconds

    @property
    def new_tokens(self) -> int:
        """Tokens of all answers."""
        return sum(len(answer.tokens) for answer in self.answers)

    def latency(self, share: float) -> float:
        """The seconds within which this share of the answers came."""
        return latency([answer.seconds for answer in self.answers], share)


def latency(seconds: Sequence[float], share: float) -> float:
    """The time within which this share of the answers came, if they took so many seconds."""
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]


@dataclass(frozen=True)
class Difference:
    """A request with two texts; `gap` is between the log-probabilities of the two likeliest tokens where they part."""

    number: int
    theirs: str
    ours: str
    gap: float


def ask_all(server: "Server", prompts: Sequence[str], new_tokens: int, clients: int) -> Load:
    """Send all prompts, `clients` at a time, for greedy answers; what came back and what it took."""
    wall, cpu = time.monotonic(), server.cpu_seconds()
    answers = asyncio.run(_ask_all(server.url, prompts, new_tokens, clients))
    return Load(server.name, answers, time.monotonic() - wall, server.cpu_seconds() - cpu)


async def _ask_all(url: str, prompts: Sequence[str], new_tokens: int, clients: int) -> list[Answer]:
    waiting = iter(enumerate(prompts))
    found: dict[int, Answer] = {}

    async def client(http: httpx.AsyncClient) -> None:
        for number, prompt in waiting:
            body = {"prompt": prompt, "max_new_tokens": new_tokens, "temperature": 1e-7, "top_k_per_token": 5}
            started = time.monotonic()
            response = await http.post(f"{url}/process", json=body)
            response.raise_for_status()
            said = response.json()
            found[number] = Answer(said["text"], said["tokens"], time.monotonic() - started)

    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        await asyncio.gather(*(client(http) for _ in range(clients)))
    return [found[number] for number in range(len(prompts))]


def differences(theirs: Load, ours: Load) -> list[Difference]:
    """The requests whose texts differ."""
    pairs = enumerate(zip(theirs.answers, ours.answers, strict=True))
    return [
        Difference(number, their.text, our.text, _gap(their, our))
        for number, (their, our) in pairs
        if whole(their.text) != whole(our.text)
    ]


def whole(text: str) -> str:
    """The text without a last character that is not complete, which a server may spell as U+FFFD or leave out."""
    return text.rstrip("\ufffd")


def _gap(their: Answer, our: Answer) -> float:
    """Between the two likeliest tokens at the first place where the tokens are not the same."""
    both = zip(their.tokens, our.tokens, strict=False)
    parted = next((number for number, (one, other) in enumerate(both) if one["text"] != other["text"]), None)
    longer = max((their.tokens, our.tokens), key=len)
    scores = sorted(
        longer[min(len(their.tokens), len(our.tokens)) if parted is None else parted]["top_logprob"].values()
    )
    return float(scores[-1] - scores[-2]) if len(scores) > 1 else math.inf


def largest_logprob_difference(theirs: Load, ours: Load) -> float:
    """Of a token's log-probabilities by the two, over the texts that are the same."""
    return max(
        (
            abs(one["logprob"] - other["logprob"])
            for their, our in zip(theirs.answers, ours.answers, strict=True)
            if whole(their.text) == whole(our.text)
            for one, other in zip(their.tokens, our.tokens, strict=False)
        ),
        default=0.0,
    )
