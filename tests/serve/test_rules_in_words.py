from typing import Any

import pytest

from serve.rules_in_words import rules_in_words
from tests.serve.toy_engine import rule_set


def case(prompt: dict[str, Any] | None, *rules: Any, **more: Any) -> dict[str, Any]:
    return {"name": "own", "rules": list(rules), **({} if prompt is None else {"prompt": prompt}), **more}


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ({"options": 2}, "with at least 2 options"),
        ({"contains": ["Summarize", "Sum up"]}, "containing 'Summarize' or 'Sum up'"),
        ({"ends_with": ["Answer:"], "options": 3}, "with at least 3 options and ending in 'Answer:'"),
        ({"every": True}, "of any kind"),
    ],
)
def test_a_case_is_told_with_what_its_prompts_have_and_its_rules(prompt: dict[str, Any], told: str) -> None:
    rules = rule_set("strip", cases=[case(prompt, "cut_at_blank_line", {"cut_at_stop": {"stops": ["Q:"]}})])
    assert rules_in_words(rules) == (
        f"own (a prompt {told}): cut_at_blank_line, {rules.cases[0].rules[1]}; default (any other prompt): strip"
    )


def test_a_case_of_the_evaluation_alone_is_not_told_of() -> None:
    rules = rule_set(cases=[case(None, "strip", tasks=["piqa"])])
    assert rules_in_words(rules) == "default (every prompt): none"
