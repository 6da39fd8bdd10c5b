"""Run a whole recipe: every stage in order, skipping what is finished and unchanged.

    python run.py recipes/quickstart [--out DIR] [--until STAGE] [--engine NAME] [--ray ADDRESS] [--dry-run]

A run that is stopped or killed goes on with the same command.
"""

import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import data_prep.collect
import data_prep.sample
import data_prep.score
import eval.generate
import eval.report
import eval.score
import training.train
from data_prep.mix import STAGE as MIX
from data_prep.mix import mix_stage
from data_prep.predict import STAGE as PREDICT
from data_prep.predict import predict_stage
from eval.scores import read_scores
from eval.table import render
from oneday.config import ConfigError
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.files import sha256_file
from oneday.options import DryRun, EngineConcurrency, EngineName, EngineUrl, Out, RayAddress, RecipeFolder, ServedModel
from oneday.recipe import Recipe, load_recipe
from oneday.stage import Outcome, Stage, exclusive, execute, plan
from serve.engine import EngineChoice
from training.validate import check_recipe


def validate(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Check every YAML of the recipe, Axolotl's keys included."""
    return Outcome({"files": len(check_recipe(recipe.folder))})


VALIDATE = Stage(
    name="validate",
    folder="00_validate",
    module="training.validate",
    summary="Check every YAML of the recipe.",
    inputs=(),
    settings=lambda recipe: {
        "axolotl": metadata.version("axolotl"),
        **{path.name: sha256_file(path) for path in sorted(recipe.folder.glob("*.y*ml"))},
    },
    run=validate,
)

STAGES = (
    VALIDATE,
    data_prep.collect.STAGE,
    PREDICT,
    data_prep.score.STAGE,
    data_prep.sample.STAGE,
    MIX,
    training.train.STAGE,
    eval.generate.STAGE,
    eval.score.STAGE,
    eval.report.STAGE,
)


def run_recipe(folder: Path, out: Path | None, until: str, dry_run: bool, chosen: Sequence[Stage]) -> None:
    """Bring every stage up to `until` up to date, then show the result. Raises as the stages do.

    The `chosen` stages take the places of those of their names: they know which engine or cluster to use.
    """
    try:
        recipe = load_recipe(folder)
    except ConfigError:
        check_recipe(folder)  # names the faults of all files, train.yaml's too
        raise
    run_dir = out or recipe.default_out
    names = [stage.name for stage in STAGES]
    if until not in names:
        raise ValueError(f"--until {until}: no such stage; allowed: {', '.join(names)}")
    if recipe.data.collect.held_out_per_task == 0 and names.index(until) >= names.index("generate"):
        raise ValueError(
            f"{recipe.folder / recipe.data_file}: collect.held_out_per_task is 0, so there are no rows to evaluate "
            "the model on; raise it, or stop earlier: --until train"
        )
    by_name = {stage.name: stage for stage in (*STAGES, *chosen)}
    stages = [by_name[name] for name in names[: names.index(until) + 1]]
    if dry_run:
        print("\n".join(plan(stage, recipe, run_dir) for stage in stages))
        return
    began = time.monotonic()
    with exclusive(run_dir):
        for stage in stages:
            execute(stage, recipe, run_dir)
    if until == names[-1]:
        print(f"\n{render(read_scores(run_dir / '08_eval_score/scores.json'))}\n")
        print(f"report      {run_dir / '09_report/report.html'}")
        print(f"model       {run_dir / '06_train/model'} (a LoRA adapter of {recipe.base_model})")
    print(f"time        {time.monotonic() - began:.0f} s")


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        until: Annotated[str, typer.Option(help="Last stage to run.")] = "report",
        engine: EngineName = "transformers",
        engine_url: EngineUrl = None,
        served_model: ServedModel = None,
        engine_concurrency: EngineConcurrency = None,
        ray: RayAddress = None,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            predict = predict_stage(EngineChoice.checked(engine, engine_url, served_model, engine_concurrency), ray)
            run_recipe(recipe, out, until, dry_run, (predict, mix_stage(None, ray)))

        quiet_libraries()
        return run_command(work)

    stages = ", ".join(stage.name for stage in STAGES)
    return typer_main(
        command,
        f"Run a whole recipe: every stage in order, skipping what is finished and unchanged.\n\n{RECIPE_HELP}\n\n"
        f"Stages: {stages}. "
        "A run that is stopped or killed goes on with the same command.",
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
