"""Which generated texts are a label word, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.label_answers import label_answer
from oneday.buzuzu_mavi import ENTAILMENT, SENTIMENT

HAUSA, SWAHILI = SENTIMENT["hausa"], SENTIMENT["swahili"]
ALL = [HAUSA, SWAHILI, ENTAILMENT]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        pytest.param("Korau", "Korau", id="the word"),
        pytest.param("  Korau\n", "Korau", id="white space around"),
        pytest.param("\n\nKorau", "Korau", id="a blank line before"),
        pytest.param("Korau\n\n### Instruction:\nKyakkyawa", "Korau", id="what follows a blank line"),
        pytest.param("Korau\nKyakkyawa", "Korau", id="what follows the line"),
        pytest.param("korau", "Korau", id="small letters"),
        pytest.param("KORAU", "Korau", id="capitals"),
        pytest.param('"Korau"', "Korau", id="quotes"),
        pytest.param("\u201cKorau\u201d.", "Korau", id="curly quotes and a full stop"),
        pytest.param("**Korau**", "Korau", id="emphasis"),
        pytest.param("Korau.", "Korau", id="full stop"),
        pytest.param("\uff2borau", "Korau", id="a wide letter"),
        pytest.param("Korau, saboda an ce haka", "Korau", id="more behind it"),
        pytest.param("Korau saboda an ce haka", "Korau", id="more behind a space"),
        pytest.param("Korau - saboda", "Korau", id="a dash with spaces"),
        pytest.param("Tsaka-tsaki: haka", "Tsaka-tsaki", id="a label with a hyphen"),
        pytest.param("tsaka-TSAKI", "Tsaka-tsaki", id="a label with a hyphen in other letters"),
        pytest.param("Tsaka\u2010tsaki", None, id="another hyphen is another word"),
        pytest.param("Korauaiki da-girma da-girma", None, id="a published output: a word that goes on"),
        pytest.param("Korau-aiki", None, id="a hyphen goes on"),
        pytest.param("Korau'a", None, id="an apostrophe goes on"),
        pytest.param("Korau\u2019a", None, id="a curly apostrophe goes on"),
        pytest.param("Korau_1", None, id="an underscore goes on"),
        pytest.param("Korau1", None, id="a digit goes on"),
        pytest.param("Korau\u0301", None, id="a mark goes on"),
        pytest.param("Amsa: Korau", None, id="not at the beginning"),
        pytest.param("Kora", None, id="part of the word"),
        pytest.param("Chanya", None, id="the other language"),
        pytest.param("Kyakkyawa, Tsaka-tsaki ko Korau", None, id="all of them"),
        pytest.param("Korau ko Korau", "Korau", id="the same one twice"),
        pytest.param("Korau ba Kyakkyawar ba", "Korau", id="a longer word than another label"),
        pytest.param("", None, id="empty"),
        pytest.param(" \n\n ", None, id="white space"),
        pytest.param("...", None, id="marks alone"),
        pytest.param("\ud800", None, id="half a character"),
    ],
)
def test_hausa_texts(text: str, label: str | None) -> None:
    assert label_answer(text, HAUSA) == label


def test_a_label_inside_another_word_is_not_named() -> None:
    assert label_answer("neutral: no self-contradiction, noncontradiction", ENTAILMENT) == "neutral"


@given(st.text() | st.text(alphabet="Korau-' \n.\u0301s"), st.sampled_from(ALL))
def test_any_text_gets_a_label_or_none(text: str, labels: tuple[str, ...]) -> None:
    assert label_answer(text, labels) in (*labels, None)


@given(st.sampled_from([(label, labels) for labels in ALL for label in labels]), st.text(alphabet=" \t\"'.,!?*:"))
def test_marks_around_a_label_do_not_count(case: tuple[str, tuple[str, ...]], marks: str) -> None:
    label, labels = case
    assert label_answer(f"{marks}{label}{marks}", labels) == label


@given(st.sampled_from([(label, labels) for labels in ALL for label in labels]), st.characters(categories=["L", "N"]))
def test_a_letter_or_digit_behind_a_label_makes_another_word(case: tuple[str, tuple[str, ...]], more: str) -> None:
    label, labels = case
    assert label_answer(label + more, labels) is None
