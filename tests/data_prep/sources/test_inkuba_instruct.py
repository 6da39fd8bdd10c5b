"""Inkuba-Instruct, in the schema of lelapa/Inkuba-instruct."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.data_set import check_columns
from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import results, results_of_files, settings
from tests.data_prep.sources.tables_written import FORMS, write_rows

IDENTIFY = "Tafadhali tambua mawazo yaliyoonyeshwa kwenye matini haya."
ANALYSE = "Changanua mawazo ya matini yanayofuata."
SENTIMENT = {
    "instruction": ANALYSE,
    "inputs": "anasema kuvuka mia kukanyaga mavi bure",
    "targets": "Wastani",
    "task": "sentiment",
    "data_source": "afrisenti",
}
ORDER = "Translate the following from English into Swahili."
TRANSLATION = {
    "instruction": "could you convert this english text to swahili?",
    "inputs": "\"there's some good cars here.",
    "targets": "magari mazuri hapa",
    "task": "mmt",
    "data_source": "wmt22",
}


def sentiment(language: str = "swahili", **keys: Any) -> MixSource:
    given: dict[str, Any] = {"instructions": [IDENTIFY, ANALYSE]} | keys
    return settings("inkuba_instruct", task="sentiment", language=language, **given)


def translation(**keys: Any) -> MixSource:
    given: dict[str, Any] = {"task": "translation", "language": "swahili", "instructions": [ORDER]} | keys
    return settings("inkuba_instruct", **given)


def test_a_sentiment_row_keeps_its_instruction() -> None:
    assert results(sentiment(), SENTIMENT) == [
        Draft(ANALYSE, "anasema kuvuka mia kukanyaga mavi bure", "Wastani", "sentiment_swahili", "row-1")
    ]


@pytest.mark.parametrize("missing", [None, "", " \n"])
def test_missing_instructions_are_filled_by_the_text_each_as_often(missing: str | None) -> None:
    rows = [SENTIMENT | {"instruction": missing, "inputs": f"maneno {number % 100}"} for number in range(200)]
    drafts = [draft for draft in results(sentiment(), *rows) if isinstance(draft, Draft)]
    found = [draft.instruction for draft in drafts]
    assert found[:100] == found[100:]  # a row that is there twice stays a duplicate
    assert 35 <= found[:100].count(ANALYSE) <= 65 and set(found) == {ANALYSE, IDENTIFY}


def test_a_text_in_another_encoding_has_the_same_instruction() -> None:
    texts = [f"\u00f1and\u00fa {number}" for number in range(20)]
    forms = [texts, [unicodedata.normalize("NFD", text) for text in texts], [f" {text}\n" for text in texts]]
    found = [
        results(sentiment(), *(SENTIMENT | {"instruction": None, "inputs": text} for text in own)) for own in forms
    ]
    chosen = [[draft.instruction for draft in own if isinstance(draft, Draft)] for own in found]
    assert chosen[0] == chosen[1] == chosen[2] and set(chosen[0]) == {ANALYSE, IDENTIFY}


def test_an_instruction_of_its_own_stays() -> None:
    (draft,) = results(sentiment(), SENTIMENT | {"instruction": "Yangu."})
    assert isinstance(draft, Draft) and draft.instruction == "Yangu."


def test_texts_in_the_rows_own_instruction_are_replaced() -> None:
    own = "Kyakkyawa: idan. Korau: idan. Neutral: idan rubutu baya nuna kyakkyawar magana."
    row = SENTIMENT | {"instruction": own, "targets": "Tsaka-tsaki", "data_source": "naijasenti"}
    chosen = sentiment("hausa", instructions=["Neutral: x"], replace={"Neutral:": "Tsaka-tsaki:"})
    assert results(chosen, row, row | {"instruction": None}) == [
        Draft(
            "Kyakkyawa: idan. Korau: idan. Tsaka-tsaki: idan rubutu baya nuna kyakkyawar magana.",
            "anasema kuvuka mia kukanyaga mavi bure",
            "Tsaka-tsaki",
            "sentiment_hausa",
            "row-1",
        ),
        Draft("Neutral: x", "anasema kuvuka mia kukanyaga mavi bure", "Tsaka-tsaki", "sentiment_hausa", "row-2"),
    ]


def test_a_translation_row_gets_the_one_instruction() -> None:
    assert results(translation(), TRANSLATION) == [
        Draft(ORDER, "\"there's some good cars here.", "magari mazuri hapa", "translation_swahili", "row-1")
    ]


def test_the_instruction_says_into_which_language_a_row_is_translated() -> None:
    rows = [
        TRANSLATION | {"instruction": f"Translate from english into {language}."}
        for language in ("Swahili", "hausa", "yoruba", "swahili and hausa")
    ]
    found = [draft if isinstance(draft, str) else draft.task for draft in results(translation(), *rows)]
    assert found == ["translation_swahili", "other_language", "other_language", "other_language"]


def test_texts_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "Ñandu é")
    (draft,) = results(sentiment(), SENTIMENT | {"inputs": decomposed, "instruction": decomposed})
    (translated,) = results(translation(), TRANSLATION | {"targets": decomposed})
    assert isinstance(draft, Draft) and isinstance(translated, Draft)
    assert draft.input == draft.instruction == translated.answer == "Ñandu é"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task": "ner"}, "other_task"),
        ({"task": "mmt"}, "other_task"),
        ({"task": None}, "missing_field"),
        ({"data_source": "swahili_tweet"}, "other_data_source"),
        ({"data_source": None}, "missing_field"),
        ({"targets": "Korau"}, "unknown_label"),
        ({"targets": "wastani"}, "unknown_label"),
        ({"targets": None}, "missing_field"),
        ({"inputs": None}, "missing_field"),
        ({"inputs": " "}, "missing_field"),
        ({"inputs": 3}, "wrong_type"),
        ({"instruction": 3}, "wrong_type"),
    ],
)
def test_other_sentiment_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(sentiment(data_sources=["afrisenti"]), SENTIMENT | change) == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task": "sentiment"}, "other_task"),
        ({"data_source": "mafand"}, "other_data_source"),
        ({"instruction": "translate this into hausa"}, "other_language"),
        ({"instruction": None}, "missing_field"),
        ({"targets": None}, "missing_field"),
        ({"inputs": ""}, "missing_field"),
    ],
)
def test_other_translation_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(translation(data_sources=["wmt22"]), TRANSLATION | change) == [reason]


def test_a_blank_answer_is_left_to_the_rule_for_empty_answers() -> None:
    (draft,) = results(sentiment(), SENTIMENT | {"targets": " "})
    assert isinstance(draft, Draft)
    assert not draft.answer.strip()


def test_the_share_of_rows_is_drawn_whatever_their_order() -> None:
    rows = [TRANSLATION | {"inputs": f"sentence {number}"} for number in range(4_000)]
    there, back = results(translation(draw=0.1), *rows), results(translation(draw=0.1), *reversed(rows))
    drawn = [draft.input for draft in there if isinstance(draft, Draft)]
    assert drawn == [draft.input for draft in reversed(back) if isinstance(draft, Draft)]
    assert 0.08 * len(rows) < len(drawn) < 0.12 * len(rows)
    assert there.count("not_drawn") == len(rows) - len(drawn)
    larger = {draft.input for draft in results(translation(draw=0.2), *rows) if isinstance(draft, Draft)}
    assert set(drawn) < larger


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"instructions": [ORDER, "Translate."]},
            "translation has exactly one, which takes the place of the rows' own",
        ),
        ({"replace": {"a": "b"}}, "replace has an effect only on sentiment; remove it"),
        ({"instructions": []}, "instructions"),
        ({"instructions": [""]}, "instructions"),
        ({"task": "sentiment", "replace": {"": "b"}}, "replace"),
        ({"task": "mmt"}, "task"),
        ({"language": "yoruba"}, "language"),
        ({"data_sources": []}, "data_sources"),
        ({"draw": 0}, "draw"),
        ({"draw": 1.5}, "draw"),
    ],
)
def test_settings_without_sense_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        translation(**keys)


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str) -> None:
    rows = [SENTIMENT | {"instruction": None}, TRANSLATION, SENTIMENT | {"instruction": None, "targets": "Hasi"}]
    chosen = sentiment(path=str(write_rows(tmp_path / form, rows)))
    assert results_of_files(chosen, tmp_path) == [
        Draft(IDENTIFY, "anasema kuvuka mia kukanyaga mavi bure", "Wastani", "sentiment_swahili", "rows-1"),
        "other_task",
        Draft(IDENTIFY, "anasema kuvuka mia kukanyaga mavi bure", "Hasi", "sentiment_swahili", "rows-3"),
    ]


def test_both_english_splits_of_a_copy_of_the_hub_are_read(tmp_path: Path) -> None:
    for name, text in (("english_train", "one"), ("english_dev", "two"), ("hausa_train", "three")):
        write_rows(tmp_path / "data" / f"{name}-00000-of-00001.parquet", [TRANSLATION | {"inputs": text}])
    drafts = results_of_files(translation(path=str(tmp_path), split="english_train+english_dev"), tmp_path)
    assert [draft.input for draft in drafts if isinstance(draft, Draft)] == ["one", "two"]
    assert len({draft.id for draft in drafts if isinstance(draft, Draft)}) == 2


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{"instruction": "x", "input": "y", "output": "z"}])
    with pytest.raises(ValueError, match=r"no column inputs, did you mean input\?; no column targets; no column task"):
        check_columns(sentiment(), [path])
