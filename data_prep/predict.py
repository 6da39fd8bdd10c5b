"""Stage predict: the base model's few-shot answers to every collected instance.

    python -m data_prep.predict recipes/quickstart [--out DIR]

Reads 01_collect/tasks/*.json, writes 02_predict/predictions.jsonl (task, id, orig_input, few_shot_prompt, answer,
prediction). A run that is cut off goes on at the batch it had reached.
"""

import sys
from pathlib import Path

from data_prep.tasks import read_tasks
from oneday.console import stage_main
from oneday.files import write_jsonl
from oneday.prompt import task_prompt
from oneday.recipe import Recipe
from oneday.records import Prediction
from oneday.stage import Outcome, Stage
from serve.batch import Group, answer_all
from serve.engine import load_transformers_engine


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Answer every instance of every task."""
    config = recipe.data.predict
    tasks = read_tasks(run_dir / "01_collect/tasks")
    groups = [
        Group(
            name=name,
            ids=[instance.id for instance in task.instances],
            prompts=[
                task_prompt(recipe.data.preamble, task, instance.input, config.demonstrations)
                for instance in task.instances
            ],
            max_new_tokens=getattr(config.max_new_tokens, task.kind),
        )
        for name, task in tasks.items()
    ]
    answers = answer_all(
        groups,
        lambda: load_transformers_engine(recipe.base_model, config.batch_size),
        output_dir / "work" / "answers.jsonl",
        "predict",
    )
    predictions = [
        Prediction(
            task=group.name,
            id=instance.id,
            orig_input=instance.input,
            few_shot_prompt=prompt,
            answer=instance.output,
            prediction=answers[group.name, instance.id],
        )
        for group in groups
        for instance, prompt in zip(tasks[group.name].instances, group.prompts, strict=True)
    ]
    write_jsonl(output_dir / "predictions.jsonl", predictions)
    return Outcome({"tasks": len(tasks), "predictions": len(predictions)})


STAGE = Stage(
    name="predict",
    folder="02_predict",
    module="data_prep.predict",
    summary="Answer the collected instances with the base model, few-shot.",
    inputs=("01_collect/tasks",),
    settings=lambda recipe: {"preamble": recipe.data.preamble, "predict": recipe.data.predict.model_dump()},
    run=run,
    uses_model=True,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
