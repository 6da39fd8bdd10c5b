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
from eval.examples.answers import NO_RULES, Answering, Length
from eval.examples.evaluation import Evaluation
from eval.examples.fields import Fields
from eval.examples.models import named_models, saved_answers
from eval.examples.prompt_tokens import Seam
from eval.examples.reading import TaskPrompts, read_rows, template_prompts
from eval.examples.row import ExampleRow
from eval.metrics.registry import NAMES
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.options import DryRun
from oneday.recipe import Recipe, load_recipe
from oneday.stage import exclusive
from postprocess.apply import load_rules
from postprocess.cases import RuleSet
from serve.batch import BLANK_LINE
from serve.transformers_engine import Precision

HELP = f"""Evaluate models on any example files, for development.

FILE is JSON Lines, a JSON list, a table (.tsv, .csv, .parquet) or a task of Natural Instructions. Without options for
the fields, the usual names are found: our training rows, predictions and held-out rows, OpenBookQA and its like. A
field within another is named with a dot: choices.text.

A row with options is answered by the option that is likeliest after the prompt; a row without by greedy decoding.
Several --model are compared on the same rows, each with the first; --against takes the answers of an earlier run.

Metrics: {", ".join(NAMES)}."""
Texts = list[str] | None
SHOWN = 400  # characters of a prompt in the plan


def rows_of(
    files: Sequence[Path], fields: Fields, prompts: TaskPrompts, max_rows: int | None, against: Sequence[Path]
) -> list[ExampleRow]:
    """The rows of the files; without files those that the first of the earlier runs has answered."""
    if files:
        return read_rows(files, fields, prompts, max_rows)
    if not against:
        raise ValueError("name files with examples, or by --against the folder of an earlier run")
    return [one.row for one in next(iter(saved_answers(against[0], ()).values()))]


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
        out: Annotated[Path, typer.Option(help="The folder to write.")],
        files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Example files.")] = None,
        model: Annotated[
            Texts, typer.Option(help="[NAME=]MODEL[+ADAPTER], folders or a hub id; once for each model.")
        ] = None,
        adapter: Annotated[Path | None, typer.Option(help="An adapter's folder, for a --model alone.")] = None,
        name: Annotated[str | None, typer.Option(help="A name, for a --model alone.")] = None,
        against: Annotated[
            list[Path] | None, typer.Option(help="An earlier run's --out: its answers to these rows, not asked again.")
        ] = None,
        prompt: Annotated[str | None, typer.Option(help="The prompt's field.")] = None,
        template: Annotated[
            Path | None, typer.Option(help="A Jinja template that makes the prompt of a row's fields.")
        ] = None,
        answer: Annotated[
            str | None, typer.Option(help="The field of the answer: text, list, option's number from 0 or label.")
        ] = None,
        options: Annotated[str | None, typer.Option(help="The field of the options, or one each: ans0,ans1.")] = None,
        labels: Annotated[str | None, typer.Option(help="The field of the options' labels.")] = None,
        option: Annotated[Texts, typer.Option(help="An option of every row, in order; give two or more.")] = None,
        task: Annotated[
            str | None, typer.Option(help="The task's field [default: task, else the file's name].")
        ] = None,
        category: Annotated[str | None, typer.Option(help="The category's field.")] = None,
        language: Annotated[str | None, typer.Option(help="The language's field.")] = None,
        recipe: Annotated[
            Path | None, typer.Option(help="A recipe: its preamble for tasks of Natural Instructions, and its rules.")
        ] = None,
        rules: Annotated[Path | None, typer.Option(help="A rules.yaml that cleans generated texts.")] = None,
        demonstrations: Annotated[int, typer.Option(min=0, help="Of a task of Natural Instructions.")] = 0,
        max_rows: Annotated[int | None, typer.Option(min=1, help="The first rows of each task.")] = None,
        metrics: Annotated[str | None, typer.Option(help="Some, parted by commas [default: by kind of row].")] = None,
        length: Annotated[Length, typer.Option(help="What an option's log-likelihood is divided by.")] = "none",
        delimiter: Annotated[
            str | None, typer.Option(help="Between prompt and option [default: a space, none after white space].")
        ] = None,
        seam: Annotated[
            Seam, typer.Option(help="Prompt and option are tokenised as one text, or separately as in training.")
        ] = "joint",
        max_new_tokens: Annotated[int, typer.Option(min=1, help="Of a generated text.")] = 64,
        stop: Annotated[
            str, typer.Option(help="Ends a text; empty: nothing.", show_default="a blank line")
        ] = BLANK_LINE,
        stemming: Annotated[bool, typer.Option(help="Stem English words in token F1 and ROUGE.")] = False,
        batch_size: Annotated[int, typer.Option(min=1, help="Rows at a time.")] = 8,
        precision: Annotated[
            Precision | None, typer.Option(help="Of the weights [default: float32 on CPU, bfloat16 on a GPU].")
        ] = None,
        resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 10_000,
        confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
        seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 42,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            models = named_models(model or [], adapter, name)
            loaded = None if recipe is None else load_recipe(recipe)
            made = None if template is None else template_prompts(template)
            parts = tuple(options.split(",")) if options else ()
            fields = Fields(prompt, answer, parts, labels, tuple(option or ()), task, category, language, made)
            prompts = TaskPrompts("" if loaded is None else loaded.data.preamble, demonstrations)
            evaluation = Evaluation(
                rows=rows_of(files or [], fields, prompts, max_rows, against or []),
                models=models,
                against=against or [],
                answering=Answering(max_new_tokens, stop, rules_of(loaded, rules), length, delimiter, seam),
                batch_size=batch_size,
                precision=precision,
                metrics=[each.strip() for each in metrics.split(",")] if metrics else (),
                stemming=stemming,
                bootstrap=Bootstrap(resamples=resamples, confidence=confidence, seed=seed),
                inputs=[path for path in (*(files or []), template, rules) if path is not None and path.is_file()],
            )
            if dry_run:
                print(plan(evaluation))
                return
            with exclusive(out):
                print(f"{evaluation.run(out)}\n\nwritten: {out}")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
