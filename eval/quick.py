"""Quick evaluation for development: any example files, one or several models -> scores with intervals, in minutes.

    python -m eval.quick FILE... --model base=MODEL --model tuned=MODEL+ADAPTER --out DIR

Rows with options are answered by log-likelihood, as lm-evaluation-harness does; others by greedy decoding. Writes
DIR/NAME/rows.jsonl for each model, DIR/scores.json and DIR/report.json; prints Markdown tables. The same command goes
on where a killed run stopped, and answers nothing twice.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from eval.config import Bootstrap
from eval.examples.answers import NO_RULES, Answering
from eval.examples.earlier import EarlierRun, read_earlier
from eval.examples.evaluation import Evaluation
from eval.examples.fields import Fields
from eval.examples.models import named_models
from eval.examples.options import (
    AnswerField,
    AnswerKind,
    BatchSize,
    Confidence,
    Delimiter,
    Demonstrations,
    LabelsField,
    LengthOption,
    MaxNewTokens,
    MaxRows,
    OptionsFields,
    OutFolder,
    PromptField,
    RecipeOfRows,
    Resamples,
    Rules,
    Seed,
    TaskField,
    Template,
    WeightPrecision,
)
from eval.examples.prompt_tokens import Seam
from eval.examples.reading import TaskPrompts, read_rows, template_prompts
from eval.examples.row import ExampleRow
from eval.given_options import given_options
from eval.metrics.registry import NAMES
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.options import DryRun
from oneday.recipe import Recipe, load_recipe
from oneday.stage import exclusive
from postprocess.apply import load_rules
from postprocess.cases import RuleSet
from serve.batch import BLANK_LINE

HELP = f"""Evaluate models on any example files, for development.

FILE is JSON Lines, a JSON list, a table (.tsv, .csv, .parquet) or a task of Natural Instructions. Without options for
the fields, the usual names are found: our training rows, predictions and held-out rows, OpenBookQA and its like. A
field within another is named with a dot: choices.text.

A row with options is answered by the option that is likeliest after the prompt; a row without by greedy decoding.
Several --model are compared on the same rows, each with the first; --against takes the answers of an earlier run.

Metrics: {", ".join(NAMES)}."""
Texts = list[str] | None
SHOWN = 400  # characters of a prompt in the plan
OF_FILES = (
    *("--prompt", "--template", "--answer", "--answer-is", "--options", "--labels", "--option", "--task"),
    *("--category", "--language", "--demonstrations", "--max-rows"),
)
OF_MODELS = (
    *("--recipe", "--rules", "--delimiter", "--seam", "--max-new-tokens", "--stop", "--batch-size", "--precision"),
)


def check_use(given: set[str]) -> None:
    """ValueError for options that nothing would use: of files where none is named, of models where none is asked."""
    unused = [name for name in OF_FILES if name in given and "FILES" not in given]
    unused += [name for name in OF_MODELS if name in given and "--model" not in given]
    if unused and "--against" in given:
        named = " with FILE" if "--model" in given else " with FILE and --model"
        raise ValueError(f"{', '.join(unused)}: the answers of --against are as they are; leave out, or use{named}")


def earlier_runs(folders: Sequence[Path], names: Sequence[str]) -> list[EarlierRun]:
    """The earlier evaluations; `names` are those of the present models."""
    found: list[EarlierRun] = []
    for folder in folders:
        found.append(read_earlier(folder, [*names, *(name for earlier in found for name in earlier.answers)]))
    return found


def rows_of(
    files: Sequence[Path], fields: Fields, prompts: TaskPrompts, max_rows: int | None, against: Sequence[EarlierRun]
) -> list[ExampleRow]:
    """The rows of the files; without files those that the first of the earlier runs has answered."""
    if files:
        return read_rows(files, fields, prompts, max_rows)
    if not against:
        raise ValueError("name files with examples, or by --against the folder of an earlier run")
    return against[0].rows()


def rules_of(recipe: Recipe | None, rules: Path | None) -> RuleSet:
    """The rules that are named, else the recipe's, else none."""
    if rules is not None:
        return load_rules(rules)[1]
    return NO_RULES if recipe is None else recipe.rules


