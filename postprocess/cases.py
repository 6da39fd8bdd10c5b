"""The settings of `rules.yaml`: which rules run on which kind of request, in evaluation and in the server alike.

    cases:
      - name: options
        tasks: [openbookqa, piqa]          # evaluation: the tasks of that name, * and ? as in file names
        prompt: {options: 2}               # server: what the prompt must have
        rules: [cut_at_blank_line, first_option_letter]
    default: [cut_at_blank_line, strip]    # of everything else

The first case that fits is taken. The references of a row are never looked at.
"""

# ruff: noqa: RUF001 (full-width marks are meant)

import re
import string
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from oneday.config import Settings
from postprocess.chain import Step

RULES_FILE = "rules.yaml"  # of a recipe
DEFAULT = "default"

# What is around an option's letter: (A) [A] A) A. A、 A:
AROUND = frozenset(("()", "[]", "（）", ")", "）", ".", "．", "、", ":"))
COLON = ":"  # a dialogue's speakers too are "A: Hello" and "B: Fine"
OPTION = r"(?P<opens>[(\[（]?)(?P<letter>[A-Za-z])(?P<closes>[)\]）.．、:])"
BOLD = "[*_]*+"
# At a line's start, maybe as a bullet. "A.D. 500" is none, "A. U.S. law" is one.
SPACE_OR_TEXT = r"(?:[ \t]++(?=\S)|(?=\S)(?![A-Za-z]\.))"
LINE = re.compile(rf"^[ \t]*+(?:[-*+•][ \t]++)?{BOLD}{OPTION}{BOLD}{SPACE_OR_TEXT}", re.MULTILINE)
HEADING = r"\b(?:options|choices)\b[^\n:]{0,20}:"
HEADED = re.compile(rf"{HEADING}{BOLD}\s*\Z", re.IGNORECASE)
ONE_LINE = re.compile(
    rf"(?:[?？;；]|{HEADING}){BOLD}\s*+(?P<line>{BOLD}[(\[（]?[Aa][)\]）.．、:][^\n]*+)", re.IGNORECASE
)
IN_LINE = re.compile(rf"(?<=[\s,;，；:?？]){BOLD}{OPTION}{BOLD}\s++(?=\S)")
AFTER_END = string.whitespace + "*_`"
WINDOW = 64  # characters before an option that tell whether a heading is there

Text = Annotated[str, StringConstraints(min_length=1)]
Visible = Annotated[str, StringConstraints(pattern=r"\S")]


class PromptMatch(Settings):
    """What a prompt must have, all of it at once.

    `options`: at least so many options, lettered from A on (see `options_of`). `contains`: one of these texts.
    `ends_with`: one of these at its end, white space and marks of bold and code there aside. `every`: nothing. Upper
    and lower case are the same in `contains` and `ends_with`.
    """

    options: int | None = Field(default=None, ge=2, le=26)
    contains: tuple[Text, ...] = ()
    ends_with: tuple[Visible, ...] = ()
    every: bool = False

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.every == bool(self.options or self.contains or self.ends_with):
            raise ValueError("give some of options, contains and ends_with, or every: true alone")
        return self

    def fits(self, prompt: str) -> bool:
        """Whether the prompt has it all."""
        if self.options is not None and options_of(prompt) < self.options:
            return False
        folded = prompt.casefold() if self.contains or self.ends_with else ""
        if self.contains and not any(text.casefold() in folded for text in self.contains):
            return False
        if not self.ends_with:
            return True
        ends = tuple(text.casefold().rstrip() for text in self.ends_with)
        return folded.rstrip().endswith(ends) or folded.rstrip(AFTER_END).endswith(ends)


class Case(Settings):
    """The rules of a kind of request: of `tasks` in evaluation, of prompts that fit in the server."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    tasks: tuple[Text, ...] = ()
    prompt: PromptMatch | None = None
    rules: tuple[Step, ...]

    @model_validator(mode="after")
    def _fits_something(self) -> Self:
        if not self.tasks and self.prompt is None:
            raise ValueError("give tasks (for the evaluation), prompt (for the server) or both")
        return self

    def has_task(self, task: str) -> bool:
        """Whether the case is for the task."""
        return any(fnmatchcase(task, pattern) for pattern in self.tasks)


class RuleSet(Settings):
    """All of `rules.yaml`."""

    cases: tuple[Case, ...] = ()
    default: tuple[Step, ...]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [case.name for case in self.cases]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two cases are called {' and two '.join(twice)}; each needs a name of its own")
        if DEFAULT in names:
            raise ValueError(f"no case may be called {DEFAULT}; put its rules under the key {DEFAULT}")
        return self

    def for_task(self, task: str) -> Case:
        """The first case for a task, by its name."""
        return next((case for case in self.cases if case.has_task(task)), self._default)

    def for_prompt(self, prompt: str) -> Case:
        """The first case whose matchers fit a prompt."""
        fitting = (case for case in self.cases if case.prompt is not None and case.prompt.fits(prompt))
        return next(fitting, self._default)

    def case_called(self, name: str) -> Case:
        """The case of that name; `default` is the rest's. KeyError if there is none."""
        return {case.name: case for case in (*self.cases, self._default)}[name]

    def unknown_tasks(self, tasks: Iterable[str]) -> list[tuple[str, str]]:
        """The names and patterns of the cases that fit no task, each with its key: likely misspelt."""
        known = list(tasks)
        return [
            (f"cases.{number}.tasks.{place}", pattern)
            for number, case in enumerate(self.cases)
            for place, pattern in enumerate(case.tasks)
            if not any(fnmatchcase(task, pattern) for task in known)
        ]

    @property
    def steps(self) -> list[Step]:
        """All different steps, in the order of the file."""
        return list(dict.fromkeys(step for case in (*self.cases, self._default) for step in case.rules))

    @cached_property
    def _default(self) -> Case:
        return Case(name=DEFAULT, tasks=("*",), prompt=PromptMatch(every=True), rules=self.default)


def options_of(prompt: str) -> int:
    """The most options that a prompt has, lettered from A on in one form: `(A) x`, `[A] x`, `A) x`, `A. x`, `A、x`.

    Each begins a line, where `**A.** x`, `- A. x` and `A.x` are options too; or all are in one line, behind a question
    mark, a semicolon, or "options:" or "choices:". Small letters are another form. `A: x` counts behind "options:" or
    "choices:" alone, as a dialogue has it too. A letter that is not the next one is passed over; A begins anew.
    """
    in_line = (IN_LINE.finditer(prompt, *found.span("line")) for found in ONE_LINE.finditer(prompt))
    return max(_most(prompt, options) for options in (LINE.finditer(prompt), *in_line))


def _begins(prompt: str, found: re.Match[str]) -> bool:
    """Whether options begin with an A, and not a dialogue."""
    if found["closes"] != COLON:
        return True
    return HEADED.search(prompt[max(0, found.start() - WINDOW) : found.start()]) is not None


def _most(prompt: str, options: Iterable[re.Match[str]]) -> int:
    """The most of these options of the prompt that follow one another in one form."""
    most = 0
    lengths: dict[tuple[str, bool], int] = {}
    for found in options:
        around, letter = found["opens"] + found["closes"], found["letter"]
        form = around, letter.isupper()
        if around not in AROUND:
            continue
        if letter in "Aa":
            lengths[form] = int(_begins(prompt, found))
        elif ord(letter.lower()) - ord("a") == lengths.get(form, 0):
            lengths[form] += 1
        most = max(most, lengths.get(form, 0))
    return most
