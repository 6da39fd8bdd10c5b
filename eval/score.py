"""Stage eval_score: the scores of every variant on the held-out rows, with bootstrap intervals.

    python -m eval.score recipes/quickstart [--out DIR]

Reads 07_generate/*.jsonl, writes 08_eval_score/scores.json (per task, macro averages, differences) and rows.jsonl.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.config import Score
from data_prep.tasks import read_task_list
from eval.config import Bootstrap
from eval.metrics.scorer import Scorer, metric_versions
from eval.metrics.tokens import resolve_tokenizer
from eval.scores import Difference, Interval, ScoredRow, Scores, TaskResult
from oneday.console import stage_main
from oneday.files import read_jsonl, write_json, write_jsonl
from oneday.recipe import Recipe, check_tasks
from oneday.records import Kind, Prediction
from oneday.stage import Outcome, Stage
from postprocess.cases import RULES_FILE
from postprocess.chain import Step, apply_rules

Floats = NDArray[np.float64]


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Score all answers and compare the variants."""
    config = recipe.eval
    kinds = {name: entry.kind for name, entry in read_task_list(run_dir / "01_collect/tasks.jsonl").items()}
    names = [variant.name for variant in config.variants]
    answers = {name: read_jsonl(run_dir / f"07_generate/{name}.jsonl", Prediction) for name in names}
    scorers = task_scorers(chain.from_iterable(answers.values()), recipe.sampling.score)
    check_tasks(recipe.rules, kinds, recipe.folder / RULES_FILE)
    rules = {task: recipe.rules.for_task(task).rules for task in kinds}
    rows = [
        scored_row(name, row, kinds[row.task], scorers[row.task], rules[row.task])
        for name, answered in answers.items()
        for row in answered
    ]
    table = score_table(rows, names)
    pairs = [(config.compare.baseline, config.compare.candidate)]
    pairs += [(name, config.compare.candidate) for name in names if name not in pairs[0]]
    macro, differences = compare(table, names, pairs, config.bootstrap)
    scores = Scores(
        variants=names,
        confidence=config.bootstrap.confidence,
        resamples=config.bootstrap.resamples,
        tasks=[task_result(task, kinds[task], names, values) for task, values in table.items()],
        macro=macro,
        differences=differences,
    )
    write_jsonl(output_dir / "rows.jsonl", rows)
    write_json(output_dir / "scores.json", scores.model_dump())
    return Outcome({"rows": len(rows), "tasks": len(table), "variants": len(names)})


def task_scorers(answered: Iterable[Prediction], config: Score) -> dict[str, Scorer]:
    """A scorer for each task, by the references of the answered rows."""
    references: dict[str, list[str]] = {}
    for row in answered:
        references.setdefault(row.task, []).extend(row.answer)
    return scorers_by_task(references, config)


def scorers_by_task(references: Mapping[str, Sequence[str]], config: Score) -> dict[str, Scorer]:
    """A scorer for each task, by data.yaml's settings: the evaluation judges words as the sampling did.

    What `auto` means is decided by the references of a task's rows.
    """
    return {
        task: Scorer(resolve_tokenizer(config.tokenizer, texts), config.stemming) for task, texts in references.items()
    }


def scored_row(variant: str, row: Prediction, kind: Kind, scorer: Scorer, rules: Sequence[Step]) -> ScoredRow:
    """One answer after the rules, with its score."""
    text = apply_rules(row.prediction, rules)
    return ScoredRow(
        variant=variant,
        task=row.task,
        id=row.id,
        input=row.orig_input,
        answer=row.answer,
        raw=row.prediction,
        prediction=text,
        score=scorer.score(kind, text, row.answer),
    )


def task_result(task: str, kind: Kind, variants: list[str], values: Floats) -> TaskResult:
    """The mean of each variant over a task's rows; `values` is [variants, rows]."""
    return TaskResult(
        task=task,
        kind=kind,
        metric="accuracy" if kind == "exact_match" else "rouge_l_f",
        rows=values.shape[1],
        scores=dict(zip(variants, values.mean(axis=1).tolist(), strict=True)),
    )


def score_table(rows: list[ScoredRow], variants: list[str]) -> dict[str, Floats]:
    """Task -> scores of shape [variants, rows], each column one row's scores under all variants."""
    ids: dict[str, dict[str, int]] = {}
    for row in rows:
        places = ids.setdefault(row.task, {})
        places.setdefault(row.id, len(places))
    table = {task: np.full((len(variants), len(places)), np.nan) for task, places in sorted(ids.items())}
    for row in rows:
        table[row.task][variants.index(row.variant), ids[row.task][row.id]] = row.score
    for task, values in table.items():
        if np.isnan(values).any():
            raise ValueError(f"task {task}: not every variant answered every row; run the stage 'generate' again")
    return table


def compare(
    table: dict[str, Floats], variants: list[str], pairs: list[tuple[str, str]], config: Bootstrap
) -> tuple[dict[str, Interval], list[Difference]]:
    """Macro averages and differences (candidate minus baseline) with percentile bootstrap intervals.

    Rows are drawn with replacement within each task, the same rows for all variants, so differences are paired.
    """
    rng = np.random.default_rng(config.seed)
    resampled = np.zeros((len(variants), config.resamples))
    for values in table.values():
        drawn = rng.integers(0, values.shape[1], size=(config.resamples, values.shape[1]))
        resampled += values[:, drawn].mean(axis=2) / len(table)
    observed = np.mean([values.mean(axis=1) for values in table.values()], axis=0)
    tails = [50 * (1 - config.confidence), 50 * (1 + config.confidence)]

    def interval(value: float, draws: Floats) -> dict[str, float]:
        low, high = np.percentile(draws, tails)
        return {"score": float(value), "low": float(low), "high": float(high)}

    macro = {name: Interval(**interval(observed[n], resampled[n])) for n, name in enumerate(variants)}
    differences = []
    for baseline, candidate in pairs:
        b, c = variants.index(baseline), variants.index(candidate)
        bounds = interval(observed[c] - observed[b], resampled[c] - resampled[b])
        differences.append(Difference(baseline=baseline, candidate=candidate, **bounds))
    return macro, differences


STAGE = Stage(
    name="eval_score",
    folder="08_eval_score",
    module="eval.score",
    summary="Score the held-out answers, with bootstrap intervals.",
    inputs=("01_collect/tasks.jsonl", "07_generate"),
    settings=lambda recipe: {
        "variants": [variant.name for variant in recipe.eval.variants],
        "rules": recipe.rules.model_dump(),
        "compare": recipe.eval.compare.model_dump(),
        "bootstrap": recipe.eval.bootstrap.model_dump(),
        "tokenizer": recipe.sampling.score.tokenizer,
        "stemming": recipe.sampling.score.stemming,
        **metric_versions(),
    },
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
