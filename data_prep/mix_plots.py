"""The plots of a mix: numbers -> SVG elements to put inline into HTML. See `oneday.svg_plot` for their look."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from data_prep.mixing.records import TOKEN_EDGES
from oneday.svg_plot import FAINT, PALE, SERIES, axes_svg, figure_svg, legend, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shares = tuple[str, float, float]  # a source's name, and its part of the rows and of the tokens, in per cent


def composition_plot(sources: Sequence[Shares]) -> Markup:
    """Each source's share of the rows and of the tokens, as a pair of bars."""
    places = range(len(sources))

    def draw(axes: "Axes") -> None:
        for offset, column, label, colour in ((-0.19, 1, "rows", SERIES[0]), (0.19, 2, "tokens", SERIES[1])):
            values = [source[column] for source in sources]
            axes.barh([place + offset for place in places], values, 0.34, color=colour, linewidth=0, label=label)
        name_rows(axes, [name for name, _, _ in sources])
        axes.set_xlim(0, 1.05 * max(share for source in sources for share in source[1:]))
        axes.grid(axis="x", linewidth=0.8)
        axes.set_xlabel("% of all")
        legend(axes, 2)

    described = "Bars: each source's share of rows and tokens; same numbers as the table."
    return axes_svg("composition", 1.1 + 0.36 * len(sources), described, draw)


def used_plot(sources: Sequence[tuple[str, float]]) -> Markup:
    """Which part of a source's rows is used, in per cent."""

    def draw(axes: "Axes") -> None:
        places = range(len(sources))
        axes.barh(places, [100.0] * len(sources), 0.56, color=FAINT, linewidth=0)
        bars = axes.barh(places, [used for _, used in sources], 0.56, color=SERIES[2], linewidth=0)
        axes.bar_label(bars, [f"{used:.0f}" if used >= 1 else "<1" for _, used in sources], padding=4, fontsize=11)
        name_rows(axes, [name for name, _ in sources])
        axes.set_xlim(0, 112)
        axes.set_xticks([0, 50, 100])
        axes.set_xlabel("% used")

    described = "Bars: share of the rows read from each source that is used; same numbers as the table."
    return axes_svg("used", 0.9 + 0.36 * len(sources), described, draw)


def all_lengths_plot(counts: Sequence[int]) -> Markup:
    """How many rows of all sources have how many tokens."""
    total = sum(counts)

    def draw(axes: "Axes") -> None:
        bars = axes.bar(range(len(counts)), [100 * count / total for count in counts], 0.92, color=SERIES[0])
        axes.bar_label(bars, [_percent(count, total) for count in counts], padding=2, fontsize=10)
        _token_axis(axes)
        axes.set_ylabel("% of the rows")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)

    described = "Histogram: share of all rows by their tokens; same numbers as the table."
    return axes_svg("lengths", 2.7, described, draw)


def source_lengths_plot(sources: Sequence[tuple[str, Sequence[int]]]) -> Markup:
    """The same for each source by itself, one below the other; every one has a scale of its own."""

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(len(sources), 1, sharex=True, squeeze=False)
        for (axes,), (name, counts) in zip(grid, sources, strict=True):
            axes.bar(range(len(counts)), counts, 0.92, color=SERIES[2])
            axes.set_title(name, loc="left", fontsize=12, pad=2)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.spines["bottom"].set_color(PALE)
            axes.tick_params(axis="x", length=0)
            axes.set_ylim(0, 1.05 * max(*counts, 1))
        _token_axis(grid[-1][0])

    described = "Histograms: rows of each source by their tokens; same numbers as the table."
    return figure_svg("lengths by source", 0.7 + 0.62 * len(sources), described, draw)


def _percent(count: int, total: int) -> str:
    """A bar's label; nothing for an empty bin, '<1' for what rounds to nothing."""
    share = 100 * count / total
    return "" if not count else "<1" if share < 0.5 else f"{share:.0f}"


def _token_axis(axes: "Axes") -> None:
    """Ticks between the bars, at the edges of the bins; every second one named."""
    names = [f"{edge:,}" if place % 2 == 0 else "" for place, edge in enumerate(TOKEN_EDGES)]
    axes.set_xticks([place - 0.5 for place in range(len(TOKEN_EDGES))], names)
    axes.set_xlim(-0.6, len(TOKEN_EDGES) - 0.4)
    axes.set_xlabel("tokens of prompt and answer")
