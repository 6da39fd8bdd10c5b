"""The rules that clean a generation."""

import typing

import pytest

from postprocess.rules import RULES, RuleName, apply_rules, cut_at_blank_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("B\n\n### Input:\nnext", "B", id="blank line"),
        pytest.param("B\n\nC\n\nD", "B", id="only the first counts"),
        pytest.param("B\n \t\nC", "B", id="line of white space"),
        pytest.param("one\ntwo\n", "one\ntwo\n", id="line breaks alone"),
        pytest.param("B\n\n", "B", id="at the end"),
        pytest.param("\n\nB", "", id="at the start"),
        pytest.param("", "", id="nothing"),
        pytest.param(" B \n\nC", " B ", id="space is left to the next rule"),
        pytest.param("B\n\n\n\nC", "B", id="several blank lines"),
    ],
)
def test_text_is_cut_at_the_first_blank_line(text: str, expected: str) -> None:
    assert cut_at_blank_line(text) == expected


def test_windows_line_breaks_are_cut_too() -> None:
    assert apply_rules("B\r\n\r\nC", ["cut_at_blank_line", "strip"]) == "B"


def test_rules_run_in_the_order_of_the_recipe() -> None:
    text = "\n\n B \n\nC"
    assert apply_rules(text, ["cut_at_blank_line", "strip"]) == ""
    assert apply_rules(text, ["strip", "cut_at_blank_line"]) == "B "


def test_no_rules_leave_the_text_as_it_is() -> None:
    assert apply_rules(" B\n\n", []) == " B\n\n"


def test_a_cleaned_text_stays_as_it_is() -> None:
    once = apply_rules(" B \n\nC", ["cut_at_blank_line", "strip"])
    assert apply_rules(once, ["cut_at_blank_line", "strip"]) == once


def test_every_name_that_a_recipe_may_use_has_a_rule() -> None:
    assert set(RULES) == set(typing.get_args(RuleName))
