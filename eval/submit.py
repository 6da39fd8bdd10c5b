"""A submission to the Buzuzu-Mavi challenge: a recipe's model answers the challenge's test files.

    python -m eval.submit RECIPE --test-dir DIR --out submission.csv [--run DIR] [--model tuned|untuned] [--dry-run]
    python -m eval.submit --check submission.csv --test-dir DIR

Reads SentimentTest.csv, XNLITest.csv and MTTest.csv, writes ID,Response: label numbers and translations, in the order
of the files. Answers are kept in RUN/submit while they come, so that a run that is cut off goes on.
"""

import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, get_args

import typer

from eval.answer import model_of
from eval.answering import PRECISION, answer_questions
from eval.competition_files import CompetitionRow, read_competition
from eval.given_options import given_options
from eval.instructions import questions
from eval.questions import Answered, Question
from eval.submission import described, read_submission, write_submission
from eval.zindi_config import Decoding, ModelName
from oneday import code
from oneday.buzuzu_mavi import labels_of
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.files import sha256_json
from oneday.models import ensure_base_model, model_files
from oneday.options import DryRun
from oneday.recipe import Recipe, load_recipe
from oneday.stage import LIBRARIES, StageError, exclusive, read_report
from postprocess.cases import RuleSet

MODELS: tuple[ModelName, ...] = get_args(ModelName)
HELP = "Answer the Buzuzu-Mavi challenge's test files with a recipe's model, or check a submission."
FOLDER = "submit"  # below the run folder
FORMS = "give a recipe with --test-dir and --out, or --check with --test-dir"


def submit(recipe: Recipe, test_dir: Path, out: Path, run_dir: Path, model: ModelName) -> str:
    """Answer the files' rows and write the submission; what it holds, in words.

    Raises StageError if the model has not been made, ConfigError without a zindi.yaml, ValueError or FileNotFoundError
    for files that are wrong.
    """
    from serve.transformers_engine import load_model

    rows, asked = _checked(recipe, test_dir, out)
    ensure_base_model(recipe.base_model, recipe.base_model_from)
    folder, adapter = finished_model(recipe, run_dir, model)
    decoding, rules = recipe.zindi.decoding, recipe.rules
    work = run_dir / FOLDER / f"{model}-{fingerprint(asked, decoding, rules, folder, adapter)[:12]}"
    with exclusive(run_dir):
        answered = answer_questions(asked, lambda: load_model(folder, adapter, PRECISION), decoding, rules, work, model)
    responses, copied = responses_of(rows, answered)
    write_submission(out, rows, responses)
    read_submission(out, rows)
    told = f"\n{copied} translations were blank; the English input stands in their place" if copied else ""
    return f"{described(out, rows)}{told}"


def _checked(recipe: Recipe, test_dir: Path, out: Path) -> tuple[list[CompetitionRow], list[Question]]:
    """The files' rows and their questions. ConfigError, ValueError or FileNotFoundError for all that is wrong."""
    _ = recipe.zindi  # tells that there is none
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; name the file to write, such as {out / 'submission.csv'}")
    rows = read_competition(test_dir)
    return rows, questions(rows, recipe.data.mix, recipe.data.preamble)


def finished_model(recipe: Recipe, run_dir: Path, model: ModelName) -> tuple[str, Path | None]:
    """The model's folder and the adapter on it. StageError if the stage that makes one of them has not finished."""
    folder, adapter = model_of(recipe, run_dir, model)
    try:
        for path in (Path(folder), adapter):
            if path is not None and path.is_relative_to(run_dir):
                read_report(run_dir / path.relative_to(run_dir).parts[0] / "report.json")
    except StageError as error:
        named = recipe.folder if recipe.data_file == "data.yaml" else recipe.folder / recipe.data_file
        out = "" if run_dir == recipe.default_out else f" --out {run_dir}"
        raise StageError(f"{error}; make the {model} model first: python run.py {named}{out}") from error
    return folder, adapter


