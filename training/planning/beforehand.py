"""The plan of a training for the machine that is about to run it -> plan.json, for the report.

    python -m training.planning.beforehand recipes/quickstart/train.yaml --out runs/quickstart --to FOLDER

The train stage starts it beside Axolotl, whose loading leaves a core free: what a plan imports takes seconds. Prints a
line when Axolotl may start: at once, or where no card can be used, once the processor's speed is measured, which
Axolotl would sway. A plan that cannot be made is no error: the file says why. Ends when the train stage is gone. The
command for people is `training.plan`.
"""

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from oneday.config import ConfigError, Document
from training.plan_record import Planned, PlannedSeconds, PlanRecord, settings_hash, write_plan
from training.running.processes import end_process, watch_parent

if TYPE_CHECKING:
    from training.planning.cards import Card

HELP = "Write what a training will take on this machine to plan.json; the train stage runs this."
PATIENCE = 10  # of 19: Axolotl goes first


def run(train_file: Path, run_dir: Path, stage_dir: Path) -> None:
    """Write the plan of a recipe's train file, or why there is none."""
    from oneday.console import quiet_libraries
    from training.plan import in_run_folder
    from training.planning.this_machine import card_of, may_have_gpus
    from training.train_file import load_train_file

    watch_parent()
    quiet_libraries()
    processor = None if may_have_gpus() else card_of([])
    print("ready", flush=True)
    os.nice(PATIENCE)
    try:
        document = load_train_file(train_file)
        plan = planned(in_run_folder(document, run_dir), run_dir, processor)
    except (ConfigError, OSError, ValueError) as error:
        record = PlanRecord(reason=str(error))
    else:
        record = PlanRecord(plan=plan, settings=settings_hash(document.values))
    write_plan(stage_dir, record)


def planned(document: Document, run_dir: Path, processor: "Card | None") -> Planned:
    """What the training will take on the cards here, or on the processor, if it was measured as no card can be used.

    Raises ValueError where card or hours are not known, and as the plan's parts do.
    """
    from training.plan import case_of, with_earlier_measurement
    from training.planning.memory import GIB
    from training.planning.outlook import look
    from training.planning.this_machine import card_of, visible_gpus

    if document.values.get("use_ray"):
        raise ValueError("with use_ray the workers' machines are not known beforehand")
    names = visible_gpus()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the card is the training's
    card = processor or card_of(names)
    gpus = max(len(names), 1)
    case, source = case_of(document, card, gpus)
    outlook = look(with_earlier_measurement(case, run_dir))
    if outlook.hours is None or outlook.steps is None or outlook.train is None:
        raise ValueError(f"the rows' lengths are {source}")
    computed = outlook.train.computed / max(outlook.train.micro_batches, 1)
    hours = outlook.hours
    return Planned(
        card=card.name,
        gpu=names[0] if names else None,
        devices=gpus,
        measured_before=hours.efficiency is None,
        tokens=round(computed * outlook.steps.micro_batches * gpus),
        steps=outlook.steps.total,
        evaluations=outlook.steps.evaluations,
        saves=outlook.steps.saves,
        seconds=PlannedSeconds(
            start=round(hours.start, 2),
            train=round(hours.train, 2),
            evaluate=round(hours.evaluate, 2),
            save=round(hours.save, 2),
        ),
        peak_memory_gib=round(outlook.peak / GIB, 3),
        offered_memory_gib=round(outlook.room / GIB, 3),
    )


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    import typer

    from oneday.console import run_command, typer_main

    def command(
        train_file: Annotated[Path, typer.Argument(help="A train*.yaml of a recipe.")],
        out: Annotated[Path, typer.Option(help="The run folder.")],
        to: Annotated[Path, typer.Option(help="The folder for plan.json.")],
    ) -> int:
        return run_command(lambda: run(train_file, out, to))

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    gc.disable()  # in a process this short it finds nothing, and takes a fifth of the time that importing does
    end_process(main())
