"""Gather what the report page of a data run shows: facts, scores and a few example rows of each task."""

from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from data_prep.page import SampleRow, render_sample_page
from data_prep.sampling.rows import Choice, Flags, TaskRows
from oneday.files import atomic_write, read_json
from oneday.page import shorten
from oneday.recipe import Recipe
from oneday.records import SampledTask, TaskScore

SHOWN_CHARACTERS = 600  # of a text on the page; longer ones are cut


def write_sample_page(
    recipe: Recipe, run_dir: Path, path: Path, tasks: Sequence[SampledTask], rows: Sequence[SampleRow]
) -> None:
    """Write the page of a finished sample, with some example rows, to `path`."""
    scores = read_json(run_dir / "03_score/tasks.json", list[TaskScore])
    settings = yaml.safe_dump(recipe.sampling.sample.model_dump(), sort_keys=False, default_flow_style=None, width=100)
    page = render_sample_page(f"Data of {recipe.name}", tasks, scores, rows, page_facts(recipe), settings)
    with atomic_write(path) as file:
        file.write(page)


def page_facts(recipe: Recipe) -> dict[str, str]:
    """What the head of the page states of the recipe."""
    predict = recipe.sampling.predict
    return {
        "Base model": recipe.base_model,
        "Prompt": f"up to {predict.demonstrations} demonstrations, up to {predict.max_prompt_tokens:,} tokens",
        "New tokens": f"{predict.max_new_tokens.exact_match} for exact match, {predict.max_new_tokens.generation} "
        "for generation",
        "Rules on the answers": ", ".join(map(str, recipe.sampling.score.rules)),
        "Seed": str(recipe.data.seed),
        "Versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("polars", "numpy")),
    }


def example_rows(table: pl.DataFrame, task: TaskRows, choice: Choice) -> Iterator[SampleRow]:
    """At most three rows of a task's table: one that is taken, one that is wrong but not taken, one that is right."""
    wrong = task.score < 1
    taken = np.zeros(len(task), dtype=bool)
    taken[choice.taken] = True
    kinds: list[tuple[bool | str, Flags]] = [
        (True, taken),
        ("see the task's rule", wrong & ~taken),
        ("the answer is right", ~wrong & ~taken),
    ]
    for reason, flags in kinds:
        if not flags.any():
            continue
        position = int(flags.argmax())
        row = table.row(position, named=True)
        yield SampleRow(
            task=task.name,
            category=task.category,
            kind=task.entry.kind,
            id=row["id"],
            input=shorten(row["input"], SHOWN_CHARACTERS),
            answer=[shorten(answer, SHOWN_CHARACTERS) for answer in row["answer"]],
            prediction=shorten(row["prediction"], SHOWN_CHARACTERS),
            score=float(task.score[position]),
            taken=reason,
        )
