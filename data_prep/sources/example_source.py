"""What every source of training rows is to the stage mix: a row as published -> drafts of examples, or why not.

One file of this package a source; each defines one `ExampleSource`. `data_prep.sources.catalogue` lists them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

Row = Mapping[str, Any]
SettingsType = TypeVar("SettingsType", contravariant=True)


class Draft(NamedTuple):
    """An example whose prompt is not put together yet.

    A question that stands alone is an `input` without an `instruction`; an instruction is what is done to the input.
    """

    instruction: str
    input: str
    answer: str
    task: str
    id: str


class Drop(NamedTuple):
    """Why a row, or one of the examples in it, is not used: a name that is counted."""

    reason: str


class Unusable(ValueError):
    """A row that cannot be used at all; `reason` is the name it is counted under."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class ExampleSource(Generic[SettingsType]):
    """A published data set: where it is from, under which licence, and how its rows become drafts.

    `columns` must be there (of a tuple of names: one of them); others are ignored. `convert(row, place, settings)`
    yields a draft or a Drop for each example in the row, or raises Unusable; `place` (such as 'train-0-17') serves as
    id where the row has none. `licence` is short, as restrictions are read from it; `remark` is what else is to be
    said of the licence, and is only shown.
    """

    name: str
    licence: str
    origin: str
    columns: tuple[str | tuple[str, ...], ...]
    convert: Callable[[Row, str, SettingsType], Iterable[Draft | Drop]]
    remark: str = ""


def licence_of_parts(licences: Mapping[str, str]) -> str:
    """The licences of a data set's parts as one text, 'MIT (a, b), Apache-2.0 (c)'; the licence alone if all share it.

    'none stated' if there is no part.
    """
    parts: dict[str, list[str]] = {}
    for part, licence in licences.items():
        parts.setdefault(licence, []).append(part)
    if len(parts) > 1:
        return ", ".join(f"{licence} ({', '.join(names)})" for licence, names in parts.items())
    return next(iter(parts), "none stated")


def text_of(row: Row, field: str) -> str:
    """The row's text in `field`. Raises Unusable: missing_field (absent or null), wrong_type."""
    value = row.get(field)
    if value is None:
        raise Unusable("missing_field")
    if not isinstance(value, str):
        raise Unusable("wrong_type")
    return value
