"""Stage zindi: the challenge's scores of the answers, with bootstrap intervals, and the size-aware score.

    python -m eval.zindi RECIPE [--out DIR] [--dry-run]
    python -m eval.zindi --submission FILE.csv --test-dir DIR [--model-dir DIR | --parameters N] [--parameter-size N]
    python -m eval.zindi --score 0.4965 --parameters 50480128 --parameter-size 421939200

The first reads 07_answer/*.jsonl and the sizes of the models, and writes 08_zindi/scores.json and scores.md. The second
scores a submission by test files that have targets, the third computes the formula alone; both need no recipe.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from compress.parent import download
from eval.answer import model_folders, model_of
from eval.competition_files import read_competition
from eval.given_options import given_options
from eval.size_aware import model_size, size_aware_score
from eval.submission import score_submission
from eval.zindi_config import ModelName
from eval.zindi_scores import read_zindi_scores
from eval.zindi_scoring import read_answers, score_answers
from eval.zindi_table import render
from oneday.console import RECIPE_HELP, run_command, run_stage, typer_main
from oneday.files import atomic_write, write_json
from oneday.options import DryRun
from oneday.recipe import Recipe, load_recipe
from oneday.stage import Outcome, Stage

RECIPE_FORM = "a recipe"
FORMS = (
    "give a recipe, or --submission with --test-dir, or --score with --parameters (or --model-dir) and --parameter-size"
)


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Score the answers of all models; of two, the tuned one is compared with the other."""
    config = recipe.zindi
    models: list[ModelName] = sorted(config.models, reverse=True)  # untuned before tuned
    answers = {str(model): read_answers(run_dir / f"07_answer/{model}.jsonl") for model in models}
    sizes = {str(model): _size(*model_of(recipe, run_dir, model)) for model in models}
    scores = score_answers(answers, sizes, config.parameter_size, config.bootstrap)
    write_json(output_dir / "scores.json", scores.model_dump())
    with atomic_write(output_dir / "scores.md") as file:
        file.write(f"{render(scores)}\n")
    rows = len(next(iter(answers.values())))
    return Outcome({"rows": rows, "tasks": sum(task.language is not None for task in scores.tasks)}, details=sizes)


def _size(folder: str, adapter: Path | None) -> int:
    return model_size(Path(folder) if Path(folder).is_dir() else download(folder, None), adapter)


STAGE = Stage(
    name="zindi",
    folder="08_zindi",
    module="eval.zindi",
    summary="Score the answers as the Buzuzu-Mavi challenge does, with bootstrap intervals.",
    inputs=lambda recipe: ("07_answer", *model_folders(recipe)),
    settings=lambda recipe: {
        "models": list(recipe.zindi.models),
        "base_model": recipe.base_model,
        "parameter_size": recipe.zindi.parameter_size,
        "bootstrap": recipe.zindi.bootstrap.model_dump(),
    },
    run=run,
)


def run_and_print(recipe: Path, out: Path | None, dry_run: bool) -> int:
    """Bring the stage up to date and print its tables; the exit code."""
    code = run_stage(lambda: STAGE, recipe, out, dry_run)
    if code == 0 and not dry_run:
        run_dir = out or load_recipe(recipe).default_out
        print(f"\n{render(read_zindi_scores(run_dir / STAGE.folder / 'scores.json'))}")
    return code


def form_of(given: set[str]) -> str:
    """Which form of the command the options are: a recipe, --submission or --score. ValueError if they are none."""
    allowed = {
        RECIPE_FORM: {"RECIPE", "--out", "--dry-run"},
        "--submission": {"--submission", "--test-dir", "--model-dir", "--parameters", "--parameter-size"},
        "--score": {"--score", "--model-dir", "--parameters", "--parameter-size"},
    }
    form = next((name for name in ("--submission", "--score") if name in given), RECIPE_FORM)
    needed = {RECIPE_FORM: {"RECIPE"}, "--submission": {"--test-dir"}, "--score": {"--parameter-size"}}[form]
    if stray := sorted(given - allowed[form]):
        raise ValueError(f"{', '.join(stray)} cannot go with {form}; {FORMS}")
    if missing := sorted(needed - given):
        raise ValueError(f"{missing[0]} is missing{'' if form == RECIPE_FORM else f' beside {form}'}; {FORMS}")
    sized = {"--model-dir", "--parameters"} & given
    if len(sized) == 2:
        raise ValueError("--model-dir and --parameters both say how large the model is; give one")
    if bool(sized) != ("--parameter-size" in given):
        raise ValueError(f"the score needs both the model's size and --parameter-size; {FORMS}")
    return form


def score_file(submission: Path, test_dir: Path, size: int | None, parameter_size: int | None) -> str:
    """The tables of a submission's scores by files that have targets."""
    return render(score_submission(submission, read_competition(test_dir), size, parameter_size))


def score_line(score: float, size: int, parameter_size: int) -> str:
    """The formula's result, and what it was given."""
    result = size_aware_score(score, size, parameter_size)
    return f"{result:.6f}  (s {score}, {size:,} parameters, PARAM_SIZE {parameter_size:,})"


def main(argv: list[str] | None = None) -> int:
    """The command line: one of the three forms."""

    def command(
        context: typer.Context,
        recipe: Annotated[Path | None, typer.Argument(help="Recipe folder, or one of its data files.")] = None,
        out: Annotated[Path | None, typer.Option(help="Run folder [default: runs/RECIPE].")] = None,
        dry_run: DryRun = False,
        submission: Annotated[Path | None, typer.Option(help="Score this file instead of a recipe's answers.")] = None,
        test_dir: Annotated[Path | None, typer.Option(help="Folder of the challenge's files, with targets.")] = None,
        score: Annotated[float | None, typer.Option(min=0, max=1, help="Compute the formula of this s alone.")] = None,
        model_dir: Annotated[Path | None, typer.Option(help="Model folder whose parameters are counted.")] = None,
        parameters: Annotated[int | None, typer.Option(min=1, help="The model's parameters, instead.")] = None,
        parameter_size: Annotated[int | None, typer.Option(min=1, help="PARAM_SIZE of the formula.")] = None,
    ) -> int:
        try:
            form_of(given_options(context))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

        def without_recipe() -> None:
            size = model_size(model_dir) if model_dir is not None else parameters
            if submission is not None and test_dir is not None:
                print(score_file(submission, test_dir, size, parameter_size))
            elif score is not None and size is not None and parameter_size is not None:
                print(score_line(score, size, parameter_size))

        return run_and_print(recipe, out, dry_run) if recipe is not None else run_command(without_recipe)

    return typer_main(command, f"{STAGE.summary}\n\n{RECIPE_HELP}\n\nForms: {FORMS}.", argv)


if __name__ == "__main__":
    sys.exit(main())
