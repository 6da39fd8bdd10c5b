"""Macro F1 from statistics that add up, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from eval.metrics.macro_f1 import NO_LABEL, f1_statistics, macro_f1, majority


def sklearn(answers: list[int], references: list[int]) -> float:
    """The mean over the labels that occur; an answer that is no label is not one of them."""
    labels = sorted({*answers, *references} - {NO_LABEL})
    return float(f1_score(references, answers, labels=labels, average="macro", zero_division=0))


@pytest.mark.parametrize("seed", range(40))
def test_answers_have_scikit_learns_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = 1 + seed % 3
    lowest = NO_LABEL if seed % 2 else 0
    references = rng.integers(0, labels, 20).tolist()
    answers = rng.integers(lowest, 3, 20).tolist()
    total = f1_statistics(answers, references).sum(axis=0)
    assert float(macro_f1(total)) == pytest.approx(sklearn(answers, references), abs=1e-12)


def test_without_labels_named_scikit_learn_has_the_same_rule() -> None:
    references, answers = [0, 0, 1, 1], [0, 2, 1, 1]
    expected = float(f1_score(references, answers, average="macro"))
    assert float(macro_f1(f1_statistics(answers, references).sum(axis=0))) == pytest.approx(expected)


def test_a_label_that_occurs_nowhere_does_not_count() -> None:
    assert float(macro_f1(f1_statistics([0, 2], [0, 2]).sum(axis=0))) == 1


def test_an_answer_that_is_no_label_is_wrong_and_no_label_of_its_own() -> None:
    total = f1_statistics([NO_LABEL, 0, 1], [0, 0, 1]).sum(axis=0)
    assert float(macro_f1(total)) == pytest.approx((2 / 3 + 1) / 2)


def test_the_majority_of_equals_is_the_lowest_number() -> None:
    assert majority([2, 1, 1, 2]) == 1
