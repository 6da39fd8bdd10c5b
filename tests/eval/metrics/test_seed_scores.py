"""Averages and differences over rows and seeds: known numbers, paired rows, and intervals that know of the seeds."""

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.estimate import Estimate
from eval.metrics.seed_scores import Scores, bootstrap, macro_table, tasks_table

CONFIG = Bootstrap(resamples=4000, confidence=0.95, seed=3)


def rows(*seeds: list[float]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.array(seeds, dtype=np.float64)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def scattered(seed: int, seeds: int = 3, count: int = 60) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return (np.random.default_rng(seed).random((seeds, count)) < 0.4).astype(np.float64)


def test_the_macro_average_weighs_tasks_alike_whatever_their_rows() -> None:
    scores: Scores = {
        "long": {"plain": rows([1, 1, 1, 1], [0, 0, 0, 0]), "better": rows([1, 1, 1, 1], [1, 1, 1, 1])},
        "short": {"plain": rows([0], [0]), "better": rows([1], [0])},
    }
    macro, differences = bootstrap(scores, "plain", CONFIG)
    assert macro["plain"].value == pytest.approx(0.25)
    assert macro["better"].value == pytest.approx(0.75)
    assert differences["better"].value == pytest.approx(0.5)
    assert set(differences) == {"better"}


def test_rows_are_drawn_alike_for_all_columns_so_that_equal_gains_have_no_width() -> None:
    """Rows differ widely, the second column is a tenth above the first on every one: only a paired draw sees that."""
    plain = np.tile(np.linspace(0, 0.9, 40), (3, 1))
    _, differences = bootstrap({"a": {"plain": plain, "better": plain + 0.1}}, "plain", CONFIG)
    assert width(differences["better"]) < 1e-9
    assert differences["better"].low == pytest.approx(0.1)


def test_seeds_that_differ_widen_the_interval() -> None:
    """The same rows right by any seed, or wholly right by one seed and wholly wrong by another."""
    agreed = np.tile((np.arange(300) % 2).astype(np.float64), (2, 1))
    torn = rows([1.0] * 300, [0.0] * 300)
    macro, _ = bootstrap({"a": {"agreed": agreed, "torn": torn}}, "agreed", CONFIG)
    assert macro["agreed"].value == macro["torn"].value == 0.5
    assert width(macro["agreed"]) < 0.15
    assert (macro["torn"].low, macro["torn"].high) == (0.0, 1.0)


def test_the_interval_of_one_seed_is_about_that_of_a_mean() -> None:
    values = scattered(1, seeds=1, count=400)
    macro, _ = bootstrap({"a": {"plain": values}}, "plain", CONFIG)
    assert width(macro["plain"]) == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_the_same_scores_give_the_same_intervals() -> None:
    scores = {"a": {"plain": scattered(1), "better": scattered(2)}}
    assert bootstrap(scores, "plain", CONFIG) == bootstrap(scores, "plain", CONFIG)


def test_a_column_of_one_seed_stands_beside_columns_of_three() -> None:
    scores = {"a": {"base": scattered(1, seeds=1), "plain": scattered(2), "better": scattered(3)}}
    table = macro_table(scores, "plain", CONFIG).splitlines()
    assert table[0] == "| model | macro average | 95% interval | by seed | minus plain | 95% interval |"
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:]]
    assert [row[0] for row in cells] == ["base", "plain", "better"]
    assert [len(row[3].split(", ")) if row[3] else 0 for row in cells] == [0, 3, 3]
    assert [bool(row[4]) for row in cells] == [True, False, True]
    gap = float(scores["a"]["better"].mean() - scores["a"]["plain"].mean())
    assert cells[2][4] == f"{gap:+.3f}"


def test_each_task_is_shown_with_the_rows_that_it_was_trained_on() -> None:
    scores: Scores = {
        "a": {"base": rows([0, 1]), "plain": rows([1, 1], [0, 1])},
        "unseen": {"base": rows([0.0]), "plain": rows([1.0], [0.0])},
    }
    assert tasks_table(scores, {"plain": {"a": 11.6}}).splitlines() == [
        "| task | held-out rows | base | plain |",
        "|---|---:|---:|---:|",
        "| a | 2 | 0.500 | 0.750 (12) |",
        "| unseen | 1 | 0.000 | 0.500 |",
    ]
