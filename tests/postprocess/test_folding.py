"""What of a text counts when it is compared with a label."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprocess.folding import folded, in_word


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Korau", "korau"),
        (" **KORAU**.\n", "korau"),
        ("\u201cTsaka-tsaki\u201d", "tsaka-tsaki"),
        ("\uff2borau", "korau"),
        ("e\u0301", "\u00e9"),
        ("Straße", "strasse"),
        ("1.", "1"),
        ("\u0661!", "\u0661"),
        ("...", ""),
        ("", ""),
        ("\ud800", ""),
    ],
)
def test_case_forms_and_marks_around_do_not_count(text: str, left: str) -> None:
    assert folded(text) == left


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_text_is_folded_as_any_other(text: str) -> None:
    with_accent = folded(f"é{text}é")
    assert folded(f"a{text}a")[1:-1] == with_accent[1:-1]
    inside = [place for place, character in enumerate(text) if in_word(character)]
    assert folded(text) == (text[inside[0] : inside[-1] + 1].lower() if inside else "")


@given(st.text())
def test_folded_text_begins_and_ends_in_a_word_and_is_in_compatibility_form(text: str) -> None:
    left = folded(text)
    assert left == "" or (in_word(left[0]) and in_word(left[-1]))
    assert unicodedata.is_normalized("NFKC", left)
