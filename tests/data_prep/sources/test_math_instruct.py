"""MathInstruct, in the schema of TIGER-Lab/MathInstruct and the format that Birbal published."""

import pytest

from data_prep.sources.example_source import Draft
from data_prep.sources.math_instruct import formatted
from tests.data_prep.sources.drafts import results, settings

SUBSETS = ["gsm_train", "aqua_rat", "MATH_train"]
ROW = {
    "source": "data/CoT/gsm_train.json",
    "instruction": "How many clips did Natalia sell in April AND May?\n",
    "output": "She sold 48/2 = 24 clips in May.\nTogether 48+24 = 72.\n#### 72\nThe answer is: 72",
}


def test_a_row_keeps_its_reasoning_and_ends_with_the_answer() -> None:
    answer = "She sold 48/2 = 24 clips in May.\nTogether 48+24 = 72.\nThe answer is: 72"
    question = "How many clips did Natalia sell in April AND May?"
    chosen = settings("math_instruct", subsets=SUBSETS, lower_case_share=0)
    assert results(chosen, ROW) == [Draft("", question, answer, "gsm_train", "row-1")]


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        pytest.param("So it is 3.\n#### 3 The answer is: 3", "So it is 3.\nThe answer is: 3", id="one line"),
        pytest.param(
            "Note #### 1.\nSo 3. The answer is: B ", "Note #### 1.\nSo 3.\nThe answer is: B", id="not at the end"
        ),
        pytest.param("The answer is: 3", "The answer is: 3", id="no reasoning"),
        pytest.param(" So it is 3.\n#### 3", "So it is 3.\n#### 3", id="never says it"),
        pytest.param("The answer is: 1? No. The answer is: 2", "The answer is: 1? No. The answer is: 2", id="twice"),
    ],
)
def test_the_answer_has_the_published_form(output: str, answer: str) -> None:
    assert formatted(output) == answer


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "data/PoT/gsm_gpt4.json"}, "program_of_thought"),
        ({"source": "data/PoT/MATH_train.json"}, "program_of_thought"),
        ({"output": "print(3)\nThe answer is: 3"}, "program_of_thought"),
        ({"source": "data/CoT/college_math.json"}, "other_subset"),
        ({"source": "gsm_train"}, "other_subset"),
        ({"source": None}, "missing_field"),
        ({"output": 72}, "wrong_type"),
    ],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(settings("math_instruct", subsets=SUBSETS, lower_case_share=0), ROW | change) == [reason]


def test_the_share_of_questions_is_lower_cased_whatever_their_order() -> None:
    rows = [ROW | {"instruction": f"How MANY is {number} and one?"} for number in range(2000)]
    chosen = settings("math_instruct", subsets=SUBSETS, lower_case_share=0.3)
    there, back = results(chosen, *rows), results(chosen, *reversed(rows))
    asked = [draft.input for draft in there if isinstance(draft, Draft)]
    assert asked == [draft.input for draft in reversed(back) if isinstance(draft, Draft)]
    lower = sum(question.islower() for question in asked)
    assert 0.27 * len(rows) < lower < 0.33 * len(rows)
    assert len(asked) == len(rows)


def test_a_lone_surrogate_does_not_stop_the_choice_of_case() -> None:
    chosen = settings("math_instruct", subsets=SUBSETS, lower_case_share=1)
    (draft,) = results(chosen, ROW | {"instruction": "WHY \ud800?"})
    assert isinstance(draft, Draft)
    assert draft.input == "why \ud800?"