def fingerprint(
    asked: Sequence[Question], decoding: Decoding, rules: RuleSet, folder: str, adapter: Path | None
) -> str:
    """What the answers depend on, as one hash: those of another model or other files are never gone on with."""
    return sha256_json(
        {
            "questions": [question.model_dump() for question in asked],
            "decoding": decoding.model_dump(),
            "rules": rules.model_dump(),
            "model": model_files(folder),
            "adapter": model_files(str(adapter)) if adapter is not None else {},
            "code": code.fingerprint("eval.answering"),
            "versions": {name: metadata.version(name) for name in LIBRARIES},
        }
    )


def responses_of(rows: Sequence[CompetitionRow], answered: Sequence[Answered]) -> tuple[dict[str, str], int]:
    """ID -> response, and how many translations were blank: there the English input stands, as none may be blank.

    Labels are their numbers; a translation is one line, its line breaks spaces.
    """
    responses, copied = {}, 0
    for row, answer in zip(rows, answered, strict=True):
        if labels := labels_of(row.kind, row.language):
            responses[row.id] = str(labels.index(answer.answer))
            continue
        text = " ".join(answer.answer.split())
        copied += not text
        responses[row.id] = text or " ".join(row.text.split())
    return responses, copied


def plan(recipe: Recipe, test_dir: Path, out: Path, run_dir: Path, model: ModelName) -> str:
    """What `submit` would do, in words; the files are read and the prompts put together.

    A model that has not been made is told, and is no error here.
    """
    _, asked = _checked(recipe, test_dir, out)
    folder, _ = model_of(recipe, run_dir, model)
    would = f"{len(asked)} rows would be answered by the {model} model, {folder}, and written to {out}"
    try:
        finished_model(recipe, run_dir, model)
    except StageError as error:
        return f"{would}\n{error}"
    return would


def checked_alone(submission: Path, test_dir: Path) -> str:
    """What a submission holds, in words. ValueError or FileNotFoundError if it or the files are wrong."""
    rows = read_competition(test_dir)
    read_submission(submission, rows)
    return described(submission, rows)


def check_forms(given: set[str]) -> None:
    """ValueError unless the options are one of the two forms of the command."""
    form, needed = ("--check", {"--test-dir"}) if "--check" in given else ("RECIPE", {"RECIPE", "--test-dir", "--out"})
    if missing := sorted(needed - given):
        raise ValueError(f"{', '.join(missing)} is missing; {FORMS}")
    if stray := sorted(given - needed - {form}) if form == "--check" else []:
        raise ValueError(f"{', '.join(stray)} cannot go with --check; {FORMS}")


def model_named(name: str) -> ModelName:
    """The model of that name. ValueError lists the names that there are."""
    for model in MODELS:
        if model == name:
            return model
    raise ValueError(f"--model {name}: choose one of {', '.join(MODELS)}")


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        context: typer.Context,
        recipe: Annotated[Path | None, typer.Argument(help="Recipe folder, or one of its data files.")] = None,
        test_dir: Annotated[Path | None, typer.Option(help="Folder of the challenge's three CSV files.")] = None,
        out: Annotated[
            Path | None, typer.Option(help="The submission to write (not the run folder, which is --run here).")
        ] = None,
        run: Annotated[Path | None, typer.Option(help="Run folder [default: runs/RECIPE].")] = None,
        model: Annotated[str, typer.Option(help="tuned or untuned.")] = "tuned",
        check: Annotated[Path | None, typer.Option(help="Check this submission, write none.")] = None,
        dry_run: DryRun = False,
    ) -> int:
        try:
            check_forms(given_options(context))
            chosen = model_named(model)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

        def work() -> None:
            if test_dir is not None and check is not None:
                print(checked_alone(check, test_dir))
            elif recipe is not None and test_dir is not None and out is not None:
                quiet_libraries()
                loaded = load_recipe(recipe)
                do = plan if dry_run else submit
                print(do(loaded, test_dir, out, run or loaded.default_out, chosen))

        return run_command(work)

    return typer_main(command, f"{HELP}\n\n{RECIPE_HELP}\n\nForms: {FORMS}.", argv)


if __name__ == "__main__":
    sys.exit(main())
