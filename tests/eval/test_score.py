"""The bootstrap and the score table."""

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.score import compare, score_table
from eval.scores import ScoredRow

BOOTSTRAP = Bootstrap(resamples=4000, confidence=0.95, seed=1)


def row(variant: str, id: str, score: float, task: str = "t") -> ScoredRow:
    return ScoredRow(variant=variant, task=task, id=id, input="", answer=["a"], raw="", prediction="", score=score)


def test_the_macro_average_weighs_tasks_not_rows() -> None:
    table = {"few": np.ones((1, 2)), "many": np.zeros((1, 50))}
    macro, _ = compare(table, ["v"], [], BOOTSTRAP)
    assert macro["v"].score == pytest.approx(0.5)


def test_constant_scores_have_an_interval_of_no_width() -> None:
    macro, differences = compare({"t": np.array([[0.0] * 9, [1.0] * 9])}, ["b", "c"], [("b", "c")], BOOTSTRAP)
    assert (macro["b"].low, macro["b"].high) == (0, 0)
    assert (differences[0].low, differences[0].score, differences[0].high) == (1, 1, 1)


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    scores = np.array([[0.0, 1.0] * 200])
    macro, _ = compare({"t": scores}, ["v"], [], BOOTSTRAP)
    half_width = 1.96 * 0.5 / np.sqrt(400)
    assert macro["v"].low == pytest.approx(0.5 - half_width, abs=0.006)
    assert macro["v"].high == pytest.approx(0.5 + half_width, abs=0.006)


def test_differences_are_paired_by_row() -> None:
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0, 0.9, 40)
    table = {"t": np.stack([baseline, baseline + 0.05])}
    macro, (difference,) = compare(table, ["b", "c"], [("b", "c")], BOOTSTRAP)
    assert difference.low == pytest.approx(0.05)
    assert difference.high == pytest.approx(0.05)
    assert macro["b"].high > macro["c"].low


def test_the_same_seed_gives_the_same_interval() -> None:
    table = {"t": np.random.default_rng(0).uniform(size=(2, 30))}
    assert compare(table, ["a", "b"], [("a", "b")], BOOTSTRAP) == compare(table, ["a", "b"], [("a", "b")], BOOTSTRAP)


def test_the_score_table_lines_up_rows_that_come_in_another_order() -> None:
    rows = [row("a", "1", 0.1), row("a", "2", 0.2), row("b", "2", 0.4), row("b", "1", 0.3)]
    assert score_table(rows, ["a", "b"])["t"].tolist() == [[0.1, 0.2], [0.3, 0.4]]


def test_a_row_that_one_variant_did_not_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="task t: not every variant answered"):
        score_table([row("a", "1", 1), row("b", "2", 1)], ["a", "b"])
