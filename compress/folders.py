"""Which model a stage starts from: the folders of the stages that make one before the last training, in their order."""

import shutil
from pathlib import Path

from oneday.recipe import TEACHER_FILE, TRAINING_IN_TURN, Recipe

TRIM, TEACHER, PRUNE, FIRST_TRAINING = "05a_trim", "05b_teacher", "05c_prune", "05d_train_1"
TRAINING = "06_train"
MODEL = "model"


def stage_folders(recipe: Recipe) -> list[str]:
    """The folders, below the run folder, of those of these stages that the recipe has, in their order."""
    there: dict[str, object] = {FIRST_TRAINING: recipe.first_training}
    if recipe.compress is not None:
        compression = {TRIM: recipe.compress.trim, TEACHER: recipe.teacher, PRUNE: recipe.compress.prune}
        there = compression | there
    return [folder for folder, settings in there.items() if settings is not None]


def model_before(recipe: Recipe, folder: str) -> str | None:
    """The model that the stage of `folder` starts from, below the run folder; None: the recipe's base model itself."""
    before = [name for name in stage_folders(recipe) if name < folder]
    return f"{before[-1]}/{MODEL}" if before else None


def model_input(recipe: Recipe, folder: str) -> tuple[str, ...]:
    """The same as a stage's inputs; none for a stage that the recipe does not have."""
    if folder in (TRIM, TEACHER, PRUNE, FIRST_TRAINING) and folder not in stage_folders(recipe):
        return ()
    before = model_before(recipe, folder)
    return () if before is None else (before,)


def untrained_model(recipe: Recipe) -> str | None:
    """The model that the recipe's trainings start from, below the run folder; None: the base model itself."""
    return model_before(recipe, FIRST_TRAINING)


def training_folder(file_name: str) -> str:
    """The folder of the stage that trains by an Axolotl file of a recipe."""
    if file_name == TEACHER_FILE:
        return TEACHER
    turn = TRAINING_IN_TURN.fullmatch(file_name)
    return FIRST_TRAINING if turn is not None and turn[1] == "1" else TRAINING


def free_model_folder(output_dir: Path) -> Path:
    """Where a stage writes its model; gone is what an earlier start left that was cut off before its report."""
    target = output_dir / MODEL
    if target.is_dir():
        shutil.rmtree(target)
    return target
