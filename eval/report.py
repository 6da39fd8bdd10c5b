"""Stage report: the result of the run as a page for people and as JSON for programs.

    python -m eval.report recipes/quickstart [--out DIR]

Reads what the stages wrote and their reports; writes 09_report/report.html (one file, opens offline) and
09_report/results.json (scores, differences, loss, seconds a stage, machine, versions, commit). Computes no score.
"""

import sys
from pathlib import Path

from eval.reporting.page import TEMPLATE, render_page
from eval.reporting.results import collect_results
from eval.scores import ScoredRow, read_scores
from oneday.console import stage_main
from oneday.files import atomic_write, read_json, read_jsonl, sha256_file, write_json
from oneday.recipe import Recipe
from oneday.records import SampledTask
from oneday.stage import Outcome, Stage


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Write the page and the results."""
    scores = read_scores(run_dir / "08_eval_score/scores.json")
    rows = read_jsonl(run_dir / "08_eval_score/rows.jsonl", ScoredRow)
    sampled = read_json(run_dir / "04_sample/tasks.json", list[SampledTask])
    results = collect_results(recipe.name, recipe.base_model, recipe.data.seed, scores, run_dir)
    page = render_page(results, recipe.eval.variants, recipe.eval.compare, sampled, rows)
    write_json(output_dir / "results.json", results.model_dump())
    with atomic_write(output_dir / "report.html") as file:
        file.write(page)
    return Outcome({"tasks": len(scores.tasks), "held_out_rows": sum(task.rows for task in scores.tasks)})


STAGE = Stage(
    name="report",
    folder="09_report",
    module="eval.report",
    summary="Write the report: one HTML page, and the results as JSON.",
    inputs=(
        "04_sample/tasks.json",
        "06_train/model/training_log.json",
        "08_eval_score/scores.json",
        "08_eval_score/rows.jsonl",
    ),
    settings=lambda recipe: {
        "recipe": recipe.name,
        "base_model": recipe.base_model,
        "variants": [variant.model_dump() for variant in recipe.eval.variants],
        "compare": recipe.eval.compare.model_dump(),
        "template": sha256_file(TEMPLATE),
    },
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
