"""The expected calibration error against its definition, choice by choice."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.config import Bootstrap
from eval.metrics.bootstrap import resample
from eval.metrics.calibration import CalibrationError
from eval.metrics.metric import Judged

METRIC = CalibrationError()


def choice(confidence: float | None, right: bool) -> Judged:
    return Judged("A", ["A" if right else "B"], confidence)


def value(rows: list[Judged]) -> float:
    return float(METRIC.value(METRIC.statistics(rows).sum(axis=0)))


def by_definition(choices: list[tuple[float, bool]]) -> float:
    """The mean gap of the ten bins, weighted by their choices."""
    confidence, right = np.array([one for one, _ in choices]), np.array([float(one) for _, one in choices])
    error = 0.0
    for number in range(10):
        low, high = number / 10, (number + 1) / 10
        within = (confidence >= low) & ((confidence < high) | (number == 9))
        if within.any():
            error += within.mean() * abs(confidence[within].mean() - right[within].mean())
    return float(error)


confidences = st.one_of(st.floats(0, 1), st.integers(0, 10).map(lambda tenths: tenths / 10))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(confidences, st.booleans()), min_size=1, max_size=40))
def test_the_error_is_the_weighted_gap_of_ten_bins(choices: list[tuple[float, bool]]) -> None:
    assert value([choice(*one) for one in choices]) == pytest.approx(by_definition(choices), abs=1e-12)


@pytest.mark.parametrize(
    ("choices", "error"),
    [
        ([(1.0, True)], 0),
        ([(1.0, False)], 1),
        ([(0.75, True), (0.75, True), (0.75, True), (0.75, False)], 0),
        ([(0.6, True), (0.69, True)], 0.355),
        ([(0.2, False), (0.9, True)], 0.15),
        ([(0.0, False)], 0),
    ],
)
def test_known_numbers(choices: list[tuple[float, bool]], error: float) -> None:
    assert value([choice(*one) for one in choices]) == pytest.approx(error)


def test_gaps_of_opposite_sign_cancel_within_a_bin_and_not_between_bins() -> None:
    assert value([choice(0.5, True), choice(0.5, False)]) == 0
    assert value([choice(0.45, True), choice(0.55, False)]) == pytest.approx(0.55)


def test_a_row_without_a_confidence_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"row 1 .* has no confidence.*leave the metric out for rows without options"):
        METRIC.statistics([choice(0.5, True), choice(None, True)])


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan, math.inf, -3.2])
def test_a_confidence_that_is_no_probability_is_an_error(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"row 0 has the confidence .*; a probability from 0 to 1 is needed"):
        METRIC.statistics([choice(confidence, True)])


def test_the_interval_of_right_confidences_holds_the_observed_error_and_that_of_other_choices() -> None:
    """Not centred, 12 of the 100 observed errors lie below their own intervals."""
    config = Bootstrap(resamples=400, confidence=0.95, seed=1)
    observed, intervals = [], []
    for seed in range(100):
        random = np.random.default_rng(seed)
        confidence = random.uniform(0.25, 1, 100)
        rows = [choice(float(one), bool(random.random() < one)) for one in confidence]
        groups = {"a": {"model": METRIC.statistics(rows)}}
        draws = resample(groups, METRIC.value, config, METRIC.resampling_biases).macro["model"]
        assert draws.resampled.min() >= 0 and draws.resampled.max() <= 1
        found = draws.estimate(0.95)
        observed.append(found.value)
        intervals.append((found.low, found.high))
    inside = [low <= value <= high for value, (low, high) in zip(observed, intervals, strict=True)]
    assert sum(inside) >= 99
    assert sum(low <= np.mean(observed) <= high for low, high in intervals) >= 93
