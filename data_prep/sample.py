"""Stage sample: which instances to train on, chosen by what the base model gets wrong.

    python -m data_prep.sample recipes/quickstart [--out DIR] [--dry-run]

Reads 01_collect/tasks.jsonl and 03_score, writes 04_sample/sampled.jsonl (training examples), tasks.json (what was
taken of each task and why) and report.html. Takes seconds and needs no model; a budget of tokens needs its tokenizer,
and minutes for millions of rows. `--dry-run` prints what each task would give. The rule and its numbers are
data.yaml's `sample`; the rules themselves are in data_prep/sampling.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from data_prep.page import SampleRow, template_hashes
from data_prep.sample_page import example_rows, page_facts, write_sample_page
from data_prep.sampling.birbal import BirbalRule
from data_prep.sampling.config import Sample
from data_prep.sampling.rows import Choice, Integers, SamplingRule, TaskRows, TokenCounter
from data_prep.sampling.uniform import UniformRule
from data_prep.sampling.weighted import WeightedRule
from data_prep.tasks import read_task_list
from oneday.console import progress, stage_main
from oneday.files import atomic_write, read_json, write_json
from oneday.models import tokenizer_files
from oneday.prompt import WHITE_SPACE, task_prompt
from oneday.recipe import Recipe
from oneday.records import Example, SampledTask, TaskEntry, TaskScore
from oneday.stage import Outcome, Stage
from serve.tokens import token_counter

INPUT_HERE = "\0the input\0"


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Choose rows by the recipe's rule and write them as training examples."""
    tasks = read_rows(run_dir, recipe.sampling.sample)
    choices = rule_of(recipe, run_dir).choose(tasks, recipe.data.seed)
    summary = summarise(tasks, choices)
    shown = write_examples(recipe, run_dir, tasks, choices, output_dir / "sampled.jsonl")
    write_json(output_dir / "tasks.json", [task.model_dump() for task in summary])
    dropped: Counter[str] = sum((Counter(task.dropped) for task in summary), Counter())
    counts = {"scored": sum(map(len, tasks)), "tasks": len(tasks), "taken": sum(task.taken for task in summary)}
    write_sample_page(recipe, run_dir, output_dir / "report.html", summary, shown)
    return Outcome(counts, dict(sorted(dropped.items())))


def read_rows(run_dir: Path, config: Sample) -> list[TaskRows]:
    """The numbers of every scored row, by task in the order of names; the texts stay on disk.

    ValueError names a task that was scored but is no longer collected.
    """
    entries = read_task_list(run_dir / "01_collect/tasks.jsonl")
    scores = read_json(run_dir / "03_score/tasks.json", list[TaskScore])
    if gone := sorted({task.task for task in scores} - set(entries)):
        raise ValueError(
            f"the task '{gone[0]}' was scored, but it is not among the {len(entries)} of 01_collect/tasks.jsonl; "
            f"run the stages 'predict' and 'score' again"
        )
    length = pl.col("input").str.len_bytes() + pl.col("answer").list.first().str.len_bytes()
    columns = [
        pl.col("score", "token_f1"),
        pl.col("input_words").cast(pl.Int64),
        pl.col("answer").list.len().cast(pl.Int64).alias("references"),
        (length if counts_tokens(config) else pl.lit(0)).cast(pl.Int64).alias("characters"),
    ]
    rows = []
    for name in sorted(task.task for task in scores):
        table = pl.scan_parquet(scored_file(run_dir, name)).select(columns).collect()
        rows.append(TaskRows(entries[name], **{column: table[column].to_numpy() for column in table.columns}))
    return rows


def scored_file(run_dir: Path, task: str) -> Path:
    """Where the stage score put a task's rows."""
    return run_dir / "03_score/scored" / f"{task}.parquet"


def counts_tokens(config: Sample) -> bool:
    """Whether the rule needs the base model's tokenizer."""
    return config.rule != "birbal" and config.budget.tokens is not None


def rule_of(recipe: Recipe, run_dir: Path) -> SamplingRule:
    """The rule that the recipe names."""
    config = recipe.sampling.sample
    if config.rule == "birbal":
        return BirbalRule(config)
    if config.rule == "uniform":
        return UniformRule(config, _token_counter(recipe, run_dir))
    return WeightedRule(config, _token_counter(recipe, run_dir))


def summarise(tasks: Sequence[TaskRows], choices: Mapping[str, Choice]) -> list[SampledTask]:
    """What the rule does with each task, in words and numbers."""
    return [
        SampledTask(
            task=task.name,
            kind=task.entry.kind,
            category=task.category,
            score=float(task.score.mean()),
            available=len(task),
            wrong=int((task.score < 1).sum()),
            taken=len(choices[task.name].taken),
            dropped={reason: count for reason, count in sorted(choices[task.name].dropped.items()) if count},
            rule=choices[task.name].rule,
        )
        for task in tasks
    ]


