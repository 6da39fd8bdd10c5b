"""AfriSenti, in the schema of shmuhammad/AfriSenti-twitter-sentiment and of its TSV files, and its real rows."""

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.data_set import check_columns
from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings
from tests.data_prep.sources.tables_written import FORMS, write_rows

ROW = {"tweet": 'Haba """"jama\'a"""" 😂', "label": "negative"}


def afrisenti(language: str = "hausa", **keys: Any) -> MixSource:
    return settings("afrisenti", language=language, **({"instructions": ["First.", "Second.", "Third."]} | keys))


def test_a_tweet_is_answered_with_the_word_of_its_language() -> None:
    assert results(afrisenti(), ROW) == [
        Draft("Third.", 'Haba """"jama\'a"""" 😂', "Korau", "sentiment_hausa", "row-1")
    ]
    assert results(afrisenti("swahili"), ROW) == [
        Draft("Third.", 'Haba """"jama\'a"""" 😂', "Hasi", "sentiment_swahili", "row-1")
    ]


@pytest.mark.parametrize(
    ("language", "answers"),
    [("hausa", ["Kyakkyawa", "Tsaka-tsaki", "Korau"]), ("swahili", ["Chanya", "Wastani", "Hasi"])],
)
@pytest.mark.parametrize(
    "labels", [["positive", "neutral", "negative"], [0, 1, 2], ["0", "1", "2"], [" Positive", "Neutral ", "NEGATIVE"]]
)
def test_a_label_is_a_word_or_the_number_of_the_hub(language: str, answers: list[str], labels: list[Any]) -> None:
    rows = [ROW | {"label": label} for label in labels]
    assert [draft.answer for draft in results(afrisenti(language), *rows) if isinstance(draft, Draft)] == answers


def test_the_tweet_decides_its_instruction_each_as_often() -> None:
    rows = [ROW | {"tweet": f"maneno {number % 300}"} for number in range(600)]
    found = [draft.instruction for draft in results(afrisenti(), *rows) if isinstance(draft, Draft)]
    assert found[:300] == found[300:]  # a tweet that is there twice stays a duplicate
    counts = Counter(found[:300])
    assert len(counts) == 3 and all(75 <= count <= 125 for count in counts.values())


def test_ids_of_two_files_do_not_meet(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        write_rows(tmp_path / f"{split}.tsv", [{"ID": "ha_00001"} | ROW])
    drafts = results_of_files(afrisenti(path=str(tmp_path), split="train+dev"), tmp_path)
    ids = [draft.id for draft in drafts if isinstance(draft, Draft)]
    assert ids == ["train-1/ha_00001", "dev-1/ha_00001"]


@pytest.mark.parametrize("language", ["swahili", "hausa"])
@pytest.mark.parametrize(("config", "named"), [("swa", "swahili"), ("hau", "hausa"), ("pcm", None), (None, None)])
def test_a_config_of_the_other_language_is_refused(language: str, config: str | None, named: str | None) -> None:
    if named in (None, language):
        afrisenti(language, config=config)
        return
    with pytest.raises(ValidationError, match=f"config {config} is {str(named).title()}, but language is {language}"):
        afrisenti(language, config=config)


def test_texts_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "Ñandu é")
    (draft,) = results(afrisenti(instructions=[decomposed]), ROW | {"tweet": decomposed})
    assert isinstance(draft, Draft)
    assert draft.instruction == draft.input == "Ñandu é"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tweet": None}, "missing_field"),
        ({"tweet": " "}, "missing_field"),
        ({"tweet": 3}, "wrong_type"),
        ({"label": None}, "missing_field"),
        ({"label": " "}, "missing_field"),
        ({"label": 1.0}, "wrong_type"),
        ({"label": True}, "wrong_type"),
        ({"label": "mixed"}, "unknown_label"),
        ({"label": 3}, "unknown_label"),
        ({"label": -1}, "unknown_label"),
    ],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(afrisenti(), ROW | change) == [reason]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str) -> None:
    rows: list[dict[str, Any]] = [
        ROW,
        {"tweet": "Allah\u2028ya", "label": "positive"},
        {"tweet": "", "label": "neutral"},
    ]
    chosen = afrisenti(path=str(write_rows(tmp_path / form, rows)))
    assert results_of_files(chosen, tmp_path) == [
        Draft("Third.", 'Haba """"jama\'a"""" 😂', "Korau", "sentiment_hausa", "rows-1"),
        Draft("Second.", "Allah\u2028ya", "Kyakkyawa", "sentiment_hausa", "rows-2"),
        "missing_field",
    ]


def test_a_tsv_file_without_a_header_is_refused_with_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("Asante sana\tpositive\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no column tweet; no column label - columns found: Asante sana, positive"):
        check_columns(afrisenti(path=str(path)), [path])


@needs_samples
@pytest.mark.parametrize(
    ("config", "language", "counts"),
    [
        ("hau", "hausa", {"Kyakkyawa": 170 + 59, "Tsaka-tsaki": 170 + 76, "Korau": 160 + 65}),
        ("swa", "swahili", {"Chanya": 151 + 56, "Wastani": 299 + 121, "Hasi": 50 + 23}),
    ],
)
def test_every_real_tweet_becomes_an_example(
    tmp_path: Path, config: str, language: str, counts: dict[str, int]
) -> None:
    chosen = afrisenti(language, path=str(SAMPLES / "afrisenti"), config=config, split="train+dev")
    drafts = [draft for draft in results_of_files(chosen, tmp_path) if isinstance(draft, Draft)]
    assert Counter(draft.answer for draft in drafts) == counts
    assert {draft.task for draft in drafts} == {f"sentiment_{language}"}
    assert len({draft.id for draft in drafts}) == 700


@needs_samples
def test_quotes_in_real_tweets_are_characters(tmp_path: Path) -> None:
    path = SAMPLES / "afrisenti" / "hau" / "dev.tsv"
    quotes = path.read_text(encoding="utf-8").count('"')
    drafts = results_of_files(afrisenti(path=str(path)), tmp_path)
    assert quotes == sum(draft.input.count('"') for draft in drafts if isinstance(draft, Draft)) == 40
