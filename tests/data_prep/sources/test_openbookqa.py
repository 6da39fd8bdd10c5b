"""OpenBookQA, in the schema of allenai/openbookqa, and its real rows."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.example_source import Draft
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings

KEYS = {"instruction": "Choose the best ending."}
ROW: dict[str, Any] = {
    "id": "7-980",
    "question_stem": "The sun is responsible for",
    "choices": {"text": ["puppies learning new tricks", "plants sprouting"], "label": ["A", "B"]},
    "answerKey": "B",
}


def test_the_options_are_listed_and_the_answer_is_the_text_of_the_right_one() -> None:
    asked = "The sun is responsible for\nA. puppies learning new tricks\nB. plants sprouting"
    draft = Draft("Choose the best ending.", asked, "plants sprouting", "openbookqa", "7-980")
    assert results(settings("openbookqa", **KEYS), ROW) == [draft]


def test_the_answer_may_be_the_letter_of_the_right_option() -> None:
    (letter,) = results(settings("openbookqa", **KEYS, answer="letter"), ROW)
    (text,) = results(settings("openbookqa", **KEYS, answer="text"), ROW)
    assert isinstance(letter, Draft) and isinstance(text, Draft)
    assert (letter.answer, text.answer) == ("B", "plants sprouting")
    assert letter.input == text.input


def test_no_other_kind_of_answer_is_allowed() -> None:
    with pytest.raises(ValidationError, match="'text' or 'letter'"):
        settings("openbookqa", **KEYS, answer="number")


def test_a_row_without_id_is_named_by_its_place() -> None:
    (draft,) = results(settings("openbookqa", **KEYS), ROW | {"id": None})
    assert isinstance(draft, Draft)
    assert draft.id == "row-1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answerKey": "C"}, "unknown_answer_key"),
        ({"answerKey": None}, "missing_field"),
        ({"question_stem": 3}, "wrong_type"),
        ({"choices": None}, "missing_field"),
        ({"choices": ["A", "B"]}, "wrong_type"),
        ({"choices": {"label": ["A", "B"]}}, "missing_field"),
        ({"choices": {"text": ["x"], "label": ["A", "B"]}}, "wrong_type"),
        ({"choices": {"text": ["x", None], "label": ["A", "B"]}}, "wrong_type"),
    ],
)
def test_a_row_without_a_right_option_is_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(settings("openbookqa", **KEYS), ROW | change) == [reason]


@needs_samples
def test_every_real_row_becomes_an_example_of_the_chosen_split(tmp_path: Path) -> None:
    chosen = settings("openbookqa", path=str(SAMPLES / "openbookqa"), **KEYS)
    drafts = results_of_files(chosen, tmp_path)
    assert len(drafts) == 400
    assert all(isinstance(draft, Draft) and f". {draft.answer}" in draft.input for draft in drafts)
    assert isinstance(drafts[0], Draft)
    assert drafts[0].input.startswith("As a car approaches you in the night\nA. the headlights become more intense\nB.")
