"""Stage trim: the parent with the tokens that the recipe's texts need, and no others.

    python -m compress.trim recipes/inkuba-50m [--out DIR] [--dry-run]

Reads the parent and the texts that compress.yaml names; writes 05a_trim/model, a whole model folder with one
tokenizer.json, and what that cost each language into 05a_trim/trim.json. Trains nothing.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from compress.config import CorpusFile
from compress.folders import TRIM, free_model_folder
from compress.text_inputs import run_inputs, text_hashes
from oneday.console import stage_main
from oneday.files import write_json
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Trim the parent's vocabulary, or replace it by a fresh one."""
    from compress.counts import comparison, count_parameters
    from compress.parent import parent_folder
    from compress.trimming.model import trim_model
    from compress.trimming.report import table

    settings = recipe.compress
    if settings is None or settings.trim is None:
        raise StageError(f"{recipe.folder}: there is no trim in compress.yaml, so there is nothing to do")
    source = parent_folder(settings, output_dir / "work")
    target = free_model_folder(output_dir)
    report = trim_model(source, target, settings.trim, run_dir)
    write_json(output_dir / "trim.json", report.model_dump(mode="json"))
    print(table(report))
    parameters = count_parameters(target)
    print(comparison(count_parameters(source), parameters))
    shutil.rmtree(output_dir / "work", ignore_errors=True)  # a converted parent is as large as the parent
    counts = {"tokens_before": report.tokens_before, "tokens": report.tokens_after}
    return Outcome({**counts, "parameters": parameters.unique})


def texts_of(recipe: Recipe) -> list[CorpusFile]:
    """The texts that are counted or measured."""
    return [] if recipe.compress is None or recipe.compress.trim is None else recipe.compress.trim.corpus


def trim_settings(recipe: Recipe) -> dict[str, Any]:
    """What shapes the trimmed model: the settings, and the content of every text they name."""
    if recipe.compress is None or recipe.compress.trim is None:
        return {}
    parent = {"revision": recipe.compress.parent_revision}
    return parent | {"trim": recipe.compress.trim.model_dump(mode="json"), "texts": text_hashes(texts_of(recipe))}


STAGE = Stage(
    name="trim",
    folder=TRIM,
    module="compress.trim",
    summary="Keep the tokens that the recipe's texts need, and drop the others from model and tokenizer.",
    inputs=lambda recipe: run_inputs(texts_of(recipe)),
    settings=trim_settings,
    run=run,
    uses_model=True,
    artefacts=("model/*", "trim.json"),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
