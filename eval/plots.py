"""The report's plots: numbers -> SVG elements to put inline into HTML. No state, no files, no pyplot.

Text stays text (`svg.fonttype: none`): a fifth of the size of outlines, selectable, in the page's own font.
A plot is 331 units wide, a phone's column, so that its 12-unit text is 12 CSS pixels there and larger elsewhere.
Colours are CSS variables of the page with a fallback, so that they follow its light or dark scheme.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from eval.results import StageFacts, Training
from eval.scores import Scores, TaskResult
from eval.table import label
from oneday.records import SampledTask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 4.6  # inches of 72 units
LONGEST_NAME = 24  # characters on an axis
# Dark enough on white, told apart with any colour vision (after Okabe and Ito); the marks differ in shape as well.
SERIES = ("#0072b2", "#c44e00", "#00795a", "#a3487f", "#7a5c00", "#444444")
MARKS = ("o", "D", "s", "^", "v", "P")
INK, FAINT, PALE = "#1a1a1a", "#d8d8d8", "#8c8c8c"
PAINT = {INK: "currentColor", FAINT: f"var(--faint, {FAINT})", PALE: f"var(--pale, {PALE})"} | {
    colour: f"var(--series-{number}, {colour})" for number, colour in enumerate(SERIES, start=1)
}
STYLE = {
    "font.family": "sans-serif",
    "font.size": 12,
    "text.parse_math": False,  # a task name may hold a dollar sign
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.2,
    "legend.borderpad": 0.0,
    "grid.color": FAINT,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "figure.constrained_layout.h_pad": 0.08,  # inches
    "axes.facecolor": "none",
    "svg.fonttype": "none",
}


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
        _name_rows(axes, [*(task.task for task in tasks), "macro average"])
        axes.set_xlim(0, 1)
        axes.grid(axis="x", linewidth=0.8)
        axes.set_xlabel("accuracy or ROUGE-L F")
        _legend(axes, len(names))

    described = f"Dots: score of {', '.join(map(label, names))} on each task, and the macro averages with intervals."
    return _svg("scores", 1.0 + (last + 1) * max(0.3, 0.1 * len(names)) + 0.12 * len(names), described, draw)


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
        _legend(axes, 3)

    return _svg("loss", 3.1, _loss_in_words(training), draw)


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
        _name_rows(axes, [task.task for task in tasks])
        axes.grid(axis="x", linewidth=0.8)
        axes.set_xlabel("rows")
        axes.locator_params(axis="x", integer=True)
        _legend(axes, 3, columns=3)

    described = "Bars: rows available, answered wrongly and taken for each task; same numbers as the table."
    return _svg("sampler", 0.9 + 0.3 * len(tasks), described, draw)


def seconds_plot(stages: Sequence[StageFacts], in_words: Callable[[float], str]) -> Markup:
    """The time of each stage as bars, each with its duration in words."""

    def draw(axes: "Axes") -> None:
        bars = axes.barh(range(len(stages)), [stage.seconds for stage in stages], 0.6, color=SERIES[0])
        axes.bar_label(bars, [in_words(stage.seconds) for stage in stages], padding=4)
        _name_rows(axes, [stage.stage.replace("_", " ") for stage in stages])
        axes.set_xlim(0, 1.4 * max([stage.seconds for stage in stages], default=0) or 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    times = ", ".join(f"{stage.stage} {in_words(stage.seconds)}" for stage in stages)
    return _svg("seconds", 0.4 + 0.3 * len(stages), f"Bars: time a stage: {times}.", draw)


def _name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """The names on the y axis, first on top; long ones cut (the tables have them whole)."""
    axes.set_yticks(range(len(names)), [_cut(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, pad=6)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def _legend(axes: "Axes", entries: int, columns: int = 2) -> None:
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(loc="outside upper left", ncols=min(entries, columns))


def _svg(name: str, height: float, description: str, draw: Callable[["Axes"], None]) -> Markup:
    """Draw into a figure of its own, the same bytes for the same input."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", STYLE | {"svg.hashsalt": name}]):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with warnings.catch_warnings():
            # matplotlib's font only measures the text; the reader's fonts draw it.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(text, format="svg", metadata=nothing)
    return Markup(_inline(text.getvalue(), description))


def _inline(document: str, description: str) -> str:
    """The `<svg>` element alone, without what only a file of its own needs, in the page's colours."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg).replace("xlink:href", "href")
    svg = re.sub("font-family: [^;]*;", "font-family: inherit;", svg)
    svg = re.sub("(fill|stroke): (#[0-9a-f]{6})", lambda found: f"{found[1]}: {PAINT.get(found[2], found[2])}", svg)
    size = re.search(r'viewBox="[^"]*"', svg)
    assert size is not None
    return re.sub("^<svg[^>]*>", f'<svg {size[0]} role="img" aria-label="{escape(description)}">', svg).strip()
