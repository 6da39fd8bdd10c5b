"""Stage train_1: the first of two trainings in turn, such as translation before all tasks.

    python -m training.first recipes/inkuba-40m [--out DIR]

Runs `accelerate launch -m axolotl.cli.train RECIPE/train-1-NAME.yaml`, as `training.train` then runs train-2-NAME.yaml,
into 05d_train_1. The second training goes on with the model of the first.
"""

import sys
from pathlib import Path

from compress.folders import FIRST_TRAINING, model_input
from oneday.console import stage_main
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError
from training.train import mixed_rows, train


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Train, or take over a finished training of the same settings and data."""
    if recipe.first_training is None:
        raise StageError(f"{recipe.folder}: there is no train-1-NAME.yaml but one training: run training.train")
    return train(recipe.first_training, recipe, run_dir, output_dir)


def _inputs(recipe: Recipe) -> tuple[str, ...]:
    if recipe.first_training is None:
        return ()
    return (*mixed_rows(recipe.first_training, recipe), *model_input(recipe, FIRST_TRAINING))


STAGE = Stage(
    name="train_1",
    folder=FIRST_TRAINING,
    module="training.first",
    summary="The first of two trainings in turn, as Axolotl does with train-1-NAME.yaml.",
    inputs=_inputs,
    settings=lambda recipe: recipe.first_training.values if recipe.first_training is not None else {},
    run=run,
    uses_model=True,
    keeps_folder=True,
    artefacts=("model/*",),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
