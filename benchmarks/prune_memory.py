"""The memory that pruning takes at full size: random weights of InkubaLM's or Mistral-7B's shape, to half their width.

    python -m benchmarks.prune_memory inkuba [--method pca] [--refit] [--sequences 4] [--tokens 128] [--out FOLDER]
    python -m benchmarks.prune_memory mistral-7b      (needs 25 GB of disk in FOLDER)

Weights are made first and kept in FOLDER if one is given. Then a process of its own prunes them on random ids; its
peak memory and seconds are printed. What the models say is noise; their sizes are the real ones.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from oneday.console import quiet_libraries

PUBLISHED = Path("training/planning/published/Mistral-7B-v0.1.json")
HALF: dict[str, dict[str, Any]] = {
    "inkuba": {"hidden_size": 1024, "intermediate_size": 2816, "attention_heads": 16, "key_value_heads": 16},
    "mistral-7b": {"hidden_size": 2048, "intermediate_size": 7168, "attention_heads": 16, "key_value_heads": 4},
}
SEED = 123


def make(model: str, folder: Path) -> Path:
    """The model folder with random weights; one that is there is kept."""
    if model == "inkuba":
        from benchmarks.random_inkuba import make_random_inkuba
        from compress.inkuba import from_hub_layout

        hub, converted = folder / "hub", folder / "model"
        if not hub.is_dir():
            make_random_inkuba(hub)
        return converted if converted.is_dir() else from_hub_layout(hub, converted)
    from benchmarks.random_mistral import describe_model, make_weights

    describe_model(folder / "model", json.loads(PUBLISHED.read_text(encoding="utf-8")))
    make_weights(folder / "model", "cpu")
    return folder / "model"


def prune(
    model: str, source: Path, target: Path, chosen: dict[str, Any], shape: tuple[int, int]
) -> tuple[int, float, int, int]:
    """Peak memory in bytes, seconds, parameters before and after; run in a process that does nothing else."""
    import torch

    from compress.config import Prune
    from compress.pruning.model import prune_model
    from compress.pruning.report import table

    quiet_libraries()
    calibration = {"corpus": [{"path": "random.txt", "language": "eng"}], "sequences": shape[0], "tokens": shape[1]}
    settings = chosen | {"seed": SEED, "head": "untied", "calibration": calibration}
    ids = torch.randint(3, 30_000, shape, generator=torch.Generator().manual_seed(SEED))
    began = time.monotonic()
    report = prune_model(source, target, Prune.model_validate(settings | HALF[model]), ids)
    print(table(report))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak, time.monotonic() - began, report.before.unique, report.after.unique


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Make the weights, prune them, print what it took."""
    source = make(arguments.model, folder)
    shape = (arguments.sequences, arguments.tokens)
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        chosen = {"method": arguments.method, "refit": arguments.refit}
        asked = (arguments.model, source, Path(scratch) / "pruned", chosen, shape)
        peak, seconds, before, after = pool.submit(prune, *asked).result()
    print(
        f"{arguments.model}, {arguments.method}{', refit' if arguments.refit else ''}, {shape[0]} x {shape[1]} tokens: "
        f"{before:,} -> {after:,} parameters, peak {peak / 2**30:.1f} GiB, {seconds:.0f} s"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark in --out, or in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=tuple(HALF))
    parser.add_argument("--method", choices=("importance", "pca"), default="pca")
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    quiet_libraries()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        run(arguments, arguments.out)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        run(arguments, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
