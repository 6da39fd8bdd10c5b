"""The rule that takes quotes and markdown off a whole answer."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.rules.marks import trim_marks


def trimmed(text: str) -> str:
    edit = trim_marks(text)
    return text if edit is None else edit.apply(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('"bank"', "bank", id="double quotes"),
        pytest.param("'bank'", "bank", id="single quotes"),
        pytest.param("“bank”", "bank", id="curly quotes"),
        pytest.param("‘bank’", "bank", id="curly single quotes"),
        pytest.param("„Bank“", "Bank", id="German quotes"),
        pytest.param("« banque »", "banque", id="French quotes"),
        pytest.param("「銀行」", "銀行", id="Japanese quotes"),
        pytest.param("`x = 1`", "x = 1", id="code"),
        pytest.param("**bank**", "bank", id="bold"),
        pytest.param("__bank__", "bank", id="bold by lines"),
        pytest.param("*bank*", "bank", id="italics"),
        pytest.param("_bank_", "bank", id="italics by lines"),
        pytest.param("***bank***", "bank", id="bold italics"),
        pytest.param("```\nx = 1\n```", "x = 1", id="fence"),
        pytest.param("```python\nx = 1\ny = 2\n```\n", "x = 1\ny = 2", id="fence with its language"),
        pytest.param("```c++ \r\nint x;\r\n```", "int x;", id="fence with Windows line ends"),
        pytest.param("```bank```", "bank", id="fence on one line"),
        pytest.param("## Benki", "Benki", id="heading"),
        pytest.param("- benki", "benki", id="bullet"),
        pytest.param("* benki", "benki", id="bullet by a star"),
        pytest.param("• benki", "benki", id="bullet by a dot"),
        pytest.param("> > benki", "benki", id="quotation of a quotation"),
        pytest.param(' \n"bank" \n', "bank", id="white space outside"),
        pytest.param('" bank\n"', "bank", id="white space inside"),
        pytest.param('- **"Ina kwana?"**', "Ina kwana?", id="several around each other"),
        pytest.param("'don't go'", "don't go", id="apostrophe inside"),
        pytest.param("‘don’t go’", "don’t go", id="curly apostrophe inside"),
        pytest.param("'ya'yan itace'", "ya'yan itace", id="Hausa apostrophe inside"),
        pytest.param("_snake_case_", "snake_case", id="line within a word"),
        pytest.param('"🙏🏽"', "🙏🏽", id="emoji"),
        pytest.param('"a\nb"', "a\nb", id="two lines in quotes"),
    ],
)
def test_marks_around_the_whole_text_go(text: str, expected: str) -> None:
    assert trimmed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"a" and "b"', id="two quotes"),
        pytest.param("'a' and 'b'", id="two single quotes"),
        pytest.param("“a” and “b”", id="two curly quotes"),
        pytest.param("*a* and *b*", id="two in italics"),
        pytest.param("**a** and **b**", id="two in bold"),
        pytest.param("_a_ and _b_", id="two by lines"),
        pytest.param("`a` or `b`", id="two of code"),
        pytest.param("```\na\n``` and ```\nb\n```", id="two fences"),
        pytest.param("```python\nx = 1", id="fence that does not end"),
        pytest.param("don't", id="apostrophe"),
        pytest.param("'yan mata", id="Hausa apostrophe"),
        pytest.param('"bank".', id="full stop behind"),
        pytest.param('"bank', id="no second quote"),
        pytest.param('“bank"', id="quotes of two kinds"),
        pytest.param('6"', id="inches"),
        pytest.param("- a\n- b", id="two bullets"),
        pytest.param("# Title\ntext", id="heading of a text"),
        pytest.param("- 5", id="negative number"),
        pytest.param("-  5", id="negative number with spaces"),
        pytest.param("- .5", id="negative decimal"),
        pytest.param("> 5", id="comparison"),
        pytest.param("-5", id="no space behind"),
        pytest.param("#bank", id="tag"),
        pytest.param(" bank ", id="white space alone is left to strip"),
        *(pytest.param(text, id=f"nothing within {text}") for text in ['""', '" "', "**", "****", "``````", "-", "#"]),
        pytest.param("", id="nothing"),
    ],
)
def test_text_stays(text: str) -> None:
    assert trim_marks(text) is None


THOROUGH = settings(max_examples=300, deadline=None)
ANY = st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=40)
PIECES = st.sampled_from([*"*_`\"'“”„‘’«»「」#->•ab5. \n\r\u00a0\ud800", "**", "__", "```", "```c\n", "\n```", "- "])


@st.composite
def wrapped(draw: st.DrawFn) -> str:
    """Pieces, with marks and white space around them."""
    text = "".join(draw(st.lists(PIECES, max_size=6)))
    for opening, closing in draw(
        st.lists(st.sampled_from(['""', "''", "“”", "«»", "``", "**", "__", "  "]), max_size=5)
    ):
        text = opening + text + closing
    return text


@THOROUGH
@given(text=ANY | wrapped())
def test_cut_is_a_part_of_any_text_and_a_second_one_changes_nothing(text: str) -> None:
    edit = trim_marks(text)
    if edit is not None:
        left = text[edit.start : edit.end]
        assert edit.text is None
        assert left == left.strip() != ""
        assert trim_marks(left) is None


@pytest.mark.parametrize(
    "piece", ["> ", "> # ", "- ", "#", "*", "'", "'a", '"', "`", "_", "_a", "“", " ", "-\t", "**_"]
)
def test_a_long_text_does_not_hang_a_rule(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    for whole in (text, text + "5", text + piece[0], "- " + text, "```" + text + "```"):
        trimmed(whole)
    assert time.process_time() - start < 10  # linear: a fraction of a second; else minutes
