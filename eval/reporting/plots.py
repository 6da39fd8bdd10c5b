"""The report's plots: numbers -> SVG elements to put inline into HTML. See `oneday.svg_plot` for their look."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from eval.reporting.results import StageFacts, Training
from eval.scores import Scores, TaskResult
from eval.table import label
from oneday.records import SampledTask
from oneday.svg_plot import FAINT, INK, MARKS, PALE, SERIES, axes_svg, legend, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def scores_plot(scores: Scores, tasks: Sequence[TaskResult]) -> Markup:
    """Every variant's score on `tasks`, a line a task, and the macro average with its interval below."""
    names = scores.variants
    last = len(tasks)

    def draw(axes: "Axes") -> None:
        for number, name in enumerate(names):
            shift = (number - (len(names) - 1) / 2) * 0.56 / len(names)
            colour, mark = SERIES[number % len(SERIES)], MARKS[number % len(MARKS)]
            places = [row + shift for row in range(last)]
            values = [task.scores[name] for task in tasks]
            axes.plot(values, places, mark, color=colour, markersize=6, label=label(name), clip_on=False)
            macro = scores.macro[name]
            bars = [[max(macro.score - macro.low, 0)], [max(macro.high - macro.score, 0)]]
            axes.errorbar([macro.score], [last + shift], xerr=bars, fmt=mark, color=colour, markersize=6)
        for row in range(0, last, 2):
            axes.axhspan(row - 0.5, row + 0.5, color=FAINT, alpha=0.35, linewidth=0)
        axes.axhline(last - 0.5, color=INK, linewidth=0.8)
        name_rows(axes, [*(task.task for task in tasks), "macro average"])
        axes.set_xlim(0, 1)
        axes.grid(axis="x", linewidth=0.8)
        axes.set_xlabel("accuracy or ROUGE-L F")
        legend(axes, len(names))

    described = f"Dots: score of {', '.join(map(label, names))} on each task, and the macro averages with intervals."
    return axes_svg("scores", 1.0 + (last + 1) * max(0.3, 0.1 * len(names)) + 0.12 * len(names), described, draw)


def loss_plot(training: Training) -> Markup:
    """Training loss over the steps, as logged and smoothed, with the evaluation loss as points."""

    def draw(axes: "Axes") -> None:
        if training.losses:
            steps, losses = zip(*training.losses, strict=True)
            axes.plot(steps, losses, color=SERIES[0], alpha=0.55, linewidth=1, label="training, as logged")
            axes.plot(steps, smooth(losses), color=SERIES[0], linewidth=2, label="training, smoothed")
        if training.eval_losses:
            steps, losses = zip(*training.eval_losses, strict=True)
            axes.plot(steps, losses, "D--", color=SERIES[1], markersize=6, linewidth=1, label="evaluation")
        axes.grid(linewidth=0.8)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        legend(axes, 3)

    return axes_svg("loss", 3.1, _loss_in_words(training), draw)


def _loss_in_words(training: Training) -> str:
    parts = [
        f"{name} loss from {points[0][1]:.3f} at step {points[0][0]} to {points[-1][1]:.3f} at step {points[-1][0]}"
        for name, points in (("training", training.losses), ("evaluation", training.eval_losses))
        if points
    ]
    return f"Line: {'; '.join(parts)}."


def smooth(values: Sequence[float]) -> list[float]:
    """The exponential moving average over about a tenth of the values, unbiased at the start."""
    decay = 1 - 1 / max(len(values) / 10, 3)
    total = weight = 0.0
    smoothed = []
    for value in values:
        total, weight = decay * total + value, decay * weight + 1
        smoothed.append(total / weight)
    return smoothed


def sampler_plot(tasks: Sequence[SampledTask]) -> Markup:
    """Rows available, answered wrongly and taken, as bars inside each other, a line a task."""
    layers = (("available", PALE, 0.8), ("wrong", SERIES[1], 0.5), ("taken", SERIES[0], 0.22))

    def draw(axes: "Axes") -> None:
        for name, colour, height in layers:
            values = [getattr(task, name) for task in tasks]
            axes.barh(range(len(tasks)), values, height, color=colour, linewidth=0, label=name)
        name_rows(axes, [task.task for task in tasks])
        axes.grid(axis="x", linewidth=0.8)
        axes.set_xlabel("rows")
        axes.locator_params(axis="x", integer=True)
        legend(axes, 3, columns=3)

    described = "Bars: rows available, answered wrongly and taken for each task; same numbers as the table."
    return axes_svg("sampler", 0.9 + 0.3 * len(tasks), described, draw)


def seconds_plot(stages: Sequence[StageFacts], in_words: Callable[[float], str]) -> Markup:
    """The time of each stage as bars, each with its duration in words."""

    def draw(axes: "Axes") -> None:
        bars = axes.barh(range(len(stages)), [stage.seconds for stage in stages], 0.6, color=SERIES[0])
        axes.bar_label(bars, [in_words(stage.seconds) for stage in stages], padding=4)
        name_rows(axes, [stage.stage.replace("_", " ") for stage in stages])
        axes.set_xlim(0, 1.4 * max([stage.seconds for stage in stages], default=0) or 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    times = ", ".join(f"{stage.stage} {in_words(stage.seconds)}" for stage in stages)
    return axes_svg("seconds", 0.4 + 0.3 * len(stages), f"Bars: time a stage: {times}.", draw)
