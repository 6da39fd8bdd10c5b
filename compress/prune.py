"""Stage prune: a smaller model out of the trimmed parent, or out of the teacher where the recipe trains one.

    python -m compress.prune recipes/inkuba-40m-oneday [--out DIR] [--dry-run]

Reads 05b_teacher/model, else 05a_trim/model, else the parent itself, and the calibration texts that compress.yaml
names; writes 05c_prune/model and 05c_prune/prune.json. Heals nothing: that is the training's work.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.config import CompressConfig, CorpusFile, Prune
from compress.folders import PRUNE, free_model_folder, model_before, model_input
from compress.text_inputs import run_inputs, text_hashes
from oneday.console import stage_main
from oneday.files import write_json
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError

if TYPE_CHECKING:
    import torch


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Prune the model that the stages before have left."""
    from compress.parent import parent_folder
    from compress.pruning.model import prune_model
    from compress.pruning.report import table

    settings = recipe.compress
    if settings is None or settings.prune is None:
        raise StageError(f"{recipe.folder}: there is no prune in compress.yaml, so there is nothing to do")
    before = model_before(recipe, PRUNE)
    source = parent_folder(settings, output_dir / "work") if before is None else run_dir / before
    _check_full_model(source)
    ids = _calibration(settings, settings.prune, source, run_dir)
    report = prune_model(source, free_model_folder(output_dir), settings.prune, ids)
    write_json(output_dir / "prune.json", report.model_dump(mode="json"))
    print(table(report))
    shutil.rmtree(output_dir / "work", ignore_errors=True)  # a converted parent is as large as the parent
    sizes = {"parameters_before": report.before.unique, "parameters": report.after.unique}
    return Outcome({**sizes, "layers": len(report.layers)})


def _check_full_model(source: Path) -> None:
    if (source / "adapter_config.json").is_file():
        raise StageError(
            f"{source} is an adapter, not a whole model; train the teacher without an adapter (train-teacher.yaml)"
        )


def _calibration(settings: CompressConfig, prune: Prune, source: Path, run_dir: Path) -> "torch.Tensor | None":
    """The calibration texts as (sequences, tokens) ids, where the recipe has some."""
    if prune.calibration is None:
        return None
    from transformers import AutoTokenizer

    from compress.corpus import texts
    from compress.inkuba import register
    from compress.pruning.calibration import calibration_ids

    register()
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    read = (text.text for text in texts(prune.calibration.corpus, run_dir))
    return calibration_ids(tokenizer, read, prune.calibration.sequences, prune.calibration.tokens, settings.seed)


def texts_of(recipe: Recipe) -> list[CorpusFile]:
    """The calibration texts."""
    prune = recipe.compress.prune if recipe.compress is not None else None
    return prune.calibration.corpus if prune is not None and prune.calibration is not None else []


def prune_settings(recipe: Recipe) -> dict[str, Any]:
    """What shapes the pruned model: the settings, and the content of every text they name."""
    if recipe.compress is None or recipe.compress.prune is None:
        return {}
    prune = recipe.compress.prune.model_dump(mode="json")
    parent = {"revision": recipe.compress.parent_revision}
    return parent | {"seed": recipe.compress.seed, "prune": prune, "texts": text_hashes(texts_of(recipe))}


STAGE = Stage(
    name="prune",
    folder=PRUNE,
    module="compress.prune",
    summary="Make the model narrower and shallower, keeping what carries most.",
    inputs=lambda recipe: (*model_input(recipe, PRUNE), *run_inputs(texts_of(recipe))),
    settings=prune_settings,
    run=run,
    uses_model=True,
    artefacts=("model/*", "prune.json"),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
