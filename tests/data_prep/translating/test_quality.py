"""Every reason for which a translation is dropped, and the good translations that look like it."""

import pytest

from data_prep.translating.config import TranslationFilter
from data_prep.translating.quality import REASONS, Translation, most_repeats, reason_to_drop
from tests.data_prep.translating.toys import QUALITY

LIMITS = TranslationFilter.model_validate(QUALITY)
# As in the published Hausa translations of XNLI.
DEGENERATE = (
    "Otr ne , vermont , sabon , massachusetts , rhode , rhode , rhode , rhode , maryland , maryland , maryland , "
)
STATES = "Otr ni vermont, new hampshire, massachusetts, rhode island na maryland."


def judged(source: str, text: str, cut_off: bool = False) -> str | None:
    return reason_to_drop(source, Translation(text=text, cut_off=cut_off, source_cut=False), LIMITS)


@pytest.mark.parametrize(
    ("source", "text", "reason"),
    [
        ("Mtoto anasoma.", "", "empty_translation"),
        ("Mtoto anasoma.", " . , ", "empty_translation"),
        (STATES, DEGENERATE + "maryland", "repeated_words"),
        (STATES, DEGENERATE * 3, "repeated_words"),
        ("Alisema hapana kwa sauti.", "a'a A'a a'a, a'A a'a", "repeated_words"),
        ("Alienda sokoni, kisha nyumbani.", "ya tafi gida ya tafi gida ya tafi gida Ya tafi gida", "repeated_words"),
        ("คนไทย", "คนไทย คนไทย คนไทย คนไทย", "repeated_words"),
        ("Jua linawaka leo.", "Nyumba yetu ni kubwa leo .", None),
        ("Nyumba yetu ni kubwa.", "nyumba  yetu ni kubwa", "untranslated"),
        ("Watu wengi walikuja mjini jana.", "Mutane.", "too_short"),
        ("Paka amelala.", "Kyanwa tana barci a kan gado a cikin babban gidanmu.", "too_long"),
    ],
)
def test_a_translation_is_dropped_by_a_named_reason(source: str, text: str, reason: str | None) -> None:
    assert judged(source, text) == reason
    assert reason is None or reason in REASONS


def test_what_the_limit_of_new_tokens_cut_off_is_dropped() -> None:
    assert judged("Mtoto anasoma kitabu.", "Yaro yana karanta", cut_off=True) == "cut_off"
    assert judged(STATES, DEGENERATE * 2, cut_off=True) == "repeated_words"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Polepole ndio mwendo.", "Sannu sannu ba ta hana zuwa."),
        ("Ndio ndio ndio ndio ndio, najua.", "Eh eh eh eh eh, na sani."),
        ("Hapana, hapana, hapana.", "A'a, a'a, a'a."),
        ("???", "?"),
    ],
)
def test_repeats_that_a_language_or_the_source_has_are_no_fault(source: str, text: str) -> None:
    assert judged(source, text) is None


@pytest.mark.parametrize("text", ["Nairobi", "CNN", "1990-2000, 12:30", "Barack Obama"[:11]])
def test_names_and_numbers_may_come_back_as_they_were(text: str) -> None:
    assert judged(text, text) is None


def test_a_short_text_may_have_any_length_in_the_other_language() -> None:
    assert judged("Ndio.", "Eh, haka ne, na yarda da kai.") is None


@pytest.mark.parametrize(
    ("text", "run_words", "repeats"),
    [
        ("", 3, 0),
        ("moja mbili tatu", 3, 1),
        ("a b, A b; a b", 2, 3),
        ("a b a b a", 2, 2),
        ("a b a b a b", 1, 1),
        ("a a a a", 3, 4),
        ("x a b c a b c y", 3, 2),
        ("ńa ńa ńa", 1, 3),
    ],
)
def test_repeats_are_counted_by_the_shortest_run(text: str, run_words: int, repeats: int) -> None:
    assert most_repeats(text, run_words) == repeats
