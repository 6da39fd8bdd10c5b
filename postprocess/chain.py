"""Rules with their parameters as a recipe lists them, in order: checked steps, and what they make of a text.

- cut_at_blank_line                    # a name alone
- cut_at_stop: {stops: ["Q:", "###"]}  # a name and its parameters
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

import postprocess.rules  # noqa: F401  (registers them)
from oneday.config import Settings, told, unknown_key
from postprocess.rule import RULES, Edit, Rule, RuleFunction, one_line


@dataclass(frozen=True)
class Step:
    """A rule with parameters. Built by `step`, or by pydantic from YAML; equal if rule and parameters are."""

    name: str
    parameters: Settings
    edit: RuleFunction = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        given = dict(self.parameters)
        object.__setattr__(self, "edit", partial(self.rule.function, **given) if given else self.rule.function)

    def __reduce__(self) -> tuple[Any, ...]:
        """So that a step travels between processes: the model of a rule's parameters has no name in any module."""
        return _rebuilt, (self.name, dict(self.parameters))

    @property
    def rule(self) -> Rule:
        """What the rule is, without parameters."""
        return RULES[self.name]

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings from whose first occurrence on the step drops everything, whatever follows."""
        return self.rule.stops(**dict(self.parameters)) if self.rule.stops is not None else ()

    def apply(self, text: str) -> str:
        """The text after the rule."""
        edit = self.edit(text)
        return text if edit is None else edit.apply(text)

    def __str__(self) -> str:
        """As YAML in one line: `cut_at_stop: {stops: ['Q:']}`; defaults are not repeated."""
        given = self.parameters.model_dump(exclude_defaults=True, mode="json")
        return f"{self.name}: {one_line(given)}" if given else self.name

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A name, or a mapping of one name to its parameters; dumped as the latter, with all parameters."""
        return core_schema.no_info_plain_validator_function(
            _validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda step: {step.name: step.parameters.model_dump(mode="json")}
            ),
        )


def step(name: str, /, **parameters: Any) -> Step:
    """The step of that rule. ValueError for a name or a parameter that there is not, with the rule's signature."""
    if name not in RULES:
        nearest = difflib.get_close_matches(name, RULES, n=1, cutoff=0.5)
        if nearest:
            raise ValueError(f"there is no rule {name}; did you mean {RULES[nearest[0]].signature}?")
        raise ValueError(f"there is no rule {name}; there are: {', '.join(sorted(RULES))}")
    try:
        return Step(name, RULES[name].parameters.model_validate(parameters))
    except ValidationError as error:
        raise ValueError(f"{RULES[name].signature}: {_faults(error, RULES[name])}") from error


def apply_rules(text: str, steps: Sequence[Step]) -> str:
    """The text after each step in turn."""
    for each in steps:
        edit = each.edit(text)
        if edit is not None:
            text = edit.apply(text)
    return text


def edits(text: str, steps: Sequence[Step]) -> Iterator[tuple[Step, Edit, str]]:
    """What each step that changes the text does, and the text after it."""
    for each in steps:
        edit: Edit | None = each.edit(text)
        if edit is not None:
            text = edit.apply(text)
            yield each, edit, text


def _rebuilt(name: str, parameters: dict[str, Any]) -> Step:
    return step(name, **parameters)


def _validated(given: Any) -> Step:
    if isinstance(given, Step):
        return given
    if isinstance(given, str):
        return step(given)
    if isinstance(given, dict) and len(given) == 1:
        ((name, parameters),) = given.items()
        parameters = {} if parameters is None else parameters  # `- strip:`
        if isinstance(name, str) and isinstance(parameters, dict) and all(isinstance(key, str) for key in parameters):
            return step(name, **parameters)
    raise ValueError("a rule is its name, or its name with a mapping of parameters: `cut_at_stop: {stops: ['Q:']}`")


def _faults(error: ValidationError, rule: Rule) -> str:
    """All that is wrong with the parameters."""
    faults = []
    for details in error.errors():
        key = ".".join(str(part) for part in details["loc"])
        if details["type"] == "extra_forbidden":
            names = rule.parameters.model_fields
            faults.append(f"{key}: {unknown_key(key, names) if names else 'the rule takes no parameters'}")
        elif details["type"] == "missing":
            faults.append(f"{key} is required")
        else:
            faults.append(f"{key}: {told(details)} (given: {details['input']!r})")
    return "; ".join(faults)