def plan(evaluation: Evaluation) -> str:
    """What would be asked, in words: rows by task, models, and the first prompt of each task."""
    tasks: dict[str, list[ExampleRow]] = {}
    for row in evaluation.rows:
        tasks.setdefault(row.task, []).append(row)
    lines = [f"{model.name}: {model}" for model in evaluation.models]
    for task, rows in tasks.items():
        first = rows[0]
        how = f"one of {', '.join(map(repr, first.options))}" if first.options else "a text"
        lines += [
            f"\n{task}: {len(rows)} rows; the first has the answer {' or '.join(map(repr, first.references))}, {how}",
            repr(first.prompt)[-SHOWN:],
        ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if all is written, 1 if not, 2 for wrong options."""

    def command(
        context: typer.Context,
        out: OutFolder,
        files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Example files.")] = None,
        model: Annotated[
            Texts, typer.Option(help="[NAME=]MODEL[+ADAPTER], folders or a hub id; once for each model.")
        ] = None,
        adapter: Annotated[Path | None, typer.Option(help="An adapter's folder, for a --model alone.")] = None,
        name: Annotated[str | None, typer.Option(help="A name, for a --model alone.")] = None,
        against: Annotated[
            list[Path] | None, typer.Option(help="An earlier run's --out: its answers to these rows, not asked again.")
        ] = None,
        prompt: PromptField = None,
        template: Template = None,
        answer: AnswerField = None,
        answer_is: AnswerKind = None,
        options: OptionsFields = None,
        labels: LabelsField = None,
        option: Annotated[Texts, typer.Option(help="An option of every row, in order; give two or more.")] = None,
        task: TaskField = None,
        category: Annotated[str | None, typer.Option(help="The category's field.")] = None,
        language: Annotated[str | None, typer.Option(help="The language's field.")] = None,
        recipe: RecipeOfRows = None,
        rules: Rules = None,
        demonstrations: Demonstrations = 0,
        max_rows: MaxRows = None,
        metrics: Annotated[str | None, typer.Option(help="Some, parted by commas [default: by kind of row].")] = None,
        length: LengthOption = "none",
        delimiter: Delimiter = None,
        seam: Annotated[
            Seam, typer.Option(help="Prompt and option are tokenised as one text, or separately as in training.")
        ] = "joint",
        max_new_tokens: MaxNewTokens = 64,
        stop: Annotated[
            str, typer.Option(help="Ends a text; empty: nothing.", show_default="a blank line")
        ] = BLANK_LINE,
        stemming: Annotated[bool, typer.Option(help="Stem English words in token F1 and ROUGE.")] = False,
        batch_size: BatchSize = 8,
        precision: WeightPrecision = None,
        resamples: Resamples = 10_000,
        confidence: Confidence = 0.95,
        seed: Seed = 42,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            check_use(given_options(context))
            models = named_models(model or [], adapter, name)
            loaded = None if recipe is None else load_recipe(recipe)
            made = None if template is None else template_prompts(template)
            parts = tuple(options.split(",")) if options else ()
            fixed = tuple(option or ())
            fields = Fields(prompt, answer, parts, labels, fixed, task, category, language, made, answer_is)
            prompts = TaskPrompts("" if loaded is None else loaded.data.preamble, demonstrations)
            earlier = earlier_runs(against or [], [one.name for one in models])
            evaluation = Evaluation(
                rows=rows_of(files or [], fields, prompts, max_rows, earlier),
                models=models,
                against=earlier,
                answering=Answering(max_new_tokens, stop, rules_of(loaded, rules), length, delimiter, seam),
                batch_size=batch_size,
                precision=precision,
                metrics=[each.strip() for each in metrics.split(",")] if metrics else (),
                stemming=stemming,
                bootstrap=Bootstrap(resamples=resamples, confidence=confidence, seed=seed),
                inputs=[path for path in (*(files or []), template, rules) if path is not None and path.is_file()],
            )
            evaluation.check()
            if dry_run:
                print(plan(evaluation))
                return
            with exclusive(out):
                print(f"{evaluation.run(out)}\n\nwritten: {out}")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
