"""The metrics agree with their definitions, and with Google's rouge-score."""

import itertools

import pytest
from rouge_score.rouge_scorer import RougeScorer

from eval.metrics import exact_match, rouge_l_f, score


@pytest.mark.parametrize(
    ("prediction", "references", "right"),
    [
        ("B", ["B"], True),
        (" B\n", ["B "], True),
        ("b", ["B"], False),
        ("B.", ["B"], False),
        ("B", ["A", "B"], True),
        ("C", ["A", "B"], False),
        ("", ["B"], False),
        ("New  York", ["New York"], False),
    ],
)
def test_exact_match_is_equality_but_for_surrounding_space(prediction: str, references: list[str], right: bool) -> None:
    assert exact_match(prediction, references) is right
    assert score("exact_match", prediction, references) == float(right)


TEXTS = [
    "the cat sat on the mat",
    "The cat, on the mat: sat!",
    "cats are sitting on mats",
    "9 apples",
    "nine apples (9)",
    "a",
    "a a a a",
    "on on the the cat cat",
    "Ukubwa wa nyumba",
]


def test_rouge_l_equals_that_of_rouge_score() -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for prediction, reference in itertools.product(TEXTS, TEXTS):
        assert rouge_l_f(prediction, [reference]) == scorer.score(reference, prediction)["rougeL"].fmeasure


@pytest.mark.parametrize(
    ("prediction", "reference", "f"),
    [("a b c d", "a c", 2 / 3), ("a c", "a b c d", 2 / 3), ("b a", "a b", 0.5), ("a b", "a b", 1), ("x", "a b", 0)],
)
def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence(prediction: str, reference: str, f: float) -> None:
    assert rouge_l_f(prediction, [reference]) == pytest.approx(f)


def test_words_are_not_stemmed() -> None:
    assert rouge_l_f("apples", ["apple"]) == 0


@pytest.mark.parametrize("prediction", ["", " \n", "...", "\u4e2d"])
def test_a_prediction_without_words_scores_0(prediction: str) -> None:
    assert rouge_l_f(prediction, ["the answer", "another"]) == 0
    assert score("generation", prediction, ["the answer"]) == 0


def test_a_reference_without_words_scores_0() -> None:
    assert rouge_l_f("an answer", ["..."]) == 0


@pytest.mark.parametrize("references", [["a b", "x y z"], ["x y z", "a b"], ["x", "a b", "y"]])
def test_the_best_of_several_references_counts(references: list[str]) -> None:
    assert rouge_l_f("a b c d", references) == pytest.approx(2 / 3)
    assert score("generation", "a b c d", references) == pytest.approx(2 / 3)


def test_case_and_punctuation_do_not_count_for_rouge_l() -> None:
    assert rouge_l_f("The CAT!", ["the cat"]) == 1
