"""What a training will take, said before anything is downloaded or started: tokens, steps, hours, and memory by part.

    python -m training.plan recipes/mistral-7b-oneday --gpu rtx4090 [--out DIR] [--json]
    python -m training.plan recipes/mistral-7b-oneday --gpu rtx4090 --measure 20

Reads the recipe's train file, the rows of 05_mix if they are there (else the plan of its data file), and the model's
config. Exit code 1, with what to change, if the training does not fit the card or the recipe's hours; of two trainings
in turn, each, and both together a day. With --measure, runs a few real steps on this machine first; see
`training.planning.measure`.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from oneday.config import Document

if TYPE_CHECKING:
    from training.planning.cards import Card
    from training.planning.outlook import Case, Outlook

HELP = """Say what a training will take, before anything is downloaded or started.

RECIPE is a recipe folder, for its train.yaml (or train-1-NAME.yaml and train-2-NAME.yaml), or one of its train files,
such as train-fsdp2.yaml. Prints tokens, steps, hours and memory by part, and ends with exit code 1 and what to change
if it does not fit.

Example: python -m training.plan recipes/mistral-7b-oneday --gpu rtx4090

Another card: --gpu l4 --tflops 100, or --memory-gb 48 --tflops 150 without --gpu. This machine's processor: --gpu cpu.
"""
DEFAULT_CARD = "rtx4090"


@dataclass(frozen=True)
class Request:
    """The options of the command line."""

    recipe: Path
    card: "Card"
    gpus: int
    out: Path | None
    measure: int | None
    model_config: Path | None
    as_json: bool


def run(request: Request) -> bool:
    """Print the plan; whether each training fits, and all do, by all that is known. Raises as the parts do."""
    from oneday.console import quiet_libraries
    from training.planning.table import together
    from training.train_file import load_train_files

    quiet_libraries()
    documents = load_train_files(request.recipe)
    if len(documents) == 1:
        return _known_to_fit(plan_of(documents[0], request))
    if request.as_json or request.measure is not None:
        option = "--json" if request.as_json else "--measure"
        names = " or ".join(str(document.path) for document in documents)
        raise ValueError(f"{option} is for one training, and {request.recipe} has two; name {names}")
    outlooks = []
    for document in documents:
        outlooks.append(plan_of(document, request))
        print()
    text, in_time = together(outlooks)
    print(text)
    return all(map(_known_to_fit, outlooks)) and in_time


def _known_to_fit(outlook: "Outlook") -> bool:
    return outlook.fits and outlook.hours is not None


def plan_of(document: Document, request: Request) -> "Outlook":
    """Print the plan of one training. Raises as the parts do."""
    from training.planning.outlook import look

    run_dir = request.out or default_run(document)
    document = in_run_folder(document, run_dir)
    case, rows_source = case_of(document, request.card, request.gpus, request.model_config)
    if request.measure is not None:
        _measure(document, case, run_dir, request.measure)
    case = with_earlier_measurement(case, run_dir)
    outlook = look(case)
    _show(document, case, outlook, rows_source, request.as_json)
    return outlook


def case_of(document: Document, card: "Card", gpus: int, model_config: Path | None = None) -> "tuple[Case, str]":
    """What the plan of one training is made of, and in words where its rows' lengths are from.

    The paths of the document are those of the run folder; the recipe's other files are beside its own path.
    """
    from training.planning.compressed import config_for, teacher_geometry
    from training.planning.geometry import geometry_of
    from training.planning.outlook import Case
    from training.planning.rows import rows_from
    from training.planning.settings import read_settings

    folder = document.path.parent
    settings = read_settings(document)
    config, source = config_for(settings.base_model, folder, model_config)
    geometry = geometry_of(config, source, settings.overrides_of_model_config)
    teacher = teacher_geometry(settings.oneday_teacher, folder)
    rows_of, rows_source = rows_from(folder, settings, geometry)
    return Case(geometry, settings, card, gpus, rows_of, teacher=teacher), rows_source


def with_earlier_measurement(case: "Case", run_dir: Path) -> "Case":
    """The case with what --measure found in this run folder, if that was on such a card with such settings."""
    from training.planning.measure import earlier_measurement

    return replace(case, measured=earlier_measurement(run_dir, case.settings, case.card, case.gpus))


def default_run(document: Document) -> Path:
    """The run folder of the recipe that a train file is in."""
    return Path("runs") / document.path.parent.resolve().name


def in_run_folder(document: Document, run_dir: Path) -> Document:
    """The document with the paths below its default run folder moved to another one."""
    from training.train import move_paths

    return Document(document.path, move_paths(document.values, default_run(document), run_dir), document.lines)


def _measure(document: Document, case: "Case", run_dir: Path, steps: int) -> None:
    """Run the steps and print them beside the plan."""
    from oneday.stage import exclusive
    from training.planning.measure import measure
    from training.planning.outlook import look
    from training.planning.table import measured_rows, render_table

    with exclusive(run_dir):
        found = measure(document, case.settings, run_dir, steps)
    print(f"measured    {found.steps} steps on {found.gpu or 'the CPU'}, {found.processes} processes")
    print(render_table("measured", "", measured_rows(found, look(case)), "plan"))
    print()


def _show(document: Document, case: "Case", outlook: "Outlook", source: str, as_json: bool) -> None:
    from training.planning import table
    from training.planning.advice import single_changes, smallest_fit

    singles = [] if outlook.fits else single_changes(case, outlook)
    smallest = None if outlook.fits else smallest_fit(case, outlook)
    if as_json:
        print(json.dumps(table.as_json(case, outlook, singles, smallest), indent=2))
        return
    print(f"{document.path}\n")
    print("\n".join(table.head_lines(case, outlook, source)), end="\n\n")
    print(table.render_table("memory", "GiB", table.memory_rows(case, outlook)), end="\n\n")
    if outlook.hours is not None:
        print(table.time_table(outlook), end="\n\n")
    lines = [*table.notes(document.values, case.gpus), table.verdict(outlook)]
    print("\n".join(lines if outlook.fits else [*lines, *table.advice_lines(singles, smallest)]))


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    import typer

    from oneday.console import FAILED, run_command, typer_main
    from oneday.options import Out

    def command(
        recipe: Annotated[Path, typer.Argument(help="Recipe folder, or one of its train*.yaml.")],
        gpu: Annotated[str | None, typer.Option(help=f"The card, or cpu [default: {DEFAULT_CARD}].")] = None,
        memory_gb: Annotated[float | None, typer.Option(help="Its memory in GiB, instead of the card's.")] = None,
        tflops: Annotated[float | None, typer.Option(help="Its dense TFLOP/s, instead of the card's.")] = None,
        gpus: Annotated[int, typer.Option(min=1, help="How many cards, each with a part of the batches.")] = 1,
        out: Out = None,
        measure: Annotated[
            int | None, typer.Option(min=2, help="Run so many real steps on this machine first.")
        ] = None,
        model_config: Annotated[Path | None, typer.Option(help="The base model's config.json.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    ) -> int:
        fits = False

        def work() -> None:
            nonlocal fits
            from training.planning.cards import find_card

            name = DEFAULT_CARD if gpu is None and None in (memory_gb, tflops) else gpu
            card = find_card(name, memory_gb, tflops)
            fits = run(Request(recipe, card, gpus, out, measure, model_config, as_json))

        return run_command(work) or (0 if fits else FAILED)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
