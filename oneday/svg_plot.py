"""Plots for the report pages: a drawing -> an SVG element to put inline into HTML, or a PNG. No state, no pyplot.

Text stays text (`svg.fonttype: none`): a fifth of the size of outlines, selectable, in the page's own font.
A plot is 331 units wide, a phone's column, so that its 12-unit text is 12 CSS pixels there and larger elsewhere.
Colours are CSS variables of the page with a fallback, so that they follow its light or dark scheme.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches of 72 units
PNG_DPI = 144  # twice the units: sharp where a README shows it at half its size
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


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """The names on the y axis, first on top; long ones cut (the tables have them whole)."""
    axes.set_yticks(range(len(names)), [_cut(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, pad=6)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def legend(axes: "Axes", entries: int, columns: int = 2) -> None:
    """A legend above the plot, in at most `columns` columns."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(loc="outside upper left", ncols=min(entries, columns))


@dataclass(frozen=True)
class Plot:
    """A drawing that is still to be made, `height` inches high; each of its forms is the same bytes for the same input.

    `name` must be the plot's own in its page, `description` is what is read aloud.
    """

    name: str
    height: float
    description: str
    draw: Callable[["Figure"], None]

    def svg(self) -> Markup:
        """The `<svg>` element, in the page's colours."""
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with self._drawn({"svg.hashsalt": self.name}) as figure:
            figure.savefig(text, format="svg", metadata=nothing)
        return Markup(_inline(text.getvalue(), self.description))

    def png(self) -> bytes:
        """The same on white, for a README."""
        image = io.BytesIO()
        with self._drawn({}) as figure:
            figure.savefig(image, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
        return image.getvalue()

    @contextmanager
    def _drawn(self, settings: dict[str, str]) -> "Iterator[Figure]":
        from matplotlib import style
        from matplotlib.figure import Figure

        with style.context(["default", STYLE | settings]), warnings.catch_warnings():
            # matplotlib's font only measures the text of an SVG; the reader's fonts draw it.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure = Figure(figsize=(WIDTH, self.height), layout="constrained")
            self.draw(figure)
            yield figure


def axes_plot(name: str, height: float, description: str, draw: Callable[["Axes"], None]) -> Plot:
    """A plot of one pair of axes; see `Plot`."""
    return Plot(name, height, description, lambda figure: draw(figure.add_subplot()))


def axes_svg(name: str, height: float, description: str, draw: Callable[["Axes"], None]) -> Markup:
    """The `<svg>` element of one pair of axes; see `Plot`."""
    return axes_plot(name, height, description, draw).svg()


def figure_svg(name: str, height: float, description: str, draw: Callable[["Figure"], None]) -> Markup:
    """The `<svg>` element that `draw` fills; see `Plot`."""
    return Plot(name, height, description, draw).svg()


def _inline(document: str, description: str) -> str:
    """The `<svg>` element alone, without what only a file of its own needs, in the page's colours."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace("xlink:href", "href")
    svg = re.sub("font-family: [^;]*;", "font-family: inherit;", svg)
    svg = re.sub("(fill|stroke): (#[0-9a-f]{6})", lambda found: f"{found[1]}: {PAINT.get(found[2], found[2])}", svg)
    size = re.search(r'viewBox="[^"]*"', svg)
    assert size is not None
    return re.sub("^<svg[^>]*>", f'<svg {size[0]} role="img" aria-label="{escape(description)}">', svg).strip()
