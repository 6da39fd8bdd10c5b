"""Speed and memory of two recipes on an NVIDIA GPU, and how near `training.plan` comes to both.

    python -m benchmarks.training_gpu [--steps 12] [--memory-gb 24] [--out runs/training_gpu] [--dry-run]

Real steps, one evaluation and one save through Axolotl's own command, on random weights of Mistral-7B's shapes, under a
cap of memory -> training_gpu.md (a table for a recipe's README) and training_gpu.json. No network is needed; what the
model would learn is not looked at. Exit code 1 if a target is missed, or without a CUDA device.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from benchmarks.gpu_device import (
    Gpu,
    absent_packages,
    attention_keys,
    card_for,
    has_flash_attention,
    idle_gpu,
    require_cuda,
)
from benchmarks.gpu_trainings import (
    BASE_MODEL,
    ROOT,
    Bench,
    Plan,
    Training,
    environment,
    label,
    measure_all,
    plans_for,
    write_rows,
    write_train_file,
)
from benchmarks.random_mistral import describe_model, make_weights
from benchmarks.training_gpu_report import _cuda_version, report, targets
from oneday.config import Document
from oneday.console import FAILED, quiet_libraries, run_command, typer_main
from oneday.files import atomic_write, write_json
from oneday.stage import LIBRARIES

if TYPE_CHECKING:
    from training.planning.cards import Card

HELP = """Measure the speed and the memory of training recipes on an NVIDIA GPU, and compare with what the plan says.

The first of --recipes is what the others are compared with. Each trains --steps steps, evaluates once and saves once,
with PyTorch's memory capped; one that runs out of memory is measured again without the cap, and the table says so.
Weights are random, of Mistral-7B-v0.1's shapes (14.5 GB, made once in --out), rows are made up.

Without a GPU: --dry-run writes the training files and shows the plan for them.
"""
RECIPES = [ROOT / "recipes/mistral-7b-birbal", ROOT / "recipes/mistral-7b-oneday"]
OUT = Path("runs/training_gpu")
ELSEWHERE = "rtx4090"  # planned too, for information: the card that the recipes are for
OURS = ".training_gpu"  # marks a folder whose content may be deleted


def run(bench: Bench, gpu: Gpu | None, cards: Sequence["Card"]) -> bool:
    """Make the model and the rows, plan, train, report; whether all targets are met."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    prepare(bench, say)
    size = make_weights(bench.model, "cpu" if bench.on_cpu is not None else "cuda")
    say(f"weights: {size / 1e9:.1f} GB of random bfloat16 in {bench.model}")
    plans = {label(one): plans_for(write_train_file(bench, one), cards) for one in bench.recipes}
    trainings: list[Training] = []
    for training in measure_all(bench, say):
        trainings.append(training)
        write_results(bench, gpu, trainings, plans, whole=False)
    text, met = report(bench, gpu, trainings, plans)
    write_results(bench, gpu, trainings, plans, whole=True)
    with atomic_write(bench.out / "training_gpu.md") as file:
        file.write(text)
    say(f"report: {bench.out / 'training_gpu.md'}, {bench.out / 'training_gpu.json'}")
    print(f"\n{text}", end="")
    return met


def prepare(bench: Bench, say: Callable[[str], None]) -> None:
    """Write what needs no GPU: the model's config and tokenizer, and the rows.

    Raises ValueError if the folder is in use for something else: folders in it are emptied.
    """
    mark = bench.out / OURS
    if bench.out.is_dir() and any(bench.out.iterdir()) and not mark.is_file():
        raise ValueError(
            f"--out {bench.out} holds files that are not this benchmark's; name an empty folder or a new one"
        )
    bench.out.mkdir(parents=True, exist_ok=True)
    mark.touch()
    describe_model(bench.model, bench.shapes)
    count = write_rows(bench)
    say(f"rows: {count:,} of {bench.tokens_per_row} tokens in the mean, {bench.evaluation_rows} to evaluate")


