"""Stage sample: which instances to train on, chosen by what the base model gets wrong (Birbal's two rules).

    python -m data_prep.sample recipes/quickstart [--out DIR]

Reads 03_score, writes 04_sample/sampled.jsonl (training examples) and 04_sample/tasks.json (what was taken of each
task and why). Needs no model and takes seconds; the numbers are data.yaml's `sample`.
"""

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from data_prep.config import SampleExactMatch, SampleGeneration
from data_prep.tasks import read_tasks
from oneday.console import stage_main
from oneday.files import read_jsonl, write_json, write_jsonl
from oneday.prompt import task_prompt
from oneday.recipe import Recipe
from oneday.records import Example, Prediction, SampledTask
from oneday.stage import Outcome, Stage


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Sample every task by its kind's rule."""
    tasks = read_tasks(run_dir / "01_collect/tasks")
    by_task: dict[str, list[Prediction]] = defaultdict(list)
    for row in read_jsonl(run_dir / "03_score/scored.jsonl", Prediction):
        by_task[row.task].append(row)
    dropped: Counter[str] = Counter()
    examples: list[Example] = []
    summary: list[SampledTask] = []
    for name, rows in sorted(by_task.items()):
        task = tasks[name]
        rng = random.Random(f"{recipe.data.seed} sample {name}")
        if task.kind == "exact_match":
            taken, rule = sample_exact_match(rows, recipe.data.sample.exact_match, rng, dropped)
        else:
            taken, rule = sample_generation(rows, recipe.data.sample.generation, rng, dropped)
        scores = [_score(row) for row in rows]
        summary.append(
            SampledTask(
                task=name,
                kind=task.kind,
                score=sum(scores) / len(scores),
                available=len(rows),
                wrong=sum(score < 1 for score in scores),
                taken=len(taken),
                rule=rule,
            )
        )
        examples += [
            Example(
                question=task_prompt(recipe.data.preamble, task, row.orig_input),
                answer=row.answer[0],
                source=task.source[0] if task.source else name,
                task=name,
                id=row.id,
                input=row.orig_input,
            )
            for row in sorted(taken, key=lambda row: row.id)
        ]
    write_jsonl(output_dir / "sampled.jsonl", examples)
    write_json(output_dir / "tasks.json", [task.model_dump() for task in summary])
    return Outcome({"scored": sum(map(len, by_task.values())), "taken": len(examples)}, dict(dropped))


def sample_exact_match(
    rows: Sequence[Prediction], config: SampleExactMatch, rng: random.Random, dropped: Counter[str]
) -> tuple[list[Prediction], str]:
    """Wrongly answered rows, as many as the task's tenth of accuracy allows; and the rule in words.

    Counts are of the published system's table times `factor`, rounded; the accuracy is over all rows.
    """
    right = sum(_score(row) == 1 for row in rows)
    tenth = min(right * 10 // len(rows), 9)
    quota = round(config.take_by_accuracy[tenth] * config.factor)
    wrong = [row for row in rows if _score(row) < 1]
    short = [row for row in wrong if len(row.orig_input.split()) < config.max_input_words]
    taken = rng.sample(short, min(quota, len(short)))
    dropped["answered_right"] += right
    dropped["input_too_long"] += len(wrong) - len(short)
    dropped["over_quota"] += len(short) - len(taken)
    return taken, f"accuracy {right}/{len(rows)}: up to {quota} wrong rows"


def sample_generation(
    rows: Sequence[Prediction], config: SampleGeneration, rng: random.Random, dropped: Counter[str]
) -> tuple[list[Prediction], str]:
    """From each tenth of the row scores the recipe's share of rows, rounded; and the rule in words."""
    tenths: dict[int, list[Prediction]] = defaultdict(list)
    for row in rows:
        if config.single_reference and len(row.answer) > 1:
            dropped["several_references"] += 1
        elif len(row.orig_input.split()) > config.max_input_words:
            dropped["input_too_long"] += 1
        else:
            tenths[tenth_of(_score(row))].append(row)
    taken: list[Prediction] = []
    parts = []
    for tenth, members in sorted(tenths.items()):
        share = config.keep_by_score[tenth]
        kept = rng.sample(members, round(share * len(members)))
        taken += kept
        dropped["not_sampled"] += len(members) - len(kept)
        parts.append(f"{len(kept)}/{len(members)} of ROUGE-L {tenth / 10:.1f}+")
    return taken, ", ".join(parts) or "no usable rows"


def tenth_of(score: float) -> int:
    """0 for [0, 0.1) ... 9 for [0.9, 1]; exact at the edges (0.3 is in tenth 3, whatever its binary form)."""
    return min(int(Fraction(score).limit_denominator(10**9) * 10), 9)


def _score(row: Prediction) -> float:
    if row.score is None:
        raise ValueError(f"the prediction {row.task}/{row.id} has no score; run the stage 'score' again")
    return row.score


STAGE = Stage(
    name="sample",
    folder="04_sample",
    module="data_prep.sample",
    summary="Choose training rows by what the base model gets wrong.",
    inputs=("01_collect/tasks", "03_score/scored.jsonl"),
    settings=lambda recipe: {
        "seed": recipe.data.seed,
        "preamble": recipe.data.preamble,
        "sample": recipe.data.sample.model_dump(),
    },
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
