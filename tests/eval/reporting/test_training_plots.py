"""The training's plots: time where the log tells it, steps where it does not, and the deadline."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.reporting.planned import Compared, PlannedAndMeasured
from eval.reporting.results import Training, read_training_log
from eval.reporting.training_plots import MOST_POINTS, clock_of, deadline_fits, loss_plot, plan_plot, thinned


def logged(folder: Path, *seconds: float | None, last_evaluation: float | None = None) -> Training:
    """A log with a loss at each time, and an evaluation at the end."""
    entries: list[dict[str, Any]] = [
        {"step": step, "loss": 3 / step, "learning_rate": 1e-4 / step, "seconds": time}
        for step, time in enumerate(seconds, start=1)
    ]
    entries.append({"step": len(seconds), "eval_loss": 2.0, "seconds": last_evaluation})
    (folder / "log.json").write_text(json.dumps(entries), encoding="utf-8")
    return read_training_log(folder / "log.json")


@pytest.mark.parametrize(
    ("last", "budget", "unit", "size"),
    [
        (100.0, None, "seconds since the first launch", 1),
        (400.0, None, "minutes since the first launch", 60),
        (200.0, 600.0, "minutes since the first launch", 60),
        (199.0, 60 * 86400.0, "minutes since the first launch", 60),
        (100.0, 600.0, "seconds since the first launch", 1),
        (80000.0, 86400.0, "hours since the first launch", 3600),
    ],
)
def test_the_unit_fits_the_time_and_the_deadline(
    tmp_path: Path, last: float, budget: float | None, unit: str, size: float
) -> None:
    clock = clock_of(logged(tmp_path, 10, last, last_evaluation=last), budget)
    assert (clock.unit, clock.seconds) == (unit, size)


@pytest.mark.parametrize("evaluation", [None, 30.0])
def test_a_log_that_does_not_tell_every_time_goes_by_steps(tmp_path: Path, evaluation: float | None) -> None:
    training = logged(tmp_path, 10, 20 if evaluation is None else None, last_evaluation=evaluation)
    assert clock_of(training, 60.0).unit == "step"
    plot = loss_plot(training, 60.0)
    assert "deadline" not in plot.description and ">deadline<" not in plot.svg()
    assert ">step<" in plot.svg() and ">learning rate<" in plot.svg()


def test_the_deadline_is_marked_and_told(tmp_path: Path) -> None:
    plot = loss_plot(logged(tmp_path, 3600, 36000, last_evaluation=40000), 86400)
    assert "the deadline at 24 hours since the first launch" in plot.description
    assert "training loss from 3.000 at step 1 to 1.500 at step 2" in plot.description
    assert "learning rate up to 0.0001, 5e-05 at the end" in plot.description
    assert ">deadline<" in plot.svg() and ">hours since the first launch<" in plot.svg()


def test_a_deadline_far_away_does_not_press_the_curves_together(tmp_path: Path) -> None:
    training = logged(tmp_path, 60, 600, last_evaluation=660)
    assert not deadline_fits(training, 86400) and deadline_fits(training, 1800) and not deadline_fits(training, None)
    plot = loss_plot(training, 86400)
    assert "the deadline at 1440 minutes since the first launch" in plot.description
    assert ">(the deadline is at 1,440)<" in plot.svg() and ">deadline<" not in plot.svg()
    assert ">10<" in plot.svg() and ">1000<" not in plot.svg()


def test_a_long_log_is_drawn_by_its_extremes() -> None:
    points = [(float(step), float(step % 7)) for step in range(60_000)]
    points[31_234], points[45_678] = (31_234.0, 99.0), (45_678.0, -99.0)
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS and list(kept) == sorted(kept) and set(kept) <= set(points)
    assert {points[0], points[-1], points[31_234], points[45_678]} <= set(kept)
    assert (
        thinned(points[:MOST_POINTS]) == points[:MOST_POINTS] and len(thinned(points[: MOST_POINTS + 1])) <= MOST_POINTS
    )


def test_a_log_without_learning_rates_has_the_loss_alone(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text('[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]', encoding="utf-8")
    plot = loss_plot(read_training_log(tmp_path / "log.json"), None)
    assert "learning rate" not in plot.svg() and ">loss<" in plot.svg()


def planned(planned: float) -> PlannedAndMeasured:
    each = Compared(planned=planned, measured=110.0)
    names = ("tokens", "steps", "seconds", "train_seconds", "evaluate_seconds", "save_seconds", "peak_memory_gib")
    return PlannedAndMeasured(card="toy card", offered_memory_gib=10.0, **dict.fromkeys(names, each))


def test_the_plan_is_drawn_in_per_cent() -> None:
    plot = plan_plot(planned(100.0))
    assert plot is not None and plot.description.count("110 %") == 7
    assert plot.svg().count(">110 %<") == 7 and plot.png() == plot.png()


def test_a_plan_of_nothing_has_no_plot() -> None:
    assert plan_plot(planned(0.0)) is None
