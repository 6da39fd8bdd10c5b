"""Stage generate: base and tuned model answer the held-out rows.

    python -m eval.generate recipes/quickstart [--out DIR]

Reads the held-out rows, the tasks' definitions and demonstrations, and the trained adapter or model; writes
07_generate/VARIANT.jsonl, one file for each variant of eval.yaml, with the raw text of every answer.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from compress.folders import model_before
from data_prep.tasks import read_task_list
from eval.config import Variant
from oneday.console import stage_main
from oneday.files import read_jsonl, write_jsonl
from oneday.prompt import task_prompt
from oneday.recipe import Recipe
from oneday.records import HeldOut, Prediction, TaskHead
from oneday.stage import Outcome, Stage, StageError
from serve.batch import BLANK_LINE, Group, answer_all
from serve.engine import TransformersEngine, load_transformers_engine


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Answer every held-out row once for each variant; variants of one model share it in memory."""
    tasks = read_task_list(run_dir / "01_collect/tasks.jsonl")
    rows = read_jsonl(run_dir / "01_collect/held_out.jsonl", HeldOut)
    if not rows:
        raise StageError("there are no held-out rows to answer; raise collect.held_out_per_task (data.yaml)")
    engine: tuple[str, TransformersEngine] | None = None

    def engine_for(model: str) -> TransformersEngine:
        nonlocal engine
        if engine is None or engine[0] != model:
            engine = None  # frees the other model first
            name, adapter = tuned_model(recipe, run_dir) if model == "tuned" else (recipe.base_model, None)
            engine = model, load_transformers_engine(name, recipe.eval.batch_size, adapter)
        return engine[1]

    for variant in sorted(recipe.eval.variants, key=lambda variant: variant.model):
        groups = prompt_groups(recipe, variant, tasks, rows)
        answers = answer_all(
            groups,
            lambda variant=variant: engine_for(variant.model),  # type: ignore[misc]
            output_dir / "work" / f"{variant.name}.jsonl",
            variant.name,
        )
        prompts = {
            (group.name, id): prompt for group in groups for id, prompt in zip(group.ids, group.prompts, strict=True)
        }
        write_jsonl(
            output_dir / f"{variant.name}.jsonl",
            (
                Prediction(
                    task=row.task,
                    id=row.id,
                    orig_input=row.input,
                    few_shot_prompt=prompts[row.task, row.id],
                    answer=row.output,
                    prediction=answers[row.task, row.id],
                )
                for row in rows
            ),
        )
    return Outcome({"held_out_rows": len(rows), "variants": len(recipe.eval.variants)})


def tuned_model(recipe: Recipe, run_dir: Path) -> tuple[str, Path | None]:
    """The model that the training has left and the adapter on it; None where the whole model was trained."""
    trained = run_dir / "06_train/model"
    if not (trained / "adapter_config.json").is_file():
        return str(trained), None
    before = model_before(recipe, "06_train")
    return recipe.base_model if before is None else str(run_dir / before), trained


def prompt_groups(recipe: Recipe, variant: Variant, tasks: Mapping[str, TaskHead], rows: list[HeldOut]) -> list[Group]:
    """One group of prompts a task."""
    groups = []
    for name, task in tasks.items():
        own = [row for row in rows if row.task == name]
        prompts = [task_prompt(recipe.data.preamble, task, row.input, variant.demonstrations) for row in own]
        limit = getattr(recipe.eval.max_new_tokens, task.kind)
        stop = BLANK_LINE if recipe.eval.stop_at_blank_line else ""
        groups.append(Group(name, [row.id for row in own], prompts, limit, stop))
    return groups


STAGE = Stage(
    name="generate",
    folder="07_generate",
    module="eval.generate",
    summary="Answer the held-out rows with the base and the tuned model.",
    inputs=("01_collect/tasks.jsonl", "01_collect/held_out.jsonl", "06_train/model"),
    settings=lambda recipe: {
        "preamble": recipe.data.preamble,
        "variants": [variant.model_dump() for variant in recipe.eval.variants],
        "max_new_tokens": recipe.eval.max_new_tokens.model_dump(),
        "batch_size": recipe.eval.batch_size,
        "stop_at_blank_line": recipe.eval.stop_at_blank_line,
    },
    run=run,
    uses_model=True,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
