"""What a reader of an ablation must know of the saved texts: ended early, or made with other settings than today's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.generate import STAGE as GENERATE
from oneday.recipe import Recipe
from oneday.stage import read_report

STOP = "stop_at_blank_line"
ENDED = (
    "These texts were ended at the first blank line while they were generated; what cutting there is worth is not in "
    f"them: {STOP}: false in eval.yaml, then generate anew."
)


def notes_on_texts(recipe: Recipe, run_dir: Path, out: Path | None) -> list[str]:
    """What the report of 07_generate tells of its texts, a sentence each; `out` is --out as it was given.

    Raises StageError if that stage has not finished.
    """
    made_with = settings_of(read_report(run_dir / GENERATE.folder / "report.json").start.config)
    notes = [ENDED] if made_with[STOP] else []
    now = GENERATE.settings(recipe)
    if differing := sorted(key for key in made_with.keys() | now.keys() if made_with.get(key) != now.get(key)):
        place = recipe.folder if recipe.data_file == "data.yaml" else recipe.folder / recipe.data_file
        command = f"python -m {GENERATE.module} {place}" + (f" --out {out}" if out is not None else "")
        notes.append(
            f"The recipe has changed since these texts were generated ({', '.join(differing)}); what stands here is of "
            f"the texts as they are. Generate them anew: {command}."
        )
    return notes


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a report of 07_generate; in older ones, generations ended at the first blank line unsaid."""
    return {STOP: True, **config}
