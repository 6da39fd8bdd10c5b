"""Which compressed model a stage starts from: the folders of the compression's stages, in the order they run."""

import shutil
from pathlib import Path

from oneday.recipe import Recipe

TRIM, TEACHER, PRUNE = "05a_trim", "05b_teacher", "05c_prune"
MODEL = "model"


def stage_folders(recipe: Recipe) -> list[str]:
    """The folders, below the run folder, of the compression's stages that the recipe has, in their order."""
    if recipe.compress is None:
        return []
    there = {TRIM: recipe.compress.trim, TEACHER: recipe.teacher, PRUNE: recipe.compress.prune}
    return [folder for folder, settings in there.items() if settings is not None]


def model_before(recipe: Recipe, folder: str) -> str | None:
    """The model that the stage of `folder` starts from, below the run folder; None: the recipe's base model itself."""
    before = [name for name in stage_folders(recipe) if name < folder]
    return f"{before[-1]}/{MODEL}" if before else None


def model_input(recipe: Recipe, folder: str) -> tuple[str, ...]:
    """The same as a stage's inputs; none for a stage of the compression that the recipe does not have."""
    if folder in (TRIM, TEACHER, PRUNE) and folder not in stage_folders(recipe):
        return ()
    before = model_before(recipe, folder)
    return () if before is None else (before,)


def free_model_folder(output_dir: Path) -> Path:
    """Where a stage writes its model; gone is what an earlier start left that was cut off before its report."""
    target = output_dir / MODEL
    if target.is_dir():
        shutil.rmtree(target)
    return target