def write_examples(
    recipe: Recipe, run_dir: Path, tasks: Sequence[TaskRows], choices: Mapping[str, Choice], path: Path
) -> list[SampleRow]:
    """Write the training examples of the chosen rows, task by task, in the order of their files.

    Returns a few rows of each task, taken and not taken, for the page.
    """
    shown: list[SampleRow] = []
    with atomic_write(path) as file, progress(len(tasks), "sample", "task") as bar:
        for task in tasks:
            columns = ["id", "input", "answer", "prediction"]
            table = pl.read_parquet(scored_file(run_dir, task.name), columns=columns)
            choice = choices[task.name]
            file.write(examples(recipe.data.preamble, task.entry, table[choice.taken]).write_ndjson())
            shown += example_rows(table, task, choice)
            bar.update()
    return shown


def examples(preamble: str, task: TaskEntry, rows: pl.DataFrame) -> pl.DataFrame:
    """The training examples of some scored rows: the prompt without demonstrations, and the first reference.

    The columns are the fields of `Example`. Whole columns are put together at once, from the parts of the one prompt
    that `task_prompt` gives: ten times as fast as a call and a record for each of a million rows.
    """
    before, after = task_prompt(preamble, task, INPUT_HERE).split(INPUT_HERE)
    stripped = pl.col("input").str.strip_chars(WHITE_SPACE)
    prompt = pl.concat_str(pl.lit(before), stripped, pl.lit(after))
    columns = {
        "question": pl.when(stripped == "").then(pl.lit(task_prompt(preamble, task, ""))).otherwise(prompt),
        "answer": pl.col("answer").list.first(),
        "source": pl.lit(task.source[0] if task.source else task.task),
        "task": pl.lit(task.task),
        "id": pl.col("id"),
        "input": pl.col("input"),
    }
    return rows.select(columns[name].alias(name) for name in Example.model_fields)


def _token_counter(recipe: Recipe, run_dir: Path) -> TokenCounter:
    """Counts the tokens of training rows with the base model's tokenizer, which is loaded at the first call."""
    count_tokens = token_counter(recipe.base_model)

    def count(task: TaskRows, positions: Integers) -> Integers:
        table = pl.read_parquet(scored_file(run_dir, task.name), columns=["id", "input", "answer"])
        rows = examples(recipe.data.preamble, task.entry, table[positions])
        texts = rows.select(pl.col("question") + pl.col("answer")).to_series().to_list()
        return np.array(count_tokens(texts), dtype=np.int64)

    return count


def preview(recipe: Recipe, run_dir: Path) -> str:
    """What each task would give, as a table."""
    for path in ("01_collect/tasks.jsonl", "03_score/tasks.json"):
        if not (run_dir / path).is_file():
            return f"{run_dir / path} is absent, so it cannot be said what each task would give"
    tasks = read_rows(run_dir, recipe.sampling.sample)
    if not tasks:
        return "no task was scored, so none would give a row"
    summary = summarise(tasks, rule_of(recipe, run_dir).choose(tasks, recipe.data.seed))
    width = max(len(task.task) for task in summary)
    lines = [f"{'task':<{width}} {'score':>6} {'available':>10} {'wrong':>8} {'taken':>8}  rule"]
    lines += [
        f"{task.task:<{width}} {task.score:6.3f} {task.available:10,} {task.wrong:8,} {task.taken:8,}  {task.rule}"
        for task in summary
    ]
    total = [sum(getattr(task, field) for task in summary) for field in ("available", "wrong", "taken")]
    return "\n".join([*lines, f"{'all':<{width}} {'':>6} {total[0]:10,} {total[1]:8,} {total[2]:8,}"])


def _settings(recipe: Recipe) -> dict[str, object]:
    config = recipe.sampling.sample
    settings = {"seed": recipe.data.seed, "preamble": recipe.data.preamble, "sample": config.model_dump(mode="json")}
    if counts_tokens(config):
        settings["tokenizer"] = tokenizer_files(recipe.base_model)
    return settings | {"page": template_hashes(), "page_facts": page_facts(recipe)}


STAGE = Stage(
    name="sample",
    folder="04_sample",
    module="data_prep.sample",
    summary="Choose training rows by what the base model gets wrong.",
    inputs=("01_collect/tasks.jsonl", "03_score"),
    settings=_settings,
    run=run,
    preview=preview,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
