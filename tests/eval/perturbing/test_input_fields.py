"""Which part of a prompt may be perturbed."""

from typing import Any

import pytest

from eval.perturbing.input_fields import InputFields, before_options, is_repeated, places

ROW = {"context": "It rains.", "question": "Why?", "answer": "Clouds."}


def prompt(row: Any) -> str:
    return f"Q: Why?\nA: So.\n\n{row['context']}\nQ: {row['question']}\nA:"


def input_of(*names: str, row: dict[str, str] = ROW) -> str:
    return InputFields(make_prompt=prompt, input=names).example(row, "task", "1").input


def test_the_usual_field_that_the_prompt_holds_is_the_input() -> None:
    assert input_of() == "Why?"
    assert input_of(row={**ROW, "input": "not in the prompt"}) == "Why?"


@pytest.mark.parametrize(
    ("text", "prompt", "start", "repeated"),
    [
        ("he", "Say who.\n\n### Input:\nhe\n\n### Response:\nthe", 21, False),
        ("Response", "### Input:\nResponse\n\n### Response:\n", 25, True),
        ("Who?", "Who?\nJack\n\nWho?\nSay it.", 11, True),
        ("(he)", "the(he)the", 3, False),
        ("kya\u0301", "Sa kya\u0301 da kya\u0301u", 3, False),
        ("ทำไม", "ถามทำไมครับ", 3, False),
    ],
)
def test_the_input_is_the_last_place_that_cuts_no_word(text: str, prompt: str, start: int, repeated: bool) -> None:
    row = InputFields().example({"input": text, "prompt": prompt, "answer": "So."}, "task", "1")
    assert (row.input, row.input_start, is_repeated(row)) == (text, start, repeated)


def test_a_text_within_other_words_alone_is_no_input() -> None:
    row = {"input": "he", "prompt": "### Input:\nthe hen\n\n### Response:\n", "answer": "So."}
    assert places(row["prompt"], "he") == [] == places(row["prompt"], "")
    assert InputFields().example(row, "task", "1").input == ""
    with pytest.raises(ValueError, match="field 'input' is 'he', which the prompt does not hold as whole words"):
        InputFields(input=("input",)).example(row, "task", "1")


def test_the_place_stays_where_options_behind_the_input_repeat_it() -> None:
    row = {"input": "Who?\nA. Jack\nB. Who?", "prompt": "Who?\nA. Jack\nB. Who?\nAnswer:", "answer": "B"}
    found = InputFields().example(row, "task", "1")
    assert (found.input, found.input_start, is_repeated(found)) == ("Who?", 0, True)


def test_several_fields_span_what_stands_between_them() -> None:
    assert input_of("context", "question") == "It rains.\nQ: Why?"


def test_lettered_options_at_the_end_are_not_of_the_input() -> None:
    assert before_options("Which?\nA. an egg\nB. a hen\n") == "Which?"
    assert before_options("A. is a letter.\nWhich?\n(a) an egg\n(b) a hen") == "A. is a letter.\nWhich?"
    row = {
        "input": "Which?\nA. an egg\nB. a hen",
        "prompt": "Choose.\nWhich?\nA. an egg\nB. a hen\nAnswer:",
        "answer": "B",
    }
    assert InputFields().example(row, "task", "1").input == "Which?"


@pytest.mark.parametrize(
    "text",
    [
        "Which?",
        "A. Smith was here.",
        "A. an egg\nB. a hen",
        "A. an egg\nB. a hen\nWhich is it?",
        "Who is B. Hall?\nNo.",
    ],
)
def test_an_input_without_options_at_its_end_stays_whole(text: str) -> None:
    assert before_options(text) == text


def test_without_a_usual_field_a_row_has_no_input_of_its_own() -> None:
    assert InputFields().example({"prompt": "Why?", "answer": "So."}, "task", "1").input == ""


def test_a_text_that_the_prompt_does_not_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"field 'answer' is 'Clouds.', which the prompt does not hold as .*--input"):
        input_of("answer")
    with pytest.raises(ValueError, match=r"no field 'text' .*--input"):
        input_of("text")


def test_fields_in_another_order_than_in_the_prompt_are_an_error() -> None:
    with pytest.raises(ValueError, match="in another order"):
        input_of("question", "context")
