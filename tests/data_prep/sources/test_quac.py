"""QuAC in both published forms: the authors' nested JSON, with real dialogues, and the hub's flat rows."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings

FLAT: dict[str, Any] = {
    "dialogue_id": "C_6a_0",
    "wikipedia_page_title": "Satchel Paige",
    "background": "Leroy Robert Paige was a pitcher.",
    "section_title": "Chattanooga",
    "context": "Alex Herman discovered Paige. He threw hard. CANNOTANSWER",
    "turn_ids": ["C_6a_0_q#0", "C_6a_0_q#1", "C_6a_0_q#2"],
    "questions": ["who found him", "was he rich", "how did he throw"],
    "followups": [0, 2, 1],
    "yesnos": [2, 2, 2],
    "answers": {"texts": [["Alex Herman"], ["CANNOTANSWER"], ["hard"]], "answer_starts": [[0], [45], [39]]},
    "orig_answers": {"texts": ["Alex Herman", "CANNOTANSWER", "hard"], "answer_starts": [0, 45, 39]},
}
NESTED: dict[str, Any] = {
    "title": "Satchel Paige",
    "section_title": "Chattanooga",
    "background": "Leroy Robert Paige was a pitcher.",
    "paragraphs": [
        {
            "context": FLAT["context"],
            "id": "C_6a_0",
            "qas": [
                {
                    "id": id_,
                    "question": question,
                    "answers": [{"text": answer, "answer_start": 0}],
                    "orig_answer": {"text": answer, "answer_start": 0},
                    "yesno": "x",
                    "followup": "n",
                }
                for id_, question, answer in zip(
                    FLAT["turn_ids"], FLAT["questions"], FLAT["orig_answers"]["texts"], strict=True
                )
            ],
        }
    ],
}
PASSAGE = "Title: Satchel Paige\nSection: Chattanooga\nPassage: Alex Herman discovered Paige. He threw hard.\n"
FORMS = pytest.mark.parametrize("row", [pytest.param(FLAT, id="flat"), pytest.param(NESTED, id="nested")])


def quac(history: int = 3, unanswerable: str = "keep", **keys: Any) -> MixSource:
    return settings("quac", instruction="Answer from the passage.", history=history, unanswerable=unanswerable, **keys)


def inputs(drafts: list[Draft | str]) -> list[str]:
    return [draft if isinstance(draft, str) else draft.input.removeprefix(PASSAGE) for draft in drafts]


@FORMS
def test_a_question_follows_the_passage_and_the_earlier_turns(row: dict[str, Any]) -> None:
    first, second, third = results(quac(), row)
    told = "Answer from the passage."
    assert first == Draft(told, f"{PASSAGE}Question: who found him", "Alex Herman", "quac", "C_6a_0_q#0")
    dialogue = "Question: who found him\nAnswer: Alex Herman\nQuestion: was he rich"
    assert second == Draft(told, f"{PASSAGE}{dialogue}", "CANNOTANSWER", "quac", "C_6a_0_q#1")
    dialogue += "\nAnswer: CANNOTANSWER\nQuestion: how did he throw"
    assert third == Draft(told, f"{PASSAGE}{dialogue}", "hard", "quac", "C_6a_0_q#2")


@FORMS
def test_history_is_how_many_earlier_turns_are_shown(row: dict[str, Any]) -> None:
    assert inputs(results(quac(history=0), row)) == [f"Question: {question}" for question in FLAT["questions"]]
    one = inputs(results(quac(history=1), row))
    assert one[2] == "Question: was he rich\nAnswer: CANNOTANSWER\nQuestion: how did he throw"


@FORMS
def test_questions_without_an_answer_may_be_dropped_but_stay_in_the_history(row: dict[str, Any]) -> None:
    found = inputs(results(quac(unanswerable="drop"), row))
    assert found[1] == "unanswerable"
    assert found[2].count("Question:") == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"context": None}, "missing_field"),
        ({"orig_answers": None}, "missing_field"),
        ({"questions": "who"}, "wrong_type"),
        ({"questions": ["who"]}, "wrong_type"),
        ({"orig_answers": {"texts": None}}, "wrong_type"),
        ({"paragraphs": "x"}, "wrong_type"),
        ({"paragraphs": ["x"]}, "wrong_type"),
        ({"paragraphs": [{"context": "x"}]}, "missing_field"),
        ({"paragraphs": [{"context": "x", "qas": [3]}]}, "wrong_type"),
    ],
)
def test_a_row_without_dialogues_is_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(quac(), FLAT | change) == [reason]


def test_a_broken_turn_is_dropped_alone_and_is_no_history() -> None:
    texts = ["Alex Herman", None, 3, " ", "hard", "x"]
    questions = ["who found him", "a", "b", "c", "how did he throw", " "]
    found = inputs(results(quac(), FLAT | {"questions": questions, "orig_answers": {"texts": texts}}))
    assert found[1:4] == ["missing_field", "wrong_type", "empty_answer"]
    assert found[4] == "Question: who found him\nAnswer: Alex Herman\nQuestion: how did he throw"
    assert found[5] == "empty_input"


def test_a_question_without_id_is_named_by_its_place() -> None:
    drafts = results(quac(), FLAT | {"turn_ids": None})
    assert [draft.id for draft in drafts if isinstance(draft, Draft)] == ["row-1-1", "row-1-2", "row-1-3"]
    nested = {"paragraphs": [NESTED["paragraphs"][0] | {"qas": [{"question": "x", "orig_answer": {"text": "y"}}]}]}
    assert results(quac(), nested)[0][-1] == "row-1-1-1"


@needs_samples
def test_every_real_question_of_the_nested_file_becomes_an_example(tmp_path: Path) -> None:
    drafts = results_of_files(quac(path=str(SAMPLES / "quac")), tmp_path)
    assert len(drafts) == 12
    assert all(isinstance(draft, Draft) for draft in drafts)
    assert isinstance(drafts[0], Draft)
    assert drafts[0].id == "C_ec865aa8cf664d4d879ed364dd7048ed_1_q#0"
    assert drafts[0].input.startswith("Title: The break\nPassage: DJ Kool Herc developed")
    assert not any("CANNOTANSWER\nQuestion" in line for line in drafts[0].input.splitlines())
