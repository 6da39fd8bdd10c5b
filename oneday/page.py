"""What every report page shares: a Jinja template -> one HTML file in the common style, and text made fit for it.

The words and the layout are a page's own, in its template; there `style_sheet` is the common style.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from oneday.page_style import STYLE_SHEET

if TYPE_CHECKING:
    from jinja2 import Template

METRICS = {"accuracy": "accuracy", "rouge_l_f": "ROUGE-L F", "token_f1": "token F1"}  # as a reader knows them


def render_template(template: Path, filters: Sequence[Callable[..., Any]], **values: Any) -> str:
    """The page that a template makes of `values`, every text escaped; filters go by the names of their functions."""
    return load_template(template, filters, html=True).render(style_sheet=Markup(STYLE_SHEET), **values)


def load_template(
    template: Path, filters: Sequence[Callable[..., Any]], functions: Sequence[Callable[..., Any]] = (), *, html: bool
) -> "Template":
    """A template that has these filters and functions, by their names. HTML escapes every text; Markdown none.

    A name that the template uses and nobody gave is an error, not an empty text.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {function.__name__: function for function in filters}
    environment.globals |= {function.__name__: function for function in functions}
    return environment.get_template(template.name)


def shorten(text: str, longest: int) -> str:
    """The text, its middle left out at words if it is longer than `longest` characters (a question is often last)."""
    if len(text) <= longest:
        return text
    head, tail = text[: longest * 2 // 3], text[-(longest // 3) :]
    return f"{head.rpartition(' ')[0] or head} [\N{HORIZONTAL ELLIPSIS}] {tail.partition(' ')[2] or tail}"


def breakable(name: str) -> Markup:
    """A name that may break after its underscores, so that it fits a narrow column."""
    return escape(name).replace("_", Markup("_<wbr>"))


def words(name: str) -> str:
    """A counter's name as words: 'input_too_long' -> 'input too long'."""
    return name.replace("_", " ")
