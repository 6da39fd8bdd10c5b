"""Stage mix: sampled examples -> train.jsonl and eval.jsonl.

    python -m data_prep.mix recipes/quickstart [--out DIR]

Drops inputs that are too short or too long, exact duplicates of an input, and any row that is also a held-out row;
then shuffles and splits. Reads 04_sample/sampled.jsonl, writes 05_mix/train.jsonl and 05_mix/eval.jsonl.
"""

import random
import sys
from collections import Counter
from pathlib import Path

from data_prep.config import Mix
from oneday.console import stage_main
from oneday.files import read_jsonl, write_jsonl
from oneday.recipe import Recipe
from oneday.records import Example, HeldOut
from oneday.stage import Outcome, Stage, StageError


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Filter, shuffle and split the sampled examples."""
    examples = read_jsonl(run_dir / "04_sample/sampled.jsonl", Example)
    held_out = read_jsonl(run_dir / "01_collect/held_out.jsonl", HeldOut)
    dropped: Counter[str] = Counter()
    kept = clean(examples, held_out, recipe.data.mix, dropped)
    random.Random(f"{recipe.data.seed} mix").shuffle(kept)
    for_eval = round(len(kept) * recipe.data.mix.eval_share)
    if not 0 < for_eval < len(kept):
        raise StageError(
            f"{len(kept)} rows with mix.eval_share {recipe.data.mix.eval_share} give {for_eval} evaluation rows; "
            f"both files need at least one: sample more rows or change the share (data.yaml)"
        )
    write_jsonl(output_dir / "train.jsonl", kept[for_eval:])
    write_jsonl(output_dir / "eval.jsonl", kept[:for_eval])
    return Outcome({"sampled": len(examples), "train": len(kept) - for_eval, "eval": for_eval}, dict(dropped))


def clean(examples: list[Example], held_out: list[HeldOut], config: Mix, dropped: Counter[str]) -> list[Example]:
    """The examples that may be trained on, in their order; of equal inputs the first. Adds to `dropped`."""
    held_out_inputs = {normalised(row.input) for row in held_out}
    held_out_ids = {(row.task, row.id) for row in held_out}
    seen: set[str] = set()
    kept = []
    for example in examples:
        words = len(example.input.split())
        if words < config.min_input_words:
            dropped["input_too_short"] += 1
        elif words > config.max_input_words:
            dropped["input_too_long"] += 1
        elif (example.task, example.id) in held_out_ids or normalised(example.input) in held_out_inputs:
            dropped["held_out"] += 1
        elif example.input in seen:
            dropped["duplicate_input"] += 1
        else:
            seen.add(example.input)
            kept.append(example)
    return kept


def normalised(text: str) -> str:
    """The text without case and white space, for telling whether two rows are the same to a reader."""
    return " ".join(text.lower().split())


STAGE = Stage(
    name="mix",
    folder="05_mix",
    module="data_prep.mix",
    summary="Filter by length, drop duplicates and held-out rows, shuffle, split.",
    inputs=("01_collect/held_out.jsonl", "04_sample/sampled.jsonl"),
    settings=lambda recipe: {"seed": recipe.data.seed, "mix": recipe.data.mix.model_dump()},
    run=run,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
