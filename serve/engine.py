"""Prompts -> text. `Engine` is what prediction and evaluation ask for; `load_engine` makes the one that was chosen.

All decode greedily; `serve.beam_engine.BeamEngine`, which is asked for by itself, decodes by beams.

transformers: in this process, CPU or one GPU. vllm: in this process, one GPU. server: any OpenAI-compatible server.
The choice says how to run, not what to make, so it comes from the command line, never from a recipe.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self, get_args
from urllib.parse import urlsplit

from serve.tokens import context_length, load_tokenizer
from serve.transformers_engine import TransformersEngine, load_transformers_engine, shared_prefix_length

__all__ = [
    "Engine",
    "EngineChoice",
    "EngineName",
    "TransformersEngine",
    "context_length",
    "load_engine",
    "load_tokenizer",
    "load_transformers_engine",
    "shared_prefix_length",
]

EngineName = Literal["transformers", "vllm", "server"]
NAMES: tuple[EngineName, ...] = get_args(EngineName)
CONCURRENCY = 64  # requests in flight; vLLM's own queue takes more, a llama.cpp server works on fewer and queues them


class Engine(Protocol):
    """Turns prompts into text by greedy decoding."""

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield batches of (position in `prompts`, generated text), each prompt once, in any order.

        A text ends at end-of-sequence, at `stop` unless that is empty, or after `max_new_tokens`. Whether a text that
        was stopped still holds `stop`, and what the last token brings behind it, depends on the engine: cut it there.
        How prompts are put into batches depends on `prompts` alone, never on `done`: a batch whose positions are all
        in `done` is left out, any other is generated whole, so that a run which was cut off gives the same text as one
        that was not. An engine whose batches shape no text may leave out single prompts.
        """
        ...


@dataclass(frozen=True)
class EngineChoice:
    """What runs the model. `url`, `served_model` and `concurrency` concern a server alone.

    Without `served_model`, the server is asked for the base model under the recipe's own name.
    """

    name: EngineName = "transformers"
    url: str | None = None
    served_model: str | None = None
    concurrency: int = CONCURRENCY

    @classmethod
    def checked(
        cls, name: str, url: str | None = None, served_model: str | None = None, concurrency: int | None = None
    ) -> Self:
        """The choice from the command line's options; ValueError lists all that is wrong and what is allowed."""
        known = next((known for known in NAMES if known == name), None)
        if known is None:
            raise ValueError(f"--engine {name}: choose one of {', '.join(NAMES)}")
        if known == "server":
            faults = _server_faults(url, concurrency)
        else:
            options = {"--engine-url": url, "--served-model": served_model, "--engine-concurrency": concurrency}
            faults = [f"{key} goes with --engine server alone" for key, value in options.items() if value is not None]
        if faults:
            raise ValueError("; ".join(faults))
        return cls(known, url, served_model, CONCURRENCY if concurrency is None else concurrency)


def _server_faults(url: str | None, concurrency: int | None) -> list[str]:
    faults = []
    if url is None:
        faults.append("--engine server needs --engine-url, for example http://127.0.0.1:8000/v1")
    elif urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        faults.append(f"--engine-url {url}: give a whole address, for example http://127.0.0.1:8000/v1")
    if concurrency is not None and concurrency < 1:
        faults.append(f"--engine-concurrency {concurrency}: at least 1")
    return faults


def load_engine(
    choice: EngineChoice,
    base_model: str,
    batch_size: int,
    adapter: Path | None = None,
    max_length: int | None = None,
) -> Engine:
    """The chosen engine with the model in it. `batch_size` concerns transformers, `max_length` vLLM alone.

    `max_length`: the most tokens of a prompt and its answer together. ValueError if the engine cannot run here.
    """
    if choice.name == "server":
        if adapter is not None:
            raise ValueError("--engine server cannot load the trained adapter; use --engine transformers or vllm")
        from serve.server_engine import ServerEngine

        return ServerEngine(str(choice.url), choice.served_model or base_model, choice.concurrency)
    if choice.name == "vllm":
        from serve.vllm_engine import load_vllm_engine

        return load_vllm_engine(base_model, adapter, max_length)
    return load_transformers_engine(base_model, batch_size, adapter)
