"""Any table by the columns that a recipe names: questions, instructions, chat; real GSM8K and AQuA-RAT rows."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.example_source import Draft, Row
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings

QUESTIONS = {"question_answer": {"question": "q", "answer": "a"}}
INSTRUCTIONS = {"instruction_output": {"instruction": "instruction", "input": "input", "output": "output"}}
CHAT = {"chat": {"messages": "messages"}}
SHARE_GPT = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "user": "human",
    "assistant": "gpt",
}


def table(**keys: Any) -> MixSource:
    return settings("table", name="mine", licence="CC0-1.0", **keys)


def chat(*messages: tuple[str, object]) -> Row:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_a_question_has_the_instruction_of_the_recipe() -> None:
    row = {"q": "2 + 2?", "a": "4", "kind": "sums", "number": 7}
    assert results(table(**QUESTIONS), row) == [Draft("", "2 + 2?", "4", "mine", "row-1")]
    named = table(**QUESTIONS, instruction="Calculate.", task_column="kind", id_column="number")
    assert results(named, row) == [Draft("Calculate.", "2 + 2?", "4", "sums", "7")]


def test_an_instruction_without_input_stands_alone() -> None:
    row = {"instruction": "Say hello.", "input": "", "output": "Hello."}
    alone = Draft("", "Say hello.", "Hello.", "mine", "row-1")
    for value in (row, row | {"input": None}, {"instruction": "Say hello.", "output": "Hello."}):
        assert results(table(**INSTRUCTIONS, instruction="Be kind."), value) == [alone]
    without = {"instruction_output": {"instruction": "instruction", "output": "output"}}
    assert results(table(**without), row | {"input": "ignored"}) == [alone]


def test_an_instruction_with_input_stays_an_instruction() -> None:
    row = {"instruction": "Translate.", "input": "Bonjour", "output": "Hello"}
    chosen = table(**INSTRUCTIONS, instruction="Be kind.")
    assert results(chosen, row) == [Draft("Translate.", "Bonjour", "Hello", "mine", "row-1")]
    assert results(chosen, row | {"instruction": " "}) == [Draft("Be kind.", "Bonjour", "Hello", "mine", "row-1")]


def test_the_first_turn_of_a_chat_is_used_with_the_system_message_before_it() -> None:
    turns = chat(("system", "Be short."), ("user", "Why?"), ("assistant", "So."), ("user", "Really?"))
    assert results(table(**CHAT, instruction="Be kind."), turns) == [Draft("Be short.", "Why?", "So.", "mine", "row-1")]
    turns = chat(("user", "Why?"), ("assistant", "So."), ("system", "Be long."))
    assert results(table(**CHAT, instruction="Be kind."), turns) == [Draft("Be kind.", "Why?", "So.", "mine", "row-1")]


def test_roles_and_contents_may_have_other_names_and_lie_in_lists() -> None:
    draft = Draft("", "Why?", "So.", "mine", "row-1")
    turns = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    columns = {"from": ["human", "gpt"], "value": ["Why?", "So."]}
    assert results(table(chat=SHARE_GPT), {"conversations": turns}) == [draft]
    assert results(table(chat=SHARE_GPT), {"conversations": columns}) == [draft]


@pytest.mark.parametrize(
    ("keys", "row", "reason"),
    [
        (QUESTIONS, {"q": "x"}, "missing_field"),
        (QUESTIONS, {"q": "x", "a": None}, "missing_field"),
        (QUESTIONS, {"q": "x", "a": 4}, "wrong_type"),
        (QUESTIONS | {"id_column": "id"}, {"q": "x", "a": "y", "id": None}, "missing_field"),
        (QUESTIONS | {"id_column": "id"}, {"q": "x", "a": "y", "id": True}, "wrong_type"),
        (QUESTIONS | {"task_column": "task"}, {"q": "x", "a": "y", "task": 1.5}, "wrong_type"),
        (INSTRUCTIONS, {"instruction": "x", "input": ["y"], "output": "z"}, "wrong_type"),
        (CHAT, {"messages": None}, "missing_field"),
        (CHAT, {"messages": "hello"}, "wrong_type"),
        (CHAT, {"messages": ["hello"]}, "wrong_type"),
        (CHAT, {"messages": {"role": ["user"], "content": []}}, "wrong_type"),
        (CHAT, {"messages": [{"role": "user"}, {"role": "assistant", "content": "x"}]}, "missing_field"),
        (CHAT, chat(("user", "x"), ("assistant", [{"type": "text"}])), "wrong_type"),
        (CHAT, chat(("assistant", "x")), "no_question_turn"),
        (CHAT, chat(), "no_question_turn"),
        (CHAT, chat(("user", "x")), "no_answer_turn"),
        (CHAT, chat(("user", "x"), ("user", "y"), ("assistant", "z")), "no_answer_turn"),
    ],
)
def test_a_row_that_does_not_fit_is_dropped_by_name(keys: dict[str, Any], row: Row, reason: str) -> None:
    assert results(table(**keys), row) == [reason]


@needs_samples
def test_real_maths_rows_are_read_by_their_columns(tmp_path: Path) -> None:
    gsm8k = table(path=str(SAMPLES / "gsm8k"), question_answer={"question": "question", "answer": "answer"})
    drafts = results_of_files(gsm8k, tmp_path)
    assert len(drafts) == 400
    assert isinstance(drafts[0], Draft)
    assert (drafts[0].id, drafts[0].answer[-9:]) == ("train-1", "\n#### 624")
    fields = {"question": "question", "answer": "rationale"}
    aqua = table(path=str(SAMPLES / "aqua_rat"), split="validation", question_answer=fields, task_column="correct")
    assert {draft.task for draft in results_of_files(aqua, tmp_path) if isinstance(draft, Draft)} == set("ABCDE")