def preview(bench: Bench, cards: Sequence["Card"]) -> None:
    """Write the training files and print what would run, with the plan."""
    prepare(bench, print)
    print(f"absent here: {', '.join(absent_packages(bench.recipes)) or 'none of the packages that are needed'}")
    if bench.attention:
        print(f"attention: flash-attn is not on this machine; in all recipes {json.dumps(dict(bench.attention))}")
    for recipe in bench.recipes:
        path = write_train_file(bench, recipe)
        print(f"would run: accelerate launch -m axolotl.cli.train {path}, under a cap of {bench.memory_gib:g} GiB")
        for plan in plans_for(path, cards):
            print(
                f"  planned for {plan.card}: {plan.peak_gib:.2f} GiB of {plan.offered_gib:.2f}, "
                f"{plan.seconds_per_step:.2f} s a step, {plan.tokens_per_second:,.0f} tokens of rows a second"
            )
    print("A recipe that runs out of memory would be run again without the cap. Nothing was measured.")


def write_results(
    bench: Bench, gpu: Gpu | None, trainings: Sequence[Training], plans: Mapping[str, Sequence[Plan]], whole: bool
) -> None:
    """training_gpu.json, after each training: what is known so far."""
    values = {
        "finished": whole,
        "gpu": None if gpu is None else asdict(gpu),
        "cuda": _cuda_version(),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
        "steps": bench.steps,
        "warmup": bench.warmup,
        "memory_gib": bench.memory_gib,
        "tokens_per_row": bench.tokens_per_row,
        "changed_attention": dict(bench.attention),
        "trainings": [asdict(one) for one in trainings],
        "plans": {name: [asdict(plan) for plan in of_one] for name, of_one in plans.items()},
        "targets": [asdict(one) for one in targets(bench, trainings, plans)] if whole else None,
    }
    write_json(bench.out / "training_gpu.json", values)


def checked(recipes: Sequence[Path], steps: int, warmup: int, memory_gb: float) -> tuple[Document, ...]:
    """The recipes' files. Raises ConfigError or ValueError that names the option."""
    from training.train_file import load_train_file

    if warmup >= steps:
        raise ValueError(f"--warmup {warmup} leaves no step of --steps {steps} to measure; it must be smaller")
    if memory_gb <= 0:
        raise ValueError(f"--memory-gb must be above 0 (given: {memory_gb:g})")
    found = tuple(load_train_file(path) for path in recipes)
    names = [label(document) for document in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--recipes names {', '.join(twice)} twice; name each once")
    return found


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    import typer

    def command(
        steps: Annotated[int, typer.Option(min=2, help="Steps of each training.")] = 12,
        warmup: Annotated[int, typer.Option(min=1, help="Of these, the first that do not count for the speed.")] = 2,
        memory_gb: Annotated[float, typer.Option(help="The cap of memory, in GiB.")] = 24.0,
        recipes: Annotated[
            list[Path] | None, typer.Option(help="Recipe folder or train*.yaml; give it more than once.")
        ] = None,
        out: Annotated[Path, typer.Option(help="Where weights, rows, logs and results go.")] = OUT,
        gpu: Annotated[str | None, typer.Option(help="The plan's name of the card, if it does not know it.")] = None,
        tokens_per_row: Annotated[int, typer.Option(min=50, max=2000, help="The mean of the rows' lengths.")] = 300,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the files and show the plan; no GPU.")] = False,
    ) -> int:
        met = dry_run

        def work() -> None:
            nonlocal met
            from training.planning.cards import find_card
            from training.planning.geometry import published_config

            documents = checked(recipes or RECIPES, steps, warmup, memory_gb)
            quiet_libraries()
            if not dry_run:
                require_cuda(documents)
            found = None if dry_run else idle_gpu(out)
            named, elsewhere = card_for(found, gpu), find_card(ELSEWHERE, None, None)
            cards = [elsewhere] if named in (None, elsewhere) else [named, elsewhere]
            with environment({"HF_HUB_OFFLINE": "1"}):
                keys = attention_keys(documents, has_flash_attention())
            shapes = published_config(BASE_MODEL)
            assert shapes is not None
            bench = Bench(out, documents, shapes, steps, warmup, memory_gb, tokens_per_row, attention=keys)
            if dry_run:
                preview(bench, cards)
            else:
                met = run(bench, found, cards)

        return run_command(work) or (0 if met else FAILED)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
