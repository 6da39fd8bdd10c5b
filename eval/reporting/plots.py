"""The report's plots of scores, data and time. See `oneday.svg_plot` for their look, `training_plots` for the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.reporting.results import StageFacts
from eval.scores import Interval, Scores, TaskResult
from eval.table import label
from oneday.records import SampledTask
from oneday.svg_plot import FAINT, INK, MARKS, PALE, SERIES, Plot, axes_plot, legend, name_rows
from postprocess.ablation_record import Ablation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORE_AXIS = "accuracy or ROUGE-L F"


@dataclass(frozen=True)
class Series:
    """One colour of a plot of scores: its name, its score on each task, its macro average."""

    name: str
    values: Sequence[float]
    macro: Interval


def scores_plot(scores: Scores, tasks: Sequence[TaskResult]) -> Plot:
    """Every variant's score on `tasks`, a line a task, and the macro average with its interval below."""
    series = [
        Series(label(name), [task.scores[name] for task in tasks], scores.macro[name]) for name in scores.variants
    ]
    return dots_plot("scores", [task.task for task in tasks], series)


def dots_plot(name: str, tasks: Sequence[str], series: Sequence[Series]) -> Plot:
    """The scores of each series, a line a task, and the macro averages with their intervals below."""
    last = len(tasks)

    def draw(axes: "Axes") -> None:
        for number, one in enumerate(series):
            shift = (number - (len(series) - 1) / 2) * 0.56 / len(series)
            colour, mark = SERIES[number % len(SERIES)], MARKS[number % len(MARKS)]
            places = [row + shift for row in range(last)]
            axes.plot(one.values, places, mark, color=colour, markersize=6, label=one.name, clip_on=False)
            _draw_interval(axes, one.macro, last + shift, number)
        _bands(axes, last)
        axes.axhline(last - 0.5, color=INK, linewidth=0.8)
        name_rows(axes, [*tasks, "macro average"])
        _score_axis(axes)
        legend(axes, len(series), columns=_columns([one.name for one in series]))

    listed = ", ".join(one.name for one in series)
    described = f"Dots: score of {listed} on each task, and the macro averages with intervals."
    return axes_plot(name, 1.0 + (last + 1) * max(0.3, 0.1 * len(series)) + 0.12 * len(series), described, draw)


def macro_plot(name: str, averages: Sequence[tuple[str, Interval]]) -> Plot:
    """Macro averages with their intervals, a line each: the result at a glance."""

    def draw(axes: "Axes") -> None:
        for row, (_, macro) in enumerate(averages):
            axes.barh(row, macro.score, 0.5, color=SERIES[row % len(SERIES)], alpha=0.3, linewidth=0)
            _draw_interval(axes, macro, row, row)
            axes.annotate(f"{macro.score:.3f}", (macro.high, row), (7, 0), textcoords="offset points", va="center")
        name_rows(axes, [one for one, _ in averages])
        axes.set_xlim(0, min(1.0, 1.35 * max(macro.high for _, macro in averages) + 0.02))
        axes.grid(axis="x", linewidth=0.8)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("macro average")

    listed = ", ".join(f"{one} {macro.score:.3f}" for one, macro in averages)
    return axes_plot(name, 0.75 + 0.36 * len(averages), f"Bars: macro averages with intervals: {listed}.", draw)


def rules_plot(ablation: Ablation) -> Plot:
    """The macro average of each set of answers with no rule and with the rules that pay, with intervals."""

    def draw(axes: "Axes") -> None:
        for number, (name, intervals) in enumerate(
            (("no rule", [s.none for s in ablation.sets]), ("rules that pay", [s.kept for s in ablation.sets]))
        ):
            axes.plot([], [], MARKS[number], color=SERIES[number], markersize=6, label=name)
            for row, interval in enumerate(intervals):
                _draw_interval(axes, interval, row + 0.24 * number - 0.12, number)
        _bands(axes, len(ablation.sets))
        name_rows(axes, [label(answers.name) for answers in ablation.sets])
        axes.grid(axis="x", linewidth=0.8)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlim(left=0)
        axes.set_xlabel("macro average")
        legend(axes, 2)

    described = "Dots: macro average of each set of answers without rules and with those that pay, as in the table."
    return axes_plot("rules", 1.0 + 0.36 * len(ablation.sets), described, draw)


def sampler_plot(tasks: Sequence[SampledTask]) -> Plot:
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
    return axes_plot("sampler", 0.9 + 0.3 * len(tasks), described, draw)


def seconds_plot(stages: Sequence[StageFacts], in_words: Callable[[float], str]) -> Plot:
    """The time of each stage as bars, each with its duration in words."""

    def draw(axes: "Axes") -> None:
        bars = axes.barh(range(len(stages)), [stage.seconds for stage in stages], 0.6, color=SERIES[0])
        axes.bar_label(bars, [in_words(stage.seconds) for stage in stages], padding=4)
        name_rows(axes, [stage.stage.replace("_", " ") for stage in stages])
        axes.set_xlim(0, 1.4 * max([stage.seconds for stage in stages], default=0) or 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    times = ", ".join(f"{stage.stage} {in_words(stage.seconds)}" for stage in stages)
    return axes_plot("seconds", 0.4 + 0.3 * len(stages), f"Bars: time a stage: {times}.", draw)


def _draw_interval(axes: "Axes", found: Interval, place: float, number: int) -> None:
    """A score as a mark and its interval as a bar, in the colour and shape of the series."""
    bars = [[max(found.score - found.low, 0)], [max(found.high - found.score, 0)]]
    colour, mark = SERIES[number % len(SERIES)], MARKS[number % len(MARKS)]
    axes.errorbar([found.score], [place], xerr=bars, fmt=mark, color=colour, markersize=6)


def _bands(axes: "Axes", rows: int) -> None:
    """Every second row on grey, so that an eye stays on its line."""
    for row in range(0, rows, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=FAINT, alpha=0.35, linewidth=0)


def _score_axis(axes: "Axes") -> None:
    axes.set_xlim(0, 1)
    axes.grid(axis="x", linewidth=0.8)
    axes.set_xlabel(SCORE_AXIS)


def _columns(names: Sequence[str]) -> int:
    """Columns of a legend that a phone's width has room for."""
    return 1 if max(map(len, names)) > 18 else 2
