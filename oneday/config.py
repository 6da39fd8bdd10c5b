"""YAML file -> checked, frozen pydantic model, or one `ConfigError` that lists every fault.

Each fault names the file, the line, the key path, what is wrong and what is allowed; a misspelt key gets
the nearest valid one. Axolotl's own keys are checked in `training.validate`, which builds on this module.
"""

import difflib
import re
import typing
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails


class Settings(BaseModel):
    """Base of every recipe model: unknown keys are errors, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's yes, no, true and false are no numbers; pydantic would read them as 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"expected a number or text, not {str(value).lower()}")
        return value


UNKNOWN_CHOICE = "unknown_choice"
LIST_TYPES = ("tuple_type", "list_type", "set_type", "frozen_set_type")  # YAML has lists alone


def chosen_by(key: str, *allowed: str) -> Discriminator:
    """For a union of settings (each `Annotated[..., Tag(name)]`): the value of `key` says which one is meant."""

    def choice(values: Any) -> Any:
        return values.get(key) if isinstance(values, dict) else getattr(values, key, None)

    message = f"must be one of: {', '.join(allowed)}"
    return Discriminator(choice, UNKNOWN_CHOICE, custom_error_message=message, custom_error_context={"key": key})


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a recipe. `line` is 1-based, None where no line can be named."""

    file: Path
    key: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(ValueError):
    """A recipe that cannot run; `faults` holds everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True)
class Document:
    """A YAML mapping with the line of each key path (`sample.exact_match.factor` -> 31)."""

    path: Path
    values: dict[str, Any]
    lines: dict[str, int]

    def line_of(self, key: str) -> int | None:
        """The line of `key`, or of its nearest parent that the file spells out."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        return self.lines.get(key)

    def fault(self, key: str, message: str) -> Fault:
        """A fault at `key` of this file, with its line."""
        return Fault(self.path, key, message, self.line_of(key))


def load_document(path: Path) -> Document:
    """The mapping in a YAML file.

    Raises ConfigError for an absent file, bad YAML, a top level that is no mapping, and for keys given twice
    (YAML itself silently keeps the last).
    """
    if not path.is_file():
        raise ConfigError([Fault(path, "", "no such file")])
    try:
        text = path.read_text(encoding="utf-8-sig")
        root, values = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigError([Fault(path, "", f"not UTF-8 text: {error}")]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([Fault(path, "", f"not valid YAML: {error.problem}", line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([Fault(path, "", f"not valid YAML: {error}")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([Fault(path, "", "expected a mapping of keys to values at the top level")])
    lines: dict[str, int] = {}
    try:
        duplicates = list(_index(root, "", lines))
    except RecursionError as error:
        raise ConfigError([Fault(path, "", "an alias refers to a value that holds it")]) from error
    if duplicates:
        message = "the key is given twice; keep one"
        raise ConfigError([Fault(path, key, message, line) for key, line in duplicates])
    return Document(path, values, lines)


def _index(node: yaml.Node, prefix: str, lines: dict[str, int]) -> Iterable[tuple[str, int]]:
    """Fill `lines` below `node`; yields each key given twice with its line."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key_node, value_node in node.value:
            key = f"{prefix}{key_node.value}"
            if key in seen:
                yield key, key_node.start_mark.line + 1
            seen.add(key)
            lines[key] = key_node.start_mark.line + 1
            yield from _index(value_node, f"{key}.", lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            key = f"{prefix}{position}"
            lines[key] = item.start_mark.line + 1
            yield from _index(item, f"{key}.", lines)


def load_config(path: Path, model: type[Model]) -> Model:
    """The file's settings as `model`. Raises ConfigError with all faults."""
    return parse(load_document(path), model)


def parse(document: Document, model: type[Model]) -> Model:
    """The document's settings as `model`. Raises ConfigError with all faults."""
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        raise ConfigError([_fault(document, model, details) for details in error.errors()]) from error


def _fault(document: Document, model: type[BaseModel], details: ErrorDetails) -> Fault:
    location = details["loc"]
    key = key_path(document.values, location)
    if details["type"] == "extra_forbidden":
        return document.fault(key, unknown_key(str(location[-1]), _fields_at(model, location[:-1])))
    if details["type"] == "missing":
        return document.fault(key, "this key is required")
    given = details["input"]
    if details["type"] == UNKNOWN_CHOICE and isinstance(given, dict):
        chooser = details["ctx"]["key"]
        key, given = f"{key}.{chooser}", given.get(chooser)
    shown = "" if isinstance(given, dict) else f" (given: {given!r})"
    return document.fault(key, f"{told(details)}{shown}")


def told(details: ErrorDetails) -> str:
    """What pydantic says is wrong with a value, in words that fit YAML."""
    kind, given = details["type"], details["input"]
    if kind in LIST_TYPES:
        return "input should be a list, as [a, b]"
    if kind == "string_pattern_mismatch":
        letter = one_letter(details["ctx"]["pattern"])
        if letter is not None:
            return f"input should be a {letter}"
    message = details["msg"].removeprefix("Value error, ")
    in_quotes = "; put it in quotes" if kind == "string_type" and isinstance(given, bool | int | float | date) else ""
    return f"{message[0].lower()}{message[1:]}{in_quotes}"


def one_letter(pattern: str) -> str | None:
    """In words, a pattern that one capital letter of a range matches; None for any other pattern."""
    found = re.fullmatch(r"\^\[([A-Z])-([A-Z])\]\$", pattern)
    return None if found is None else f"capital letter from {found[1]} to {found[2]}"


def key_path(values: Any, location: Sequence[Hashable]) -> str:
    """The parts of a pydantic location that are keys of the file, joined by dots.

    Pydantic also puts the names of union members into a location; those are left out.
    """
    parts: list[str] = []
    here = values
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, dict) and (part in here or last):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            continue
        parts.append(str(part))
    return ".".join(parts)


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """The message for a key that does not exist: the nearest valid one, else all that are allowed."""
    names = sorted(allowed)
    nearest = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if nearest:
        return f"unknown key; did you mean '{nearest[0]}'?"
    listed = ", ".join(names) if len(names) <= 25 else f"{len(names)} keys, see the documentation"
    return f"unknown key; allowed: {listed}"


def _fields_at(model: type[BaseModel], location: Sequence[Hashable]) -> set[str]:
    """The field names of the models that stand at `location` below `model`."""
    here: list[type[BaseModel]] = [model]
    for part in location:
        annotations = [m.model_fields[part].annotation for m in here if part in m.model_fields]
        if annotations:
            here = [found for annotation in annotations for found in nested_models(annotation)]
        else:
            here = [m for m in here if _is_chosen(m, part)] or here
    return {name for found in here for name in found.model_fields}


def _is_chosen(model: type[BaseModel], tag: Hashable) -> bool:
    """Whether a member of a union is the one that the tag in a location stands for: a field of it allows no other."""
    return any(typing.get_args(field.annotation) == (tag,) for field in model.model_fields.values())


def nested_models(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models inside a type annotation (`list[A | B] | None` -> [A, B])."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in nested_models(argument)]
