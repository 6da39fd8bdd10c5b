"""The rules that clean a generation, by name. A recipe lists them in the order in which they run."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

RuleName = Literal["cut_at_blank_line", "strip"]


def cut_at_blank_line(text: str) -> str:
    """The text before the first blank line.

    The demonstrations of a few-shot prompt are parted by blank lines, so what follows one is the model
    going on with a next example of its own (Birbal's rule).
    """
    return re.split(r"\n[ \t\r]*\n", text, maxsplit=1)[0]


RULES: dict[RuleName, Callable[[str], str]] = {
    "cut_at_blank_line": cut_at_blank_line,
    "strip": str.strip,
}


def apply_rules(text: str, names: Sequence[RuleName]) -> str:
    """The text after each named rule in turn."""
    for name in names:
        text = RULES[name](text)
    return text
