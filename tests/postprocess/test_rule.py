"""A rule: what it says of itself, what it refuses to be."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field

from postprocess.rule import RULES, Edit, Example, Rule, in_words, one_line, rule

EXAMPLES = [Example("ab", "a")]


@pytest.fixture
def own_rules() -> Iterator[dict[str, Rule]]:
    """The registry, from which what a test puts into it is taken out again."""
    before = dict(RULES)
    yield RULES
    RULES.clear()
    RULES.update(before)


def test_an_edit_without_text_keeps_the_span() -> None:
    assert Edit(1, 3).apply("abcd") == "bc"


def test_an_edit_with_text_leaves_that_text_alone() -> None:
    assert Edit(1, 3, "X").apply("abcd") == "X"
    assert Edit(1, 3, "").apply("abcd") == ""


def test_rule_has_the_name_docstring_and_parameters_of_its_function(own_rules: dict[str, Rule]) -> None:
    @rule(reason="R.", examples=EXAMPLES, stops=lambda stops: stops)
    def cut(text: str, *, stops: tuple[str, ...], most: Annotated[int, Field(ge=1, le=9)] = 3) -> Edit | None:
        """Cuts.

        In two paragraphs.
        """
        return None

    made = own_rules["cut"]
    assert made.function is cut
    assert (made.summary, made.description) == ("Cuts.", "Cuts.\n\nIn two paragraphs.")
    assert made.family == "test_rule"
    assert dict(made.parameters(stops=("a",))) == {"stops": ("a",), "most": 3}
    assert made.signature == "cut(stops: list of text, most: whole number >= 1 and <= 9 = 3)"


def test_signature_tells_every_kind_of_parameter_as_yaml_has_it(own_rules: dict[str, Rule]) -> None:
    @rule(reason="R.", examples=EXAMPLES)
    def all_kinds(
        text: str,
        *,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        both: bool = True,
        language: Literal["swahili", "no"] = "no",
        only: Literal["one"] = "one",
        end: str | None = None,
        letter: Annotated[str, Field(pattern="^[B-Z]$")] = "E",
        code: Annotated[str, Field(pattern="^[a-z]+$")] = "sw",
        pairs: tuple[tuple[str, str], ...] = (("a", "\n"),),
        anything: Any = "",
    ) -> Edit | None:
        """Nothing."""
        return None

    assert own_rules["all_kinds"].signature == (
        "all_kinds(share: number > 0 and < 1 = 0.5, both: true or false = true, language: swahili or 'no' = 'no', "
        "only: one = one, end: text or null = null, letter: capital letter from B to Z = E, "
        "code: text that matches ^[a-z]+$ = sw, "
        "pairs: list of [text, text] = [[a, \"\\n\"]], anything: value = '')"
    )


def test_a_rule_without_parameters_has_empty_brackets() -> None:
    assert RULES["strip"].signature == "strip()"


def test_two_rules_of_one_name_are_refused(own_rules: dict[str, Rule]) -> None:
    def strip(text: str) -> Edit | None:
        """Another."""
        return None

    with pytest.raises(ValueError, match="two rules are called strip"):
        rule(reason="R.", examples=EXAMPLES)(strip)


@pytest.mark.parametrize(
    "value",
    [
        "Q:",
        "\n",
        "",
        "yes",
        "a: b",
        '"',
        "é",
        "\u2028",
        "\ud800",
        "x" * 300,
        ["a", ["b\nc"]],
        {"a": None},
        1,
        0.5,
        True,
    ],
)
def test_a_value_in_one_line_of_yaml_reads_as_the_value(value: Any) -> None:
    line = one_line(value)
    assert "\n" not in line and "\u2028" not in line
    assert yaml.safe_load(line) == value


def test_a_schema_without_a_known_type_is_a_value() -> None:
    assert in_words({}) == "value"
