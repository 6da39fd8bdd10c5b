"""The serving engine on an NVIDIA GPU: requests a second, alone and at once, with and without a common beginning.

    python -m benchmarks.serving_gpu [--recipe recipes/mistral-7b-oneday] [--memory-gb 24] [--out runs/serving_gpu]

Random weights of Mistral-7B's shapes (14.5 GB, made once in --out), as the recipe's serve.yaml serves them, under a cap
of memory -> serving_gpu.md and serving_gpu.json. The peer is the model's own `generate`, one request at a time, as the
published servers work. What such a model says is noise, so texts are compared, not judged.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from benchmarks.gpu_device import idle_gpu
from benchmarks.gpu_trainings import BASE_MODEL
from benchmarks.memory_cap import GIB
from benchmarks.random_mistral import describe_model, make_weights
from benchmarks.serving_load import latency
from oneday.console import run_command, typer_main
from oneday.files import atomic_write, write_json
from serve.completing.request import Completion, CompletionEngine, CompletionRequest
from serve.config import ServeConfig

HELP = """Measure the serving engine on an NVIDIA GPU with random weights of Mistral-7B's shapes.

--prepare writes the model's config and tokenizer alone, which needs no GPU; the rest then needs neither the package
mistral_common nor a network.
"""
OUT = Path("runs/serving_gpu")
PROMPT, COMMON, NEW = 60, 400, 32  # tokens of a prompt's own, of the common beginning, and new
PRECISIONS = ("bfloat16", "nf4")  # float32 needs --memory-gb 40, and shows that other texts come of rounding


@dataclass(frozen=True)
class Load:
    """Requests of one kind, and how many are sent at once."""

    name: str
    common: int
    at_once: int

    def requests(self, count: int, vocabulary: int) -> list[CompletionRequest]:
        """Prompts of random tokens, other ones for each load."""
        import torch

        generator = torch.Generator().manual_seed(self.at_once * 1000 + self.common)

        def draw(tokens: int) -> list[int]:
            return torch.randint(1000, vocabulary, (tokens,), generator=generator).tolist()

        beginning = draw(self.common) if self.common else []
        return [CompletionRequest((*beginning, *draw(PROMPT)), NEW) for _ in range(count)]


@dataclass(frozen=True)
class Measured:
    """One load: what it took, and how its texts compare with those of the peer."""

    precision: str
    load: str
    at_once: int
    seconds: float
    requests_per_second: float
    p95_seconds: float
    peer_requests_per_second: float
    same_texts: int
    requests: int
    logprob_difference: float  # the largest, up to the first token that differs
    peak_gib: float

    @property
    def ratio(self) -> float:
        """Requests a second over the peer's."""
        return self.requests_per_second / self.peer_requests_per_second


def loads(slots: int) -> list[Load]:
    """Alone, as many as there are slots, and the same with a common beginning."""
    return [Load("unrelated", 0, 1), Load("unrelated", 0, slots), Load("common beginning", COMMON, slots)]


async def answer(
    engine: CompletionEngine, requests: Sequence[CompletionRequest], at_once: int
) -> tuple[list[Completion], list[float]]:
    """The completions, `at_once` requests at a time, and the seconds of each."""
    room = asyncio.Semaphore(at_once)

    async def one(request: CompletionRequest) -> tuple[Completion, float]:
        async with room:
            began = time.monotonic()
            return await engine.complete(request), time.monotonic() - began

    answered = await asyncio.gather(*map(one, requests))
    return [completion for completion, _ in answered], [seconds for _, seconds in answered]


def peer(model: Any, requests: Sequence[CompletionRequest]) -> tuple[float, list[list[tuple[int, float]]]]:
    """Requests a second of `generate`, one at a time, and (token, log-probability) of what it said."""
    import torch

    said, began = [], time.monotonic()
    for request in requests:
        with torch.inference_mode():
            output = model.generate(
                torch.tensor([request.prompt], device=model.device),
                max_new_tokens=NEW,
                do_sample=False,
                pad_token_id=0,
                eos_token_id=[],
                return_dict_in_generate=True,
                output_logits=True,
            )
        new = output.sequences[0, len(request.prompt) :]
        scores = torch.cat(output.logits).float().log_softmax(-1).gather(1, new[:, None])[:, 0]
        said.append(list(zip(new.tolist(), scores.tolist(), strict=True)))
    return len(requests) / (time.monotonic() - began), said


def difference(completion: Completion, said: Sequence[tuple[int, float]]) -> float:
    """The largest difference of log-probabilities up to the first token that differs."""
    largest = 0.0
    for token, (id_, logprob) in zip(completion.tokens, said, strict=False):
        if token.id != id_:
            break
        largest = max(largest, abs(token.logprob - logprob))
    return largest


