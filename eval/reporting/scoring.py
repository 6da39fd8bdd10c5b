"""How the answers of runs were scored, as the stage eval_score reported it, and in what runs differ there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneday.stage import read_report

WORDS = ("tokenizer", "stemming")  # what ROUGE-L counts as a word; exact match asks for neither


@dataclass(frozen=True)
class Scoring:
    """Settings of eval_score that shape a score. `words` are those of WORDS; None where a report does not tell."""

    words: Mapping[str, Any]
    rules: str | None


@dataclass(frozen=True)
class ScoringDifference:
    """`generation` says why tasks of this kind are not comparable, if so; `rules` whether the rules differ."""

    generation: str | None
    rules: bool


def read_scoring(run_dir: Path) -> Scoring:
    """The settings that the scores of a run folder come from."""
    config = read_report(run_dir / "08_eval_score/report.json").start.config
    told = config if isinstance(config, dict) else {}
    rules = told.get("rules")
    if isinstance(rules, list):  # of a run from before rules could differ by task
        rules = {"cases": [], "default": rules}
    return Scoring({key: told.get(key) for key in WORDS}, None if rules is None else json.dumps(rules, sort_keys=True))


def scoring_difference(runs: Sequence[Scoring]) -> ScoringDifference:
    """In what the settings differ from run to run."""
    other = [
        f"{key} {', '.join(_told(run.words[key]) for run in runs)}"
        for key in WORDS
        if any(run.words[key] != runs[0].words[key] for run in runs)
    ]
    return ScoringDifference("; ".join(other) or None, len({run.rules for run in runs}) > 1)


def _told(value: Any) -> str:
    """A setting as a YAML file has it."""
    return "not told" if value is None else str(value).lower()
