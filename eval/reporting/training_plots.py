"""The report's plots of the training: loss and learning rate against wall clock, and plan against measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eval.reporting.planned import Compared, PlannedAndMeasured
from eval.reporting.results import LoggedEvaluation, LoggedStep, Training
from oneday.svg_plot import INK, SERIES, Plot, axes_plot, legend, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_POINTS = 2000  # of a line; more are not to be told apart, and weigh megabytes
NEAR_DEADLINE = 3  # times the time that the training took; a later one would press the curves to the left


@dataclass(frozen=True)
class Clock:
    """What lies on the x axis: `unit` and how many seconds one of it is. Steps where the log has no seconds."""

    unit: str
    seconds: float | None

    def place(self, entry: LoggedStep | LoggedEvaluation) -> float:
        """Where an entry of the log stands on the axis."""
        if self.seconds is None:
            return float(entry.step)
        assert entry.seconds is not None, "clock_of gives seconds only if every entry has them"
        return entry.seconds / self.seconds


def clock_of(training: Training, budget_seconds: float | None) -> Clock:
    """Seconds, minutes or hours since the first launch; steps if an entry of the log does not tell its time."""
    last = last_second(training)
    if last is None:
        return Clock("step", None)
    longest = max(last, budget_seconds or 0) if deadline_fits(training, budget_seconds) else last
    if longest < 180:
        return Clock("seconds since the first launch", 1)
    if longest < 3 * 3600:
        return Clock("minutes since the first launch", 60)
    return Clock("hours since the first launch", 3600)


def last_second(training: Training) -> float | None:
    """The time of the last entry of the log; None if one of them does not tell its time."""
    times = [entry.seconds for entry in training.logged] + [entry.seconds for entry in training.evaluations]
    known = [seconds for seconds in times if seconds is not None]
    return max(known) if known and len(known) == len(times) else None


def deadline_fits(training: Training, budget_seconds: float | None) -> bool:
    """Whether the plot of the losses has the deadline as a line: there is one, and the training came near it."""
    last = last_second(training)
    return last is not None and budget_seconds is not None and budget_seconds <= NEAR_DEADLINE * last


def loss_plot(training: Training, budget_seconds: float | None) -> Plot:
    """Loss as logged and smoothed, the evaluation loss as points, the learning rate below; the deadline as a line.

    A deadline far beyond the last entry is told at the axis in place of a line.
    """
    clock = clock_of(training, budget_seconds)
    rates = [(clock.place(entry), entry.learning_rate) for entry in training.logged if entry.learning_rate is not None]
    deadline = None if clock.seconds is None or budget_seconds is None else budget_seconds / clock.seconds
    marked = deadline if deadline_fits(training, budget_seconds) else None
    beyond = "" if deadline is None or marked is not None else f"\n(the deadline is at {round(deadline, 1):,g})"

    def draw(figure: "Figure") -> None:
        if rates:
            upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
            lower.plot(*zip(*thinned(rates), strict=True), color=SERIES[2], linewidth=2)
            lower.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=False)
            lower.set_ylim(bottom=0)
            lower.set_ylabel("learning rate")
            panels = [upper, lower]
        else:
            panels = [figure.add_subplot()]
        _draw_losses(panels[0], training, clock)
        for axes in panels:
            axes.grid(linewidth=0.8)
            if marked is not None:
                axes.axvline(marked, color=INK, linewidth=1.5, linestyle=":", label="deadline")
        figure.align_ylabels(panels)
        panels[-1].set_xlabel(clock.unit + beyond)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)

    described = _in_words(training, clock, rates, deadline)
    return Plot("loss", 4.4 if rates else 3.1, described, draw)


def _draw_losses(axes: "Axes", training: Training, clock: Clock) -> None:
    if training.logged:
        places = [clock.place(entry) for entry in training.logged]
        losses = [entry.loss for entry in training.logged]
        for line, label, width, alpha in ((losses, "as logged", 1, 0.45), (smooth(losses), "smoothed", 2, 1)):
            points = thinned(list(zip(places, line, strict=True)))
            axes.plot(
                *zip(*points, strict=True), color=SERIES[0], alpha=alpha, linewidth=width, label=f"training, {label}"
            )
    if training.evaluations:
        places = [clock.place(entry) for entry in training.evaluations]
        losses = [entry.loss for entry in training.evaluations]
        points = thinned(list(zip(places, losses, strict=True)))
        axes.plot(*zip(*points, strict=True), "D--", color=SERIES[1], markersize=6, linewidth=1, label="evaluation")
    axes.set_ylabel("loss")


def _in_words(training: Training, clock: Clock, rates: Sequence[tuple[float, float]], deadline: float | None) -> str:
    parts = [
        f"{name} loss from {points[0][1]:.3f} at step {points[0][0]} to {points[-1][1]:.3f} at step {points[-1][0]}"
        for name, points in (("training", training.losses), ("evaluation", training.eval_losses))
        if points
    ]
    if rates:
        parts.append(f"learning rate up to {max(rate for _, rate in rates):.2g}, {rates[-1][1]:.2g} at the end")
    if deadline is not None:
        parts.append(f"the deadline at {deadline:.4g} {clock.unit}")
    return f"Lines: {'; '.join(parts)}."


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most MOST_POINTS: the first, the last, and of each stretch between them the lowest and the highest."""
    if len(points) <= MOST_POINTS:
        return points
    stretches = MOST_POINTS // 2 - 1
    inner = range(1, len(points) - 1)
    kept = {0, len(points) - 1}
    for number in range(stretches):
        stretch = inner[len(inner) * number // stretches : len(inner) * (number + 1) // stretches]
        kept |= {min(stretch, key=lambda at: points[at][1]), max(stretch, key=lambda at: points[at][1])}
    return [points[at] for at in sorted(kept)]


def smooth(values: Sequence[float]) -> list[float]:
    """The exponential moving average over about a tenth of the values, unbiased at the start."""
    decay = 1 - 1 / max(len(values) / 10, 3)
    total = weight = 0.0
    smoothed = []
    for value in values:
        total, weight = decay * total + value, decay * weight + 1
        smoothed.append(total / weight)
    return smoothed


@dataclass(frozen=True)
class PlannedQuantity:
    """What a plan and a training are compared by. `unit` is GiB, seconds or nothing."""

    name: str
    unit: Literal["GiB", "seconds", ""]
    compared: Compared


def plan_quantities(plan: PlannedAndMeasured) -> list[PlannedQuantity]:
    """Memory, time and its parts, and how far it came."""
    return [
        PlannedQuantity("peak memory", "GiB", plan.peak_memory_gib),
        PlannedQuantity("time in all", "seconds", plan.seconds),
        PlannedQuantity("time of the steps", "seconds", plan.train_seconds),
        PlannedQuantity("evaluations", "seconds", plan.evaluate_seconds),
        PlannedQuantity("checkpoints", "seconds", plan.save_seconds),
        PlannedQuantity("steps", "", plan.steps),
        PlannedQuantity("tokens", "", plan.tokens),
    ]


def plan_plot(plan: PlannedAndMeasured) -> Plot | None:
    """What was measured as a share of what was planned, a bar a quantity; None if nothing was planned."""
    found = [(quantity.name, quantity.compared.ratio) for quantity in plan_quantities(plan)]
    shares = [(name, ratio) for name, ratio in found if ratio is not None]
    if not shares:
        return None

    def draw(axes: "Axes") -> None:
        ratios = [ratio for _, ratio in shares]
        end = 1.25 * max(1.0, *ratios)
        axes.barh(range(len(shares)), ratios, 0.55, color=SERIES[0])
        for row, ratio in enumerate(ratios):
            axes.text(end, row, f"{100 * ratio:.0f} %", ha="right", va="center")
        axes.axvline(1, color=INK, linewidth=1.5, linestyle=":", label="as planned")
        name_rows(axes, [name for name, _ in shares])
        axes.set_xlim(0, end)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        legend(axes, 1)

    listed = ", ".join(f"{name} {100 * ratio:.0f} %" for name, ratio in shares)
    return axes_plot("plan", 0.75 + 0.3 * len(shares), f"Bars: measured as a share of planned: {listed}.", draw)
