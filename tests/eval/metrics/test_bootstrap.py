"""The paired bootstrap: known numbers, the same draws for all systems, intervals and p-values that agree."""

import tracemalloc

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.metrics import bootstrap
from eval.metrics.bootstrap import Draws, Floats, resample
from eval.metrics.metric import Judged
from eval.metrics.registry import metric
from eval.metrics.row_metrics import with_ones

CONFIG = Bootstrap(resamples=2000, confidence=0.95, seed=4)
RANDOM = np.random.default_rng(0)


def mean(totals: Floats) -> Floats:
    return np.asarray(totals[..., 0] / totals[..., 1])


def scores(values: list[float] | Floats) -> Floats:
    return with_ones(list(values))


def scattered(seed: int, rows: int = 200, level: float = 0.5) -> Floats:
    return scores((np.random.default_rng(seed).random(rows) < level).astype(np.float64))


def test_the_macro_mean_weighs_groups_alike_whatever_their_rows() -> None:
    result = resample({"long": {"base": scores([1, 1, 1, 0])}, "short": {"base": scores([0])}}, mean, CONFIG)
    assert result.groups["long"]["base"].observed == 0.75
    assert result.groups["short"]["base"].estimate(0.9).high == 0
    assert result.macro["base"].observed == 0.375
    halves = result.groups["long"]["base"].resampled / 2
    np.testing.assert_allclose(result.macro["base"].resampled, halves)


def test_a_resample_is_the_value_of_its_rows_drawn_with_replacement() -> None:
    """Each of four rows has a digit of its own in the sum, so that the sum says how often each was drawn."""
    digits = scores([1.0, 10.0, 100.0, 1000.0])
    drawn = resample({"a": {"base": digits}}, lambda totals: totals[..., 0], CONFIG).macro["base"].resampled
    times = np.array([[int(digit) for digit in f"{int(number):04d}"] for number in drawn])
    assert (times.sum(axis=1) == 4).all()
    np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.06)
    assert times.max() == 4


def test_systems_are_paired_so_that_equal_gains_have_no_width() -> None:
    base = np.linspace(0, 0.9, 40)
    result = resample({"a": {"base": scores(base), "tuned": scores(base + 0.1)}}, mean, CONFIG)
    gain = (result.macro["tuned"] - result.macro["base"]).estimate(0.95)
    assert gain.value == gain.low == gain.high == 0.1
    alone = result.macro["base"].estimate(0.95)
    assert alone.high - alone.low > 0.1


def test_metrics_of_a_corpus_are_resampled_as_a_whole() -> None:
    """The interval of a BLEU is of BLEUs of resampled corpora, not of means of sentences' BLEUs."""
    bleu = metric("bleu", "unicode", stemming=False)
    rows = [Judged("the cat sat on the mat", ["the cat sat on a mat"]), Judged("a b c d", ["a b c d"])]
    statistics = bleu.statistics(rows)
    possible = [bleu.value(np.array(times) @ statistics) for times in ([2, 0], [1, 1], [0, 2])]
    draws = resample({"a": {"base": statistics}}, bleu.value, CONFIG).macro["base"]
    assert draws.observed == pytest.approx(float(possible[1]))
    assert sorted(set(np.round(draws.resampled, 9))) == sorted(np.round(possible, 9))


def test_what_is_drawn_for_a_group_depends_on_its_name_and_the_seed_alone() -> None:
    first = resample({"a": {"base": scattered(1)}}, mean, CONFIG).groups["a"]["base"]
    beside = resample({"b": {"base": scattered(2)}, "a": {"base": scattered(1)}}, mean, CONFIG)
    np.testing.assert_array_equal(first.resampled, beside.groups["a"]["base"].resampled)
    renamed = resample({"c": {"base": scattered(1)}}, mean, CONFIG).groups["c"]["base"]
    reseeded = resample({"a": {"base": scattered(1)}}, mean, CONFIG.model_copy(update={"seed": 5})).groups["a"]["base"]
    for other in (renamed, reseeded):
        assert not np.array_equal(first.resampled, other.resampled)


def test_the_interval_of_a_mean_is_about_the_normal_one() -> None:
    values = scattered(1, rows=400)
    found = resample({"a": {"base": values}}, mean, CONFIG).macro["base"].estimate(0.95)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values[:, 0].std() / 20, rel=0.08)
    assert found.low < found.value < found.high


