"""The macro F1 of a label task, for lm_eval. Needs scikit-learn alone, so that this folder can be copied anywhere."""

from collections.abc import Sequence


def macro_f1(items: Sequence[tuple[int, int]]) -> float:
    """The mean F1 of the labels that occur in pairs of right and chosen label numbers."""
    from sklearn.metrics import f1_score  # type: ignore[import-untyped,unused-ignore]

    right, chosen = zip(*items, strict=True)
    return float(f1_score(right, chosen, average="macro", zero_division=0))
