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

import compress.prune
import compress.trim
import data_prep.collect
import data_prep.sample
import data_prep.score
import data_prep.translate
import eval.answer
import eval.generate
import eval.report
import eval.score
import eval.zindi
import training.first
import training.teacher
import training.train
from compress.folders import stage_folders
from data_prep.config import SampledDataConfig
from data_prep.mix import STAGE as MIX
from data_prep.mix import mix_stage
from data_prep.predict import STAGE as PREDICT
from data_prep.predict import predict_stage
from eval.scores import read_scores
from eval.table import render
from eval.zindi_scores import read_zindi_scores
from eval.zindi_table import render as render_zindi
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

SAMPLING = (data_prep.collect.STAGE, PREDICT, data_prep.score.STAGE, data_prep.sample.STAGE)
MODELS = (compress.trim.STAGE, training.teacher.STAGE, compress.prune.STAGE, training.first.STAGE)
EVALUATION = (eval.generate.STAGE, eval.score.STAGE, eval.report.STAGE)
ZINDI = (eval.answer.STAGE, eval.zindi.STAGE)
STAGES = (VALIDATE, *SAMPLING, data_prep.translate.STAGE, MIX, *MODELS, training.train.STAGE, *EVALUATION, *ZINDI)


def stages_of(recipe: Recipe) -> list[Stage]:
    """The stages that the recipe has settings for, in their order."""
    data = recipe.data_settings
    has = {stage.name: stage.folder in stage_folders(recipe) for stage in MODELS}
    has |= {stage.name: isinstance(data, SampledDataConfig) for stage in SAMPLING}
    has |= {data_prep.translate.STAGE.name: data is not None and data.translate is not None, MIX.name: data is not None}
    has |= {stage.name: recipe.eval_settings is not None for stage in EVALUATION}
    has |= {stage.name: recipe.zindi_settings is not None for stage in ZINDI}
    return [stage for stage in STAGES if has.get(stage.name, True)]


def run_recipe(folder: Path, out: Path | None, until: str | None, dry_run: bool, chosen: Sequence[Stage]) -> None:
    """Bring every stage up to `until` up to date, then show the result. Raises as the stages do.

    The `chosen` stages take the places of those of their names: they know which engine or cluster to use.
    """
    try:
        recipe = load_recipe(folder)
    except ConfigError:
        check_recipe(folder)  # names the faults of all files, train.yaml's too
        raise
    run_dir = out or recipe.default_out
    names = [stage.name for stage in stages_of(recipe)]
    until = names[-1] if until is None else until
    if until not in names:
        raise ValueError(f"--until {until}: {recipe.folder} has no such stage; it has: {', '.join(names)}")
    evaluated = [stage.name for stage in EVALUATION if stage.name in names[: names.index(until) + 1]]
    if evaluated and recipe.sampling.collect.held_out_per_task == 0:
        raise ValueError(
            f"{recipe.folder / recipe.data_file}: collect.held_out_per_task is 0, so there are no rows to evaluate "
            "the model on; raise it, or stop earlier: --until train"
        )
    by_name = {stage.name: stage for stage in (*STAGES, eval.report.report_stage(run_dir), *chosen)}
    stages = [by_name[name] for name in names[: names.index(until) + 1]]
    if dry_run:
        print("\n".join(plan(stage, recipe, run_dir) for stage in stages))
        return
    began = time.monotonic()
    with exclusive(run_dir):
        for stage in stages:
            execute(stage, recipe, run_dir)
    if until == eval.report.STAGE.name:
        print(f"\n{render(read_scores(run_dir / '08_eval_score/scores.json'))}\n")
        print(f"report      {run_dir / '09_report/report.html'}")
    if until == eval.zindi.STAGE.name:
        print(f"\n{render_zindi(read_zindi_scores(run_dir / '08_zindi/scores.json'))}\n")
    if "train" in names[: names.index(until) + 1]:
        print(f"model       {run_dir / '06_train/model'} ({kind_of_model(recipe)})")
    print(f"time        {time.monotonic() - began:.0f} s")


def kind_of_model(recipe: Recipe) -> str:
    """What the training leaves, in words."""
    if recipe.train.values.get("adapter"):
        return f"a LoRA adapter of {recipe.train.values['base_model']}"
    return f"a whole model, made from {recipe.base_model}"


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        until: Annotated[str | None, typer.Option(help="Last stage to run [default: the recipe's last].")] = None,
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
