"""What a rule is: a pure function of a text and of checked parameters, with a reason and examples, in a registry.

A rule says what it does as an `Edit`: which part of the text it keeps, and, if it rewrites, what stands in that part's
place. So a server knows which tokens are left (serve.returned_text). The rules themselves are in `postprocess.rules`.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from pydantic import create_model

from oneday.config import Settings, one_letter


class Edit(NamedTuple):
    """What a rule makes of a text: its characters from `start` to `end`, or, of those, `text` in their place."""

    start: int
    end: int
    text: str | None = None

    def apply(self, text: str) -> str:
        """What is left of the text."""
        return text[self.start : self.end] if self.text is None else self.text


def instead(text: str, new: str) -> Edit:
    """`new` in the place of a text, white space at its ends aside; as a cut, if it stands in the text as it is."""
    place = text.find(new)
    if place >= 0:
        return Edit(place, place + len(new))
    stripped = text.strip()
    start = text.find(stripped)
    return Edit(start, start + len(stripped), new)


RuleFunction = Callable[..., Edit | None]
Function = typing.TypeVar("Function", bound=RuleFunction)
Stops = Callable[..., tuple[str, ...]]


class Example(NamedTuple):
    """A text, what the rule makes of it, and the parameters. An output equal to the text: it is left as it is."""

    text: str
    output: str
    parameters: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Rule:
    """A rule with its name, which is the function's.

    `rewrites`: its output may hold characters that are not a part of the text. `stops`: of the parameters, strings at
    which a generation may end: once one is whole, the output is settled, whatever follows. Such a rule cuts nowhere
    else, but that one with a string of white space may cut at other white space too.
    """

    name: str
    function: RuleFunction
    reason: str
    examples: tuple[Example, ...]
    parameters: type[Settings]
    rewrites: bool
    stops: Stops | None

    @property
    def summary(self) -> str:
        """The first line of the function's docstring: what the rule does."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """The function's whole docstring, its indentation taken off."""
        return inspect.getdoc(self.function) or ""

    @property
    def family(self) -> str:
        """The module that the rule is in: `cuts`."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def signature(self) -> str:
        """The name with its parameters as a reader of YAML knows them: `cut_at_stop(stops: list of text)`."""
        parts = [
            f"{name}: {in_words(of)}" + (f" = {one_line(of['default'])}" if "default" in of else "")
            for name, of in self.parameters.model_json_schema()["properties"].items()
        ]
        return f"{self.name}({', '.join(parts)})"


RULES: dict[str, Rule] = {}


def rule(
    *, reason: str, examples: Sequence[Example], rewrites: bool = False, stops: Stops | None = None
) -> Callable[[Function], Function]:
    """Register a function `(text, *, parameter: type = default, ...) -> Edit | None` as a rule.

    It gives None for a text that it leaves as it is, never an Edit that changes nothing. It never raises, whatever
    the text is, and changes nothing of what it has made itself. Its parameters are hashable and checked by pydantic.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        if name in RULES:
            raise ValueError(f"two rules are called {name}")
        hints = typing.get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {
            parameter.name: (
                hints[parameter.name],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        parameters = create_model(name, __base__=Settings, **fields)
        RULES[name] = Rule(name, function, reason, tuple(examples), parameters, rewrites, stops)
        return function

    return register


WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
SIGNS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def in_words(schema: Mapping[str, Any]) -> str:
    """A parameter's type in words, from its JSON schema: `whole number >= 2 and <= 10`, `list of text`."""
    if "enum" in schema or "const" in schema:
        return " or ".join(one_line(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(in_words(option) for option in schema["anyOf"])
    if "prefixItems" in schema:
        return f"[{', '.join(in_words(item) for item in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {in_words(schema['items'])}"
    if "pattern" in schema:
        return one_letter(schema["pattern"]) or f"text that matches {schema['pattern']}"
    bounds = " and ".join(f"{sign} {one_line(schema[key])}" for key, sign in SIGNS.items() if key in schema)
    return " ".join(filter(None, [WORDS.get(schema.get("type", ""), "value"), bounds]))


class _OneLine(yaml.SafeDumper):
    """Texts with line breaks or other characters that do not print are put in double quotes, escaped."""


_OneLine.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def one_line(value: Any) -> str:
    """A value as YAML in one line: `['Q:', "\\n"]`."""
    listed = yaml.dump(
        [value], Dumper=_OneLine, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return listed.strip()[1:-1]
