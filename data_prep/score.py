"""Stage score: how well the base model did, per instance and per task.

    python -m data_prep.score recipes/quickstart [--out DIR]

Reads 02_predict/predictions.jsonl, writes 03_score/scored.jsonl (predictions, cleaned by the recipe's rules, with
`score`) and 03_score/tasks.json (accuracy or mean ROUGE-L F of each task).
"""

import sys
from collections import defaultdict
from pathlib import Path

from data_prep.tasks import read_tasks
from eval.metrics import score, scorer_version
from oneday.console import stage_main
from oneday.files import read_jsonl, write_json, write_jsonl
from oneday.recipe import Recipe
from oneday.records import Kind, Prediction, TaskScore
from oneday.stage import Outcome, Stage
from postprocess.rules import apply_rules


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Score every prediction."""
    kinds = {name: task.kind for name, task in read_tasks(run_dir / "01_collect/tasks").items()}
    scored = []
    for row in read_jsonl(run_dir / "02_predict/predictions.jsonl", Prediction):
        text = apply_rules(row.prediction, recipe.data.score.rules)
        scored.append(row.model_copy(update={"prediction": text, "score": score(kinds[row.task], text, row.answer)}))
    tasks = task_scores(scored, kinds)
    write_jsonl(output_dir / "scored.jsonl", scored)
    write_json(output_dir / "tasks.json", [task.model_dump() for task in tasks])
    return Outcome({"predictions": len(scored), "tasks": len(tasks)})


def task_scores(scored: list[Prediction], kinds: dict[str, Kind]) -> list[TaskScore]:
    """The mean score of each task, in the order of names."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for row in scored:
        assert row.score is not None
        by_task[row.task].append(row.score)
    return [
        TaskScore(
            task=task,
            kind=kinds[task],
            metric="accuracy" if kinds[task] == "exact_match" else "rouge_l_f",
            instances=len(scores),
            score=sum(scores) / len(scores),
        )
        for task, scores in sorted(by_task.items())
    ]


STAGE = Stage(
    name="score",
    folder="03_score",
    module="data_prep.score",
    summary="Score the base model's answers: accuracy for exact match, ROUGE-L F for generation.",
    inputs=("01_collect/tasks", "02_predict/predictions.jsonl"),
    settings=lambda recipe: recipe.data.score.model_dump() | scorer_version(),
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
