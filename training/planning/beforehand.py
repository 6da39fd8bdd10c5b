"""The plan of a training for the machine that is about to run it -> plan.json, for the report.

    python -m training.planning.beforehand recipes/quickstart/train.yaml --out runs/quickstart --to FOLDER

The train stage starts it beside Axolotl, whose loading leaves a core free: what a plan imports takes seconds. Prints a
line once the processor's speed is measured, which Axolotl would sway. A plan that cannot be made is no error: the file
says why. The command for people is `training.plan`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

from oneday.config import ConfigError, Document
from training.plan_record import Planned, PlannedSeconds, PlanRecord, write_plan

HELP = "Write what a training will take on this machine to plan.json; the train stage runs this."
PATIENCE = 10  # of 19: Axolotl goes first


def run(train_file: Path, run_dir: Path, stage_dir: Path) -> None:
    """Write the plan of a recipe's train file, or why there is none."""
    from oneday.console import quiet_libraries
    from training.plan import in_run_folder
    from training.train_file import load_train_file

    quiet_libraries()
    try:
        plan = planned(in_run_folder(load_train_file(train_file), run_dir), run_dir)
    except (ConfigError, OSError, ValueError) as error:
        write_plan(stage_dir, PlanRecord(reason=str(error)))
    else:
        write_plan(stage_dir, PlanRecord(plan=plan))


def planned(document: Document, run_dir: Path) -> Planned:
    """What the training will take here. ValueError where card or hours are not known; raises as the plan's parts do."""
    from training.plan import case_of, with_earlier_measurement
    from training.planning.memory import GIB
    from training.planning.outlook import look
    from training.planning.this_machine import card_of, visible_gpus

    if document.values.get("use_ray"):
        raise ValueError("with use_ray the workers' machines are not known beforehand")
    names = visible_gpus()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the card is the training's
    card = card_of(names)
    print("ready", flush=True)
    os.nice(PATIENCE)
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
    sys.exit(main())
