"""Open-Platypus, in the schema of garage-bAInd/Open-Platypus."""

import pytest

from data_prep.sources.example_source import Draft
from tests.data_prep.sources.drafts import results, settings

PLATYPUS = settings("open_platypus", exclude_data_sources=["airoboros", "leetcode_ne"])
ROW = {
    "input": "",
    "output": "$P(C) = \\frac{1}{4}$.",
    "instruction": "What is $P(C)$?",
    "data_source": "MATH/PRM-800K",
}


def test_an_instruction_without_input_is_the_question() -> None:
    assert results(PLATYPUS, ROW) == [Draft("", "What is $P(C)$?", ROW["output"], "MATH/PRM-800K", "row-1")]


def test_an_input_follows_its_instruction_in_the_question() -> None:
    row = {
        "input": "Choose A, B, C or D as your solution.",
        "output": "C",
        "instruction": "Area resident: ...",
        "data_source": "reclor",
    }
    (draft,) = results(PLATYPUS, row)
    assert isinstance(draft, Draft)
    assert draft.input == "Area resident: ...\nChoose A, B, C or D as your solution."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data_source": "airoboros"}, "excluded_data_source"),
        ({"data_source": None}, "missing_field"),
        ({"output": None}, "missing_field"),
        ({"instruction": ["What?"]}, "wrong_type"),
    ],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(PLATYPUS, ROW | change) == [reason]
