"""Stage score: how well the base model did, per row and per task.

    python -m data_prep.score recipes/quickstart [--out DIR]

Reads 01_collect/tasks.jsonl and 02_predict/predictions/*.jsonl. Writes 03_score/scored/NAME.parquet (predictions,
cleaned by the recipe's rules, with all metrics) and 03_score/tasks.json (the means of each task). One process a
processor, one task at a time in each; the files do not depend on how many.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from data_prep.config import Score
from data_prep.tasks import read_task_list
from eval.metrics.scorer import Judgement, Scorer, metric_versions
from eval.metrics.tokens import resolve_tokenizer
from oneday.console import progress, stage_main
from oneday.files import atomic_write, parse_line, read_lines, write_json
from oneday.parallel import map_processes
from oneday.recipe import Recipe
from oneday.records import Kind, Prediction, TaskScore
from oneday.stage import Outcome, Stage
from postprocess.chain import Step, apply_rules

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP = 50_000  # rows in a block of a Parquet file; fixed, so that the bytes are
AGAIN = "run the stages 'collect' and 'predict' again"


@dataclass(frozen=True)
class Job:
    """One task to score."""

    task: str
    kind: Kind
    predictions: Path
    scored: Path


@dataclass
class Rows:
    """The columns of one task's predictions, after the rules. The prompts are not kept."""

    ids: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Score every prediction."""
    kinds = {name: entry.kind for name, entry in read_task_list(run_dir / "01_collect/tasks.jsonl").items()}
    jobs = list_jobs(run_dir / "02_predict/predictions", kinds, output_dir / "scored")
    tasks = score_tasks(jobs, recipe.sampling.score)
    write_json(output_dir / "tasks.json", [task.model_dump() for task in tasks])
    counts = {
        "tasks": len(tasks),
        "predictions": sum(task.instances for task in tasks),
        "empty_predictions": sum(task.empty_predictions for task in tasks),
        "tasks_without_predictions": len(kinds) - len(tasks),
    }
    tokenizers = Counter(task.tokenizer for task in tasks)
    return Outcome(counts, details={"tasks_by_tokenizer": dict(sorted(tokenizers.items()))})


def list_jobs(predictions: Path, kinds: dict[str, Kind], scored: Path) -> list[Job]:
    """One job for each file of predictions. ValueError names a file whose task was not collected."""
    paths = sorted(predictions.glob("*.jsonl"))
    for path in paths:
        if path.stem not in kinds:
            raise ValueError(
                f"{path}: there is no task '{path.stem}' among the {len(kinds)} of 01_collect/tasks.jsonl; "
                f"remove the file, or {AGAIN}"
            )
    return [Job(path.stem, kinds[path.stem], path, scored / f"{path.stem}.parquet") for path in paths]


def score_tasks(jobs: Sequence[Job], config: Score, workers: int | None = None) -> list[TaskScore]:
    """Score each task in a process of its own, in as many as there are processors; the tasks that have rows, by name.

    The longest files go first, so that no process is left with one at the end.
    """
    longest_first = sorted(jobs, key=lambda job: job.predictions.stat().st_size, reverse=True)
    found = []
    with progress(len(jobs), "score", "task") as bar:
        for task in map_processes(partial(score_task, config=config), longest_first, workers):
            found += [task] if task else []
            bar.update()
    return sorted(found, key=lambda task: task.task)


def score_task(job: Job, config: Score) -> TaskScore | None:
    """Score one task and write its Parquet file; None, and no file, if it has no predictions."""
    rows = read_rows(job, config.rules)
    if not rows.ids:
        return None
    references = (reference for answers in rows.answers for reference in answers)
    scorer = Scorer(resolve_tokenizer(config.tokenizer, references), config.stemming)
    judged = [scorer.judge(*pair) for pair in zip(rows.predictions, rows.answers, strict=True)]
    metric = "accuracy" if job.kind == "exact_match" else config.generation_metric
    scores = row_scores(judged, metric)
    write_parquet(job.scored, scored_rows(rows, judged, scores))
    return TaskScore(
        task=job.task,
        kind=job.kind,
        metric=metric,
        tokenizer=scorer.tokenizer,
        instances=len(judged),
        score=fmean(scores),
        accuracy=fmean(row.exact_match for row in judged),
        rouge_l_f=fmean(row.rouge_l_f for row in judged),
        token_f1=fmean(row.token_f1 for row in judged),
        empty_predictions=sum(not text.strip() for text in rows.predictions),
    )


def read_rows(job: Job, rules: Sequence[Step]) -> Rows:
    """A task's predictions, cleaned by the rules, one line in memory at a time.

    ValueError names file and line of a row of another task, without a reference, or with an id that was there before.
    """
    rows = Rows()
    seen: set[str] = set()
    for number, line in read_lines(job.predictions):
        if not line.strip():
            continue
        row = parse_line(job.predictions, number, line, Prediction)
        place = f"{job.predictions}:{number}"
        if row.task != job.task:
            raise ValueError(f"{place}: a row of the task '{row.task}' in the file of '{job.task}'; {AGAIN}")
        if row.id in seen:
            raise ValueError(f"{place}: the id '{row.id}' was there before, ids must be unique in a task; {AGAIN}")
        if not row.answer:
            raise ValueError(f"{place}: the row '{row.id}' has no reference answer, one is needed; {AGAIN}")
        seen.add(row.id)
        rows.ids.append(row.id)
        rows.inputs.append(row.orig_input)
        rows.answers.append(row.answer)
        rows.predictions.append(apply_rules(row.prediction, rules))
    return rows


def row_scores(judged: Sequence[Judgement], metric: Literal["accuracy", "rouge_l_f", "token_f1"]) -> list[float]:
    """The score of each row by the metric of its task; accuracy counts a right row as 1."""
    name = "exact_match" if metric == "accuracy" else metric
    return [float(getattr(row, name)) for row in judged]


def scored_rows(rows: Rows, judged: Sequence[Judgement], scores: Sequence[float]) -> "pl.DataFrame":
    """The table of `scored/NAME.parquet`, in the order of the predictions. A word of the input ends at white space."""
    import polars as pl

    return pl.DataFrame(
        {
            "id": rows.ids,
            "input": rows.inputs,
            "answer": _lists(rows.answers),
            "prediction": rows.predictions,
            "score": scores,
            "exact_match": [row.exact_match for row in judged],
            "rouge_l_f": [row.rouge_l_f for row in judged],
            "token_f1": [row.token_f1 for row in judged],
            "input_words": [len(text.split()) for text in rows.inputs],
        },
        schema={
            "id": pl.String,
            "input": pl.String,
            "answer": pl.List(pl.String),
            "prediction": pl.String,
            "score": pl.Float64,
            "exact_match": pl.Boolean,
            "rouge_l_f": pl.Float64,
            "token_f1": pl.Float64,
            "input_words": pl.UInt32,
        },
    )


def _lists(answers: Sequence[Sequence[str]]) -> "pl.Series":
    """A column of lists. polars makes one of Python's lists too, but with 4 KB of memory for each."""
    import polars as pl

    texts = {
        "row": [number for number, references in enumerate(answers) for _ in references],
        "text": [reference for references in answers for reference in references],
    }
    flat = pl.DataFrame(texts, schema={"row": pl.UInt32, "text": pl.String})
    return flat.group_by("row", maintain_order=True).agg("text")["text"]


def write_parquet(path: Path, frame: "pl.DataFrame") -> None:
    """Write a table that takes the name `path` only once it is wholly on disk; on any error nothing is left."""
    with atomic_write(path) as file:
        frame.write_parquet(file.buffer, row_group_size=ROW_GROUP)


STAGE = Stage(
    name="score",
    folder="03_score",
    module="data_prep.score",
    summary="Score the base model's answers: accuracy for exact match, ROUGE-L F or token F1 for generation.",
    inputs=("01_collect/tasks.jsonl", "02_predict/predictions"),
    settings=lambda recipe: recipe.sampling.score.model_dump() | metric_versions(),
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
