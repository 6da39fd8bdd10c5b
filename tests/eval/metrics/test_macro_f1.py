"""Macro F1 from statistics that add up, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from eval.metrics.macro_f1 import MOST_LABELS, NO_LABEL, MacroF1, f1_statistics, macro_f1, majority
from eval.metrics.metric import Judged

METRIC = MacroF1()
LABELS = ["positive", "negative", "neutral", "chanya", "mummunan ra'ayi", "否", "🙂", ""]


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


def of_texts(answers: list[str], references: list[str]) -> float:
    rows = [Judged(answer, [reference]) for answer, reference in zip(answers, references, strict=True)]
    return float(METRIC.value(METRIC.statistics(rows).sum(axis=0)))


labels = st.sampled_from(LABELS)
label_pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(label_pairs)
def test_labels_that_are_texts_have_scikit_learns_score_over_the_references_labels(
    pairs: list[tuple[str, str]],
) -> None:
    answers, references = [answer for answer, _ in pairs], [reference for _, reference in pairs]
    expected = f1_score(references, answers, labels=sorted(set(references)), average="macro", zero_division=0)
    assert of_texts([f" {answer}\n" for answer in answers], references) == pytest.approx(float(expected), abs=1e-12)
    if set(answers) <= set(references):
        plain = f1_score(references, answers, average="macro")
        assert of_texts(answers, references) == pytest.approx(float(plain), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(label_pairs, st.data())
def test_resampled_rows_have_scikit_learns_score_over_the_labels_drawn(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    """A label that was not drawn, as answer or as reference, does not count in that resample."""
    drawn = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=30))
    statistics = METRIC.statistics([Judged(answer, [reference]) for answer, reference in pairs])
    known = {reference for _, reference in pairs}
    answers, references = [pairs[n][0] for n in drawn], [pairs[n][1] for n in drawn]
    occurring = sorted(known & {*answers, *references})
    expected = f1_score(references, answers, labels=occurring, average="macro", zero_division=0)
    assert float(METRIC.value(statistics[drawn].sum(axis=0))) == pytest.approx(float(expected), abs=1e-12)


def test_free_text_is_wrong_and_no_label_of_its_own() -> None:
    assert of_texts(["yes", "I think so", "no"], ["yes", "yes", "no"]) == pytest.approx((2 / 3 + 1) / 2)


def test_of_several_references_the_predicted_one_is_right_else_the_first() -> None:
    rows = [Judged("y", ["yes", "y"]), Judged("maybe", ["no", "n"]), Judged("no", ["no", "n"])]
    total = METRIC.statistics(rows).sum(axis=0)
    assert float(METRIC.value(total)) == pytest.approx((1 + 2 / 3) / 2)


def test_free_text_as_references_is_an_error_that_names_another_metric() -> None:
    rows = [Judged("x", [str(number)]) for number in range(MOST_LABELS + 1)]
    with pytest.raises(ValueError, match=r"have 513 different labels, at most 512 are allowed; .*rouge_l"):
        METRIC.statistics(rows)
    assert METRIC.statistics(rows[:-1]).shape == (512, 3 * 512)