def test_portions_do_not_change_the_numbers_and_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {"a": {"base": scattered(1, rows=1000), "tuned": scattered(2, rows=1000)}}
    whole = resample(groups, mean, CONFIG)
    monkeypatch.setattr(bootstrap, "CELLS", 7000)
    tracemalloc.start()
    parts = resample(groups, mean, CONFIG)
    assert tracemalloc.get_traced_memory()[1] < 4e6  # all draws at once would be 16 MB, and as much while made
    tracemalloc.stop()
    for system in ("base", "tuned"):
        np.testing.assert_allclose(whole.macro[system].resampled, parts.macro[system].resampled, rtol=1e-12)


@pytest.mark.parametrize(("resampled", "p"), [([1.0] * 99, 0.02), ([-1.0] * 98 + [1.0], 0.04), ([0.0] * 99, 1.0)])
def test_the_p_value_is_twice_the_rarer_side_of_0(resampled: list[float], p: float) -> None:
    assert Draws(0.5, np.array(resampled), (np.ones((100, 1)),)).p_value() == pytest.approx(p)


@pytest.mark.parametrize(("rows", "p"), [(1, 1), (2, 0.5), (5, 0.0625), (6, 0.03125), (20, 2 / 2001)])
def test_few_rows_that_differ_are_no_proof_however_many_are_alike(rows: int, p: float) -> None:
    """One system is better on all of them; 20 resamples of 20 are, in 2,000."""
    alike = np.full(1000 if rows == 1 else 0, 0.5)
    base, better = np.append(np.zeros(rows), alike), np.append(np.ones(rows), alike)
    result = resample({"a": {"base": scores(base), "better": scores(better)}}, mean, CONFIG)
    for gap in (
        result.macro["better"] - result.macro["base"],
        result.groups["a"]["base"] - result.groups["a"]["better"],
    ):
        assert gap.p_value() == pytest.approx(p)


def test_rows_that_differ_count_together_over_all_groups() -> None:
    group = {"base": scores([0, 0, 0]), "better": scores([1, 1, 1])}
    result = resample({"a": group, "b": group}, mean, CONFIG)
    assert (result.groups["a"]["better"] - result.groups["a"]["base"]).p_value() == 0.25
    assert (result.macro["better"] - result.macro["base"]).p_value() == 2 / 2**6


def test_the_p_value_says_what_the_interval_says() -> None:
    for seed in range(30):
        groups = {"a": {"base": scattered(seed, level=0.5), "tuned": scattered(100 + seed, level=0.6)}}
        result = resample(groups, mean, CONFIG)
        gain = result.macro["tuned"] - result.macro["base"]
        found, p = gain.estimate(0.95), gain.p_value()
        if abs(p - 0.05) > 0.01:
            assert (p < 0.05) == (found.low > 0 or found.high < 0)


def test_equal_systems_are_told_apart_in_about_as_many_of_a_hundred_as_the_p_value_says() -> None:
    p_values = []
    for seed in range(200):
        groups = {"a": {"base": scattered(2 * seed), "other": scattered(2 * seed + 1)}}
        result = resample(groups, mean, CONFIG.model_copy(update={"resamples": 400}))
        p_values.append((result.macro["other"] - result.macro["base"]).p_value())
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert 0.35 < np.mean(p_values) < 0.65


def test_the_same_system_twice_differs_by_nothing() -> None:
    statistics = scores(RANDOM.random(500) / 3)
    result = resample({"a": {"base": statistics, "same": statistics.copy()}}, mean, CONFIG)
    gain = result.macro["same"] - result.macro["base"]
    assert gain.p_value() == 1
    assert (gain.resampled == 0).all()


def test_a_system_that_is_not_in_every_group_has_no_macro_mean() -> None:
    result = resample({"a": {"base": scattered(1), "tuned": scattered(2)}, "b": {"base": scattered(3)}}, mean, CONFIG)
    assert list(result.macro) == ["base"]
    assert list(result.groups["a"]) == ["base", "tuned"]


@pytest.mark.parametrize("other", [3, 0])
def test_systems_with_other_rows_are_an_error_that_names_them(other: int) -> None:
    groups = {"gsm8k": {"base": scattered(1, rows=other), "tuned": scattered(2, rows=4 if other else 0)}}
    with pytest.raises(ValueError, match=rf"group 'gsm8k': .* rows: base {other}, tuned {4 if other else 0}"):
        resample(groups, mean, CONFIG)
