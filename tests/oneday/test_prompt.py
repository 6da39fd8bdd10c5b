"""The prompt, to the character: prediction, training, evaluation and serving all rest on this string."""

import pytest

from oneday.prompt import build_prompt, task_prompt
from oneday.records import PositiveExample, Task

SHOWN = [PositiveExample(input="Is fire hot?", output="yes"), PositiveExample(input="Is ice hot?", output="no")]


def task() -> Task:
    return Task(
        definition=["Answer the question.", "Reply with yes or no."],
        categories=["Question Answering"],
        kind="exact_match",
        positive_examples=SHOWN,
        instances=[],
    )


def test_zero_shot_prompt_is_this_string() -> None:
    assert build_prompt("Below is a task.", "Answer.", "Is snow white?") == (
        "Below is a task.\n\n### Instruction:\nAnswer.\n\n### Input:\nIs snow white?\n\n### Response:\n"
    )


def test_few_shot_prompt_is_this_string() -> None:
    assert task_prompt("Below is a task.", task(), "Is snow white?", demonstrations=2) == (
        "Below is a task.\n\n"
        "### Instruction:\nAnswer the question.\nReply with yes or no.\n\n"
        "### Input:\nIs fire hot?\n\n### Response:\nyes\n\n"
        "### Input:\nIs ice hot?\n\n### Response:\nno\n\n"
        "### Input:\nIs snow white?\n\n### Response:\n"
    )


@pytest.mark.parametrize("demonstrations", [0, 1, 2])
def test_a_prompt_ends_where_the_answer_begins(demonstrations: int) -> None:
    assert task_prompt("P", task(), "x\n\n", demonstrations).endswith("x\n\n### Response:\n")


@pytest.mark.parametrize("demonstrations", [0, 1, 2])
def test_the_first_demonstrations_are_shown_and_no_more(demonstrations: int) -> None:
    prompt = task_prompt("P", task(), "x", demonstrations)
    assert prompt.count("### Response:\n") == demonstrations + 1
    assert ("Is ice hot?" in prompt) == (demonstrations == 2)


def test_white_space_around_the_parts_does_not_count() -> None:
    loose = build_prompt(" P\n", "D\n ", "\tx ", [PositiveExample(input="a\n", output=" b\n\n")])
    assert loose == build_prompt("P", "D", "x", [PositiveExample(input="a", output="b")])


def test_white_space_inside_the_parts_is_kept() -> None:
    assert "### Input:\na  b\n\nc\n\n### Response:\n" in build_prompt("P", "D", "a  b\n\nc")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_preamble_leaves_nothing_of_itself(blank: str) -> None:
    prompt = "### Instruction:\nAnswer.\n\n### Input:\nIs snow white?\n\n### Response:\n"
    assert build_prompt(blank, "Answer.", "Is snow white?") == prompt


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_question_that_stands_alone_is_an_input_without_an_instruction(blank: str) -> None:
    assert build_prompt("", blank, "Is snow white?") == "### Input:\nIs snow white?\n\n### Response:\n"
    assert build_prompt("P", blank, "x") == "P\n\n### Input:\nx\n\n### Response:\n"


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_input_leaves_its_block_out_also_in_a_demonstration(blank: str) -> None:
    assert build_prompt("P", "Tell a joke.", blank) == "P\n\n### Instruction:\nTell a joke.\n\n### Response:\n"
    shown = [PositiveExample(input=blank, output="Ha.")]
    assert build_prompt("", "Tell a joke.", blank, shown) == (
        "### Instruction:\nTell a joke.\n\n### Response:\nHa.\n\n### Response:\n"
    )
