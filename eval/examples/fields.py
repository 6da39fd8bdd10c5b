"""A row of any file -> an `ExampleRow`, by the names of its fields.

A name may lead into nested objects by dots (`choices.text`). The answer is a text, a list of texts of which any is
right, or, of a row with options, an option's number from 0 or its label.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    those of every row. `labels` names a list as long as the options, for answers such as "B". `make_prompt` makes the
    prompt of the whole row and is taken before the field `prompt`.
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

    def example(self, row: Row, default_task: str, default_id: str) -> ExampleRow:
        """The row. ValueError says which field is wrong, what the row has, and which option names another."""
        options, labels = self._options(row)
        return ExampleRow(
            task=self._text(row, self.task, TASK, "--task", default_task),
            id=self._text(row, None, ID, "", default_id),
            prompt=self._prompt(row),
            references=self._references(row, options, labels),
            options=options,
            category=self._text(row, self.category, CATEGORY, "--category", ""),
            language=self._text(row, self.language, LANGUAGE, "--language", ""),
        )

    def _prompt(self, row: Row) -> str:
        if self.make_prompt is not None:
            return self.make_prompt(row)
        name = self.prompt or _usual(row, PROMPT, "--prompt")
        return _as_text(field_of(row, name, "--prompt"), name, "--prompt")

    def _options(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The options and their labels, either of which may be none."""
        if self.fixed_options:
            return self.fixed_options, ()
        names = self.options or next(((name,) for name in OPTIONS if row.get(name)), ())
        values = [field_of(row, name, "--options") for name in names]
        if len(values) > 1:
            return tuple(_as_text(value, name, "--options") for name, value in zip(names, values, strict=True)), ()
        if not values:
            return (), ()
        labels = field_of(row, self.labels, "--labels") if self.labels else None
        value = values[0]
        if isinstance(value, Mapping) and {"text", "label"} <= value.keys():  # as OpenBookQA and ARC have them
            value, labels = value["text"], value["label"] if labels is None else labels
        options = _as_texts(value, names[0], "--options")
        found = _as_texts(labels, self.labels or names[0], "--labels") if labels is not None else ()
        if found and len(found) != len(options):
            raise ValueError(f"there are {len(options)} options and {len(found)} labels; name the labels by --labels")
        return options, found

    def _references(self, row: Row, options: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
        name = self.answer or _usual(row, ANSWER, "--answer")
        value = field_of(row, name, "--answer")
        answers = value if isinstance(value, list) else [value]
        if not answers:
            raise ValueError(f"field '{name}' is an empty list; an answer is a text or a list of texts")
        if not options:
            return _as_texts(answers, name, "--answer")
        found = tuple(_option(answer, options, labels, name) for answer in answers)
        if len(set(found)) < len(found):
            raise ValueError(f"field '{name}' names an option twice: {value}; it is to list the right options")
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
    raise ValueError(f"none of the fields {', '.join(names)} (there are: {', '.join(row)}); name one with {flag}")


def _option(answer: Any, options: Sequence[str], labels: Sequence[str], name: str) -> str:
    """The option that an answer names: by its text, its label, or its number from 0."""
    text = _as_text(answer, name, "--answer")
    if not isinstance(answer, int):
        if text in options:
            return text
        if text.strip() in labels:
            return options[labels.index(text.strip())]
    if text.strip().isdecimal() and int(text) < len(options):
        return options[int(text)]
    allowed = [*options, *labels, f"0 to {len(options) - 1}"]
    raise ValueError(f"field '{name}' is {answer!r}, which is no option; allowed: {', '.join(allowed)}")


def _as_texts(value: Any, name: str, flag: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"field '{name}' is no list of texts but {value!r}; name another with {flag}")
    return tuple(_as_text(item, name, flag) for item in value)


def _as_text(value: Any, name: str, flag: str) -> str:
    """A text or a number as a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    named = f"; name another with {flag}" if flag else ""
    raise ValueError(f"field '{name}' is no text but {value!r}{named}")