def measure(config: ServeConfig, model_dir: Path, requests: int, device: str = "cuda") -> Iterator[Measured]:
    """All loads with one precision: first the peer, then the engine in the same memory."""
    from serve.completing.transformers_completions import TransformersCompletions
    from serve.transformers_engine import load_model

    loaded = load_model(str(model_dir), dtype=config.precision, device=device)
    batching, vocabulary = config.batching, int(loaded.model.config.vocab_size)
    peers = {}
    for load in loads(batching.slots):
        peer(loaded.model, load.requests(2, vocabulary))  # warm
        peers[load] = peer(loaded.model, load.requests(requests, vocabulary))
    engine = TransformersCompletions(loaded, config.max_length, batching.slots, batching.prefix_cache_tokens)
    try:
        for load, (rate, said) in peers.items():
            other = replace(load, at_once=load.at_once + 1000)  # other prompts
            asyncio.run(answer(engine, other.requests(8, vocabulary), load.at_once))  # warm
            yield measured(config.precision, engine, load, load.requests(requests, vocabulary), rate, said, device)
    finally:
        asyncio.run(engine.close())


def measured(
    precision: str,
    engine: CompletionEngine,
    load: Load,
    requests: Sequence[CompletionRequest],
    peer_rate: float,
    said: Sequence[Sequence[tuple[int, float]]],
    device: str,
) -> Measured:
    """One load on the engine, beside what the peer said to the same requests."""
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    completions, seconds = asyncio.run(answer(engine, requests, load.at_once))
    took = time.monotonic() - began
    pairs = list(zip(completions, said, strict=True))
    return Measured(
        precision=precision,
        load=load.name,
        at_once=load.at_once,
        seconds=took,
        requests_per_second=len(requests) / took,
        p95_seconds=latency(seconds, 0.95),
        peer_requests_per_second=peer_rate,
        same_texts=sum([token.id for token in one.tokens] == [id_ for id_, _ in own] for one, own in pairs),
        requests=len(requests),
        logprob_difference=max(difference(one, own) for one, own in pairs),
        peak_gib=torch.cuda.max_memory_allocated() / GIB if device == "cuda" else 0.0,
    )


def table(rows: Sequence[Measured]) -> str:
    """The results for a README."""
    names = "precision", "load", "at once", "requests/s", "p95 s", "generate: requests/s", "ratio"
    head = f"| {' | '.join(names)} | same texts | logprobs | GiB |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row.precision} | {row.load} | {row.at_once} | {row.requests_per_second:.2f} | {row.p95_seconds:.2f} | "
            f"{row.peer_requests_per_second:.2f} | {row.ratio:.1f}x | {row.same_texts} of {row.requests} | "
            f"{row.logprob_difference:.2g} | {row.peak_gib:.1f} |"
        )
    return "\n".join(lines) + "\n"


def run(config: ServeConfig, out: Path, precisions: Sequence[str], requests: int, memory_gb: float) -> None:
    """Make the model, measure, write the table after each row."""
    import torch

    gpu, began = idle_gpu(out), time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    size = make_weights(out / "model", "cuda")
    say(f"weights: {size / 1e9:.1f} GB of random bfloat16; {gpu.name}, at most {memory_gb:g} GiB of it")
    torch.cuda.set_per_process_memory_fraction(min(1.0, memory_gb * GIB / torch.cuda.mem_get_info()[1]))
    rows: list[Measured] = []
    for precision in precisions:
        for row in measure(config.model_copy(update={"precision": precision}), out / "model", requests):
            rows.append(row)
            say(f"{row.precision}, {row.load}, {row.at_once} at once: {row.requests_per_second:.2f} requests/s")
            found = {"gpu": asdict(gpu), "torch": torch.__version__, "rows": [asdict(one) for one in rows]}
            write_json(out / "serving_gpu.json", found)
        torch.cuda.empty_cache()
    with atomic_write(out / "serving_gpu.md") as file:
        file.write(table(rows))
    print(f"\n{table(rows)}", end="")


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    import typer

    def command(
        recipe: Annotated[Path, typer.Option(help="Its serve.yaml is taken.")] = Path("recipes/mistral-7b-oneday"),
        precision: Annotated[
            list[str] | None, typer.Option(help="bfloat16, nf4, float32; give it again for more.")
        ] = None,
        requests: Annotated[int, typer.Option(min=8, help="Requests of each load.")] = 32,
        memory_gb: Annotated[float, typer.Option(min=1, help="The cap of memory, in GiB.")] = 24.0,
        out: Annotated[Path, typer.Option(help="Where weights and results go.")] = OUT,
        prepare: Annotated[bool, typer.Option("--prepare", help="Write config and tokenizer; no GPU.")] = False,
    ) -> int:
        def work() -> None:
            from oneday.config import load_config
            from training.planning.geometry import published_config

            config = load_config(recipe / "serve.yaml", ServeConfig)
            if prepare:
                shapes = published_config(BASE_MODEL)
                assert shapes is not None
                describe_model(out / "model", shapes)
                return
            run(config, out, precision or PRECISIONS, requests, memory_gb)

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
