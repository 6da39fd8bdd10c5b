"""The same raw generation gets the same text in evaluation and server, where the case is the same."""

from typing import Any

import pytest

from eval.metrics.scorer import Scorer
from eval.metrics.tokens import resolve_tokenizer
from eval.score import scored_row
from oneday.records import Prediction
from tests.serve.rule_steps import STEPS
from tests.serve.toy_engine import ToyEngine, client_of, rule_set

QUESTION, OTHER = "Which one?\nA. bank\nB. bridge\nAnswer:", "Say it in a sentence."
RULES = rule_set(
    "cut_at_blank_line",
    "fix_spaces",
    cases=[
        {
            "name": "options",
            "tasks": ["openbookqa"],
            "prompt": {"options": 2},
            "rules": [
                "cut_at_blank_line",
                {"cut_at_stop": {"stops": ["\nQ:"]}},
                "stated_answer",
                "first_option_letter",
            ],
        }
    ],
)
NEW_TOKENS = 180  # enough for every text here
ANSWERS = ["The answer is B. bridge\n\nQ: next", " (A) bank\nQ: C", "It is\ta  bank. \n \nMore", "", "\n\n"]


def evaluated(task: str, raw: str) -> str:
    """The text that the evaluation scores."""
    row = Prediction(task=task, id="0", orig_input="", few_shot_prompt="", answer=["B"], prediction=raw)
    scorer = Scorer(resolve_tokenizer("auto", ["B"]), stemming=False)
    return scored_row("tuned", row, "exact_match", scorer, RULES.for_task(task).rules).prediction


def served(tokenizer: Any, prompt: str, raw: str, rules: Any = RULES) -> str:
    """The text that the server gives to a prompt where the model says `raw`."""
    body = {"prompt": prompt, "temperature": 0, "max_new_tokens": NEW_TOKENS}
    response = client_of(ToyEngine(tokenizer, answer=raw), rules=rules).post("/process", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["text"])


@pytest.mark.parametrize("raw", ANSWERS)
@pytest.mark.parametrize(("task", "prompt"), [("openbookqa", QUESTION), ("other_task", OTHER)])
def test_evaluation_and_server_make_the_same_text_of_a_generation(
    tiny_tokenizer: Any, task: str, prompt: str, raw: str
) -> None:
    assert served(tiny_tokenizer, prompt, raw) == evaluated(task, raw)


def test_the_case_decides_which_text_it_is(tiny_tokenizer: Any) -> None:
    assert served(tiny_tokenizer, QUESTION, ANSWERS[0]) == "B"
    assert served(tiny_tokenizer, OTHER, ANSWERS[0]) == "The answer is B. bridge"


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_every_rule_makes_of_its_examples_in_the_server_what_it_says(tiny_tokenizer: Any, step: Any) -> None:
    for example in step.rule.examples:
        assert len(tiny_tokenizer(example.text)["input_ids"]) <= NEW_TOKENS
        assert served(tiny_tokenizer, OTHER, example.text, rule_set(step)) == step.apply(example.text)
