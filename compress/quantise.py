"""Stage quantise: the trained model with its weights in fewer bits, and what that costs.

    python -m compress.quantise recipes/inkuba-40m-oneday [--out DIR] [--dry-run]

Reads 06_train/model and the held-out texts of compress.yaml (`quantise.texts`); writes 12_quantise/model and
12_quantise/quantise.json: bytes and loss before and after. No stage of run.py: a submission may not want it.
"""

import sys
from itertools import islice
from pathlib import Path
from typing import Any

from compress.folders import free_model_folder
from compress.text_inputs import run_inputs, text_hashes
from oneday.console import stage_main
from oneday.files import write_json
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError

FOLDER = "12_quantise"


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Quantise the model that was trained."""
    from compress.corpus import texts
    from compress.quantising import quantise_model, table

    settings = recipe.compress.quantise if recipe.compress is not None else None
    if settings is None:
        raise StageError(f"{recipe.folder}: there is no quantise in compress.yaml, so there is nothing to do")
    source = run_dir / "06_train/model"
    if (source / "adapter_config.json").is_file():
        raise StageError(f"{source} is an adapter; a whole model is quantised: merge it first, or train without one")
    each = (islice(texts([file], run_dir), settings.texts_each) for file in settings.texts)
    read = [text.text for some in each for text in some]
    target = free_model_folder(output_dir)
    report = quantise_model(source, target, settings, read)
    write_json(output_dir / "quantise.json", report.model_dump(mode="json"))
    print(table(report))
    return Outcome({"bytes_before": report.bytes_before, "bytes": report.bytes_after})


def quantise_settings(recipe: Recipe) -> dict[str, Any]:
    """What shapes the quantised model and its measurement."""
    settings = recipe.compress.quantise if recipe.compress is not None else None
    if settings is None:
        return {}
    return {"quantise": settings.model_dump(mode="json"), "texts": text_hashes(settings.texts)}


def _inputs(recipe: Recipe) -> tuple[str, ...]:
    settings = recipe.compress.quantise if recipe.compress is not None else None
    return () if settings is None else ("06_train/model", *run_inputs(settings.texts))


STAGE = Stage(
    name="quantise",
    folder=FOLDER,
    module="compress.quantise",
    summary="Store the trained model's linear layers in fewer bits, and measure what that costs.",
    inputs=_inputs,
    settings=quantise_settings,
    run=run,
    uses_model=True,
    artefacts=("model/*", "quantise.json"),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
