"""Stage teacher: train the uncompressed model, its vocabulary trimmed, on the task; the student is pruned out of it.

    python -m training.teacher recipes/inkuba-40m-oneday [--out DIR]

Runs `accelerate launch -m axolotl.cli.train RECIPE/train-teacher.yaml`, as `training.train` runs train.yaml, into
05b_teacher. A teacher that knows the task gives a student more (LOG.md).
"""

import sys
from pathlib import Path

from compress.folders import TEACHER, model_input
from oneday.console import stage_main
from oneday.recipe import TEACHER_FILE, Recipe
from oneday.stage import Outcome, Stage, StageError
from training.train import mixed_rows, train


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Train the teacher, or take over a finished training of the same settings and data."""
    if recipe.teacher is None:
        raise StageError(f"{recipe.folder}: there is no {TEACHER_FILE}, so there is no teacher to train")
    return train(recipe.teacher, recipe, run_dir, output_dir)


STAGE = Stage(
    name="teacher",
    folder=TEACHER,
    module="training.teacher",
    summary="Train the uncompressed model on the task, as Axolotl does with train-teacher.yaml.",
    inputs=lambda recipe: (
        (*mixed_rows(recipe.teacher, recipe), *model_input(recipe, TEACHER)) if recipe.teacher is not None else ()
    ),
    settings=lambda recipe: recipe.teacher.values if recipe.teacher is not None else {},
    run=run,
    uses_model=True,
    keeps_folder=True,
    artefacts=("model/*",),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
