"""Drops and worst cases on toys that can be checked by hand."""

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.perturbing.drops import RowScores, compare
from eval.perturbing.perturbations import choose, make_ready
from eval.perturbing.records import OnChanged

NAN = float("nan")
CONFIG = Bootstrap(resamples=200, confidence=0.95, seed=0)


def scores(tasks: str = "aaaa") -> RowScores:
    """Four rows. Typos lower the first and lift the third, mild_mix lowers the second, gender changes nothing."""
    return RowScores(
        list(tasks),
        np.array([1.0, 1.0, 0.0, 0.5]),
        {
            "typos": np.array([0.0, NAN, 1.0, 0.5]),
            "mild_mix": np.array([1.0, 0.25, NAN, NAN]),
            "gender": np.full(4, NAN),
        },
    )


def test_the_worst_case_is_the_lowest_of_the_row_as_it_is_and_perturbed() -> None:
    assert scores().worst(["typos", "mild_mix"]).tolist() == [0.0, 0.25, 0.0, 0.5]
    assert scores().worst(["gender"]).tolist() == [1.0, 1.0, 0.0, 0.5]


def test_a_row_that_is_not_changed_keeps_its_score() -> None:
    assert scores().under("typos").tolist() == [0.0, 1.0, 1.0, 0.5]


def test_helms_means_are_of_the_changed_rows_alone() -> None:
    assert scores().on_changed("typos") == OnChanged(before=0.5, after=0.5, worst=0.5 / 3)
    assert scores().on_changed("mild_mix") == OnChanged(before=1.0, after=0.625, worst=0.625)
    assert scores().on_changed("gender") is None


def test_rows_changed_are_counted_once_over_several_perturbations() -> None:
    assert [scores().changed([name]) for name in ("typos", "mild_mix", "gender")] == [3, 2, 0]
    assert scores().changed(["typos", "mild_mix"]) == 4


def test_drops_are_of_all_rows_and_groups_have_their_own_perturbations() -> None:
    ready, _ = make_ready(choose(["typos", "mild_mix", "gender"]), None)
    drops = compare(scores(), ready, CONFIG)
    typos, mild_mix, gender = (drops.perturbation(each, options_kept=0) for each in ready)
    assert drops.original.observed == 0.625
    assert (typos.score.value, typos.drop.value) == (0.625, 0.0)
    assert (mild_mix.score.value, mild_mix.drop.value) == (0.4375, 0.1875)
    assert (gender.drop.low, gender.drop.value, gender.drop.high) == (0.0, 0.0, 0.0)
    assert typos.drop.low < 0 < typos.drop.high
    robustness, fairness = map(drops.worst_case, drops.groups)
    assert (robustness.group, robustness.perturbations) == ("robustness", ("typos", "mild_mix"))
    assert (robustness.score.value, robustness.drop.value, robustness.rows_changed) == (0.1875, 0.4375, 4)
    assert (fairness.score.value, fairness.rows_changed) == (0.625, 0)


def test_tasks_weigh_the_same_whatever_their_rows() -> None:
    ready, _ = make_ready(choose(["typos", "mild_mix", "gender"]), None)
    mild_mix = compare(scores("aabb"), ready, CONFIG).perturbation(ready[1], options_kept=0)
    assert {task: own.drop.value for task, own in mild_mix.tasks.items()} == {"a": 0.375, "b": 0.0}
    uneven = compare(scores("abbb"), ready, CONFIG).perturbation(ready[1], options_kept=0)
    assert uneven.drop.value == pytest.approx((0 + 0.25) / 2)


def test_a_group_without_a_perturbation_has_no_worst_case() -> None:
    ready, _ = make_ready(choose(["typos"]), None)
    only = RowScores(["a"], np.ones(1), {"typos": np.zeros(1)})
    assert list(compare(only, ready, CONFIG).groups) == ["robustness"]
