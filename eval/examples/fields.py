"""A row of any file -> an `ExampleRow`, by the names of its fields.

A name may lead into nested objects by dots (`choices.text`). The answer is a text or a list of texts of which any is
right. Of a row with options it may be the label or the number of one as well, or a mask: see `option_answers`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.examples.option_answers import AnswerIs, Reading, is_mask, own_labels, reading, settle
from eval.examples.row import ExampleRow

Row = Mapping[str, Any]

# What is looked for in this order where no field is named: our own files first, then well-known data sets'.
PROMPT = ("prompt", "few_shot_prompt", "question", "question_stem")
ANSWER = ("references", "answer", "output", "answerKey")
OPTIONS = ("options", "choices")
TASK, ID, CATEGORY, LANGUAGE = "task", "id", "category", "language"


@dataclass(frozen=True)
class Fields:
    """Where a row has what. None: one of the usual names, if it is there.

    `options` names the field with the list of options, or several fields with one each. Without it `fixed_options` are
    those of every row. `labels` names a list as long as the options, for answers such as "B"; without it they are the
    letters that the options begin with, if they do. `make_prompt` makes the prompt of the whole row and is taken before
    the field `prompt`. `answer_is` says what the answers of rows with options are.
    """

    prompt: str | None = None
    answer: str | None = None
    options: tuple[str, ...] = ()
    labels: str | None = None
    fixed_options: tuple[str, ...] = ()
    task: str | None = None
    category: str | None = None
    language: str | None = None
    make_prompt: Callable[[Row], str] | None = None
    answer_is: AnswerIs | None = None

    def example(self, row: Row, default_task: str, default_id: str) -> ExampleRow:
        """The row. ValueError says which field is wrong, what the row has, and which option names another."""
        options, _ = self._options(row)
        return ExampleRow(
            task=self._text(row, self.task, TASK, "--task", default_task),
            id=self._text(row, None, ID, "", default_id),
            prompt=self._prompt(row),
            references=self._references(row, options),
            options=options,
            category=self._text(row, self.category, CATEGORY, "--category", ""),
            language=self._text(row, self.language, LANGUAGE, "--language", ""),
        )

    def readings(self, row: Row) -> list[Reading]:
        """What each answer can be; none of a row without options, and none of a mask. ValueError as of `example`."""
        options, labels = self._options(row)
        name, answers = self._answers(row)
        if not options or is_mask(answers, options):
            return []
        _as_texts(answers, name, "--answer")
        return [reading(answer, options, labels, name) for answer in answers]

    def _prompt(self, row: Row) -> str:
        if self.make_prompt is not None:
            return self.make_prompt(row)
        name = self.prompt or _usual(row, PROMPT, "--prompt")
        return _as_text(field_of(row, name, "--prompt"), name, "--prompt")

    def _options(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The options and their labels, either of which may be none."""
        if self.fixed_options:
            return self.fixed_options, own_labels(self.fixed_options)
        names = self.options or next(((name,) for name in OPTIONS if row.get(name)), ())
        values = [field_of(row, name, "--options") for name in names]
        if len(values) > 1:
            several = tuple(_as_text(value, name, "--options") for name, value in zip(names, values, strict=True))
            return several, own_labels(several)
        if not values:
            return (), ()
        labels = field_of(row, self.labels, "--labels") if self.labels else None
        value = values[0]
        if isinstance(value, Mapping) and {"text", "label"} <= value.keys():  # as OpenBookQA and ARC have them
            value, labels = value["text"], value["label"] if labels is None else labels
        options = _as_texts(value, names[0], "--options")
        if labels is None:
            return options, own_labels(options)
        found = _as_texts(labels, self.labels or names[0], "--labels")
        if len(found) != len(options) or len(set(found)) < len(found):
            told = f"there are {len(options)} options and {len(found)} labels, {', '.join(found)}"
            raise ValueError(f"{told}; each option needs a label of its own; name the labels by --labels")
        return options, found

    def _answers(self, row: Row) -> tuple[str, list[Any]]:
        """The answer's field, and what it holds as a list."""
        name = self.answer or _usual(row, ANSWER, "--answer")
        value = field_of(row, name, "--answer")
        answers = value if isinstance(value, list) else [value]
        if not answers:
            raise ValueError(f"field '{name}' is an empty list; an answer is a text or a list of texts")
        return name, answers

    def _references(self, row: Row, options: Sequence[str]) -> tuple[str, ...]:
        name, answers = self._answers(row)
        if not options:
            return _as_texts(answers, name, "--answer")
        if is_mask(answers, options):
            found = tuple(option for option, marked in zip(options, answers, strict=True) if marked)
        else:
            readings = self.readings(row)
            kind = self.answer_is or settle([("", one) for one in readings])
            found = tuple(one.option(kind) for one in readings if kind is not None)
        if not found:
            raise ValueError(f"field '{name}' is {answers}, which marks no option; a mask has a 1 for each right one")
        if len(set(found)) < len(found):
            raise ValueError(f"field '{name}' names an option twice: {answers}; it is to list the right options")
        return found

    def _text(self, row: Row, named: str | None, usual: str, flag: str, default: str) -> str:
        """A field that need not be there, unless it is named."""
        if named is None and row.get(usual) is None:
            return default
        name = named or usual
        value = field_of(row, name, flag)
        values = value if isinstance(value, list) else [value]  # Natural Instructions lists categories and languages
        return _as_text(values[0], name, flag) if values else default


def field_of(row: Row, name: str, flag: str) -> Any:
    """The value of a field, or below it by dots. ValueError names the fields that there are."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            there = ", ".join(map(str, value)) if isinstance(value, Mapping) else f"only {value!r}"
            raise ValueError(f"no field '{name}' (there are: {there}); name another with {flag}")
        value = value[part]
    return value


def _usual(row: Row, names: Sequence[str], flag: str) -> str:
    """The first of these names that the row has."""
    for name in names:
        if row.get(name) is not None:
            return name
    if empty := [name for name in names if name in row]:
        raise ValueError(f"field '{empty[0]}' is empty; fill it in, leave the row out, or name another with {flag}")
    raise ValueError(f"none of the fields {', '.join(names)} (there are: {', '.join(row)}); name one with {flag}")


def _as_texts(value: Any, name: str, flag: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"field '{name}' is no list of texts but {value!r}; name another with {flag}")
    return tuple(_as_text(item, name, flag) for item in value)


def _as_text(value: Any, name: str, flag: str) -> str:
    """A text or a finite number as a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    named = f"; name another with {flag}" if flag else ""
    if value is None:
        raise ValueError(f"field '{name}' is empty{named}")
    raise ValueError(f"field '{name}' is no text but {value!r}{named}")
