"""Scores between 0 and 1 of one prediction against its references."""

from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from oneday.records import Kind

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


def score(kind: Kind, prediction: str, references: Sequence[str]) -> float:
    """Exact match or ROUGE-L F against the best reference, by kind of task."""
    if kind == "exact_match":
        return float(exact_match(prediction, references))
    return rouge_l_f(prediction, references)


def exact_match(prediction: str, references: Sequence[str]) -> bool:
    """True if the prediction equals a reference, surrounding white space aside; case counts."""
    return prediction.strip() in {reference.strip() for reference in references}


def rouge_l_f(prediction: str, references: Sequence[str]) -> float:
    """ROUGE-L F1 against the best reference, by Google's rouge-score with its default tokeniser, no stemming.

    An empty prediction scores 0. (Birbal's published script scores it 1, which hides total failures.)
    """
    return max(float(_scorer().score(reference, prediction)["rougeL"].fmeasure) for reference in references)


def scorer_version() -> dict[str, str]:
    """The library behind ROUGE-L and its version, for a stage to depend on."""
    return {"rouge-score": metadata.version("rouge-score")}


@cache
def _scorer() -> "RougeScorer":
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)
