"""The rules of a mix in words."""

from typing import Any

from data_prep.mixing.config import Mix
from data_prep.mixing.rules import rules_in_words

SMALL: dict[str, Any] = {
    "sources": [{"source": "sampled"}],
    "min_input_words": 5,
    "max_input_words": 1799,
    "exact_duplicates": "input",
    "eval_share": 0.02,
}
LARGE: dict[str, Any] = SMALL | {
    "sources": [
        {"source": "sampled", "max_rows": 50_000, "max_tokens": 9_000_000},
        {"source": "lima", "path": "GAIR/lima", "revision": "main", "weight": 2},
    ],
    "max_tokens": 2048,
    "exact_duplicates": "question",
    "near_duplicates": {
        "similarity": 0.9, "max_changes": 4, "min_words": 8, "shingle_words": 3, "permutations": 128, "bands": 32,
        "keep_other_answers": True,
    },
    "decontaminate": {
        "ngram": 13, "short_ngram": 8, "max_eval_rows": 10,
        "eval_sets": [{"source": "held_out"}, {"source": "helm", "name": "mmlu", "path": "runs"}],
    },
    "language": {"keep": ["en", "fr"], "min_words": 5, "min_probability": 0.8},
    "personal_data": {"email_as": "[email]", "phone_as": "[phone]", "phone_region": "US"},
    "budget": {"tokens": 1_000_000},
    "split_by": "task",
}  # fmt: skip


def test_what_is_not_done_is_said() -> None:
    rules = rules_in_words(Mix.model_validate(SMALL))
    assert rules == [
        "Personal data is not looked for.",
        "An input has 5 to 1,799 words.",
        "Blank lines in answers stay.",
        "The number of tokens of a row is not limited.",
        "The language of the rows is not looked at.",
        "Rows that are held out for the final evaluation go, by their name or by their input.",
        "The rows are not compared with evaluation sets.",
        "Of rows with the same input the first one stays.",
        "Near-duplicates are not looked for.",
        "There is no limit for all sources together.",
        "The rows are shuffled; 2 % of them are for evaluation.",
    ]


def test_every_rule_of_published_tasks_is_in_words() -> None:
    table = {"source": "table", "path": "p", "licence": "none", "question_answer": {"question": "q", "answer": "a"}}
    sources = [table | {"name": "wmt", "max_rows": 50_000}, table | {"name": "xnli", "max_rows_per_answer": 10_000}]
    settings = SMALL | {
        "sources": [*sources, table | {"name": "mafand"}],
        "one_answer_tasks": ["sentiment_swahili", "sentiment_hausa"],
        "competition_rows": [{"source": "table", "name": "test_rows", "path": "t.csv", "fields": ["inputs"]}],
        "joint_caps": [{"sources": ["wmt", "mafand"], "max_rows": 50_000}],
        "eval_share": 0.05,
        "test_share": 0.1,
        "subsets": {"translation": ["wmt", "mafand"]},
    }
    rules = rules_in_words(Mix.model_validate(settings))
    assert rules[5] == "No rows are held out before the mix."
    assert rules[6].startswith("A row goes if its input is that of a row of a competition;")
    assert rules[6].endswith("Sets: test_rows.")
    assert rules[8:] == [
        "An input with several answers goes with all its rows, in the tasks sentiment_swahili and sentiment_hausa; "
        "case and white space do not count.",
        "Of rows with the same input the first one stays.",
        "Near-duplicates are not looked for.",
        "Of wmt at most 50,000 rows are used, drawn at random.",
        "Of xnli the first 10,000 rows of each answer are used.",
        "Of wmt and mafand together at most 50,000 rows are used, drawn at random.",
        "There is no limit for all sources together.",
        "The rows are shuffled; 5 % of them are for evaluation during the training and 10 % for the test after it.",
        "The rows of wmt and mafand are also in files of their own, called translation.",
    ]


def test_every_number_of_the_settings_is_in_the_rules() -> None:
    rules = " ".join(rules_in_words(Mix.model_validate(LARGE)))
    for words in (
        "'[email]', phone numbers (those without a country code as of US) by '[phone]'",
        "at most 2,048 tokens",
        "A row of 5 words or more goes if its language is not en or fr with a probability of 80 % or more.",
        "shares 13 words in a row with an evaluation text, 8 with one of at most 26 words",
        "more than 10 evaluation rows have. Evaluation sets: held_out, mmlu.",
        "of at most 16 words is also found by all its words but one, one of fewer than 8",
        "Of rows with the same whole question",
        "Inputs of 8 words or more are near-duplicates if 90 %",
        "the first row stays, and a later one if its answer is another.",
        "Of sampled at most 50,000 rows and 9,000,000 tokens are used",
        "At most 1,000,000 tokens are used in all. They are divided by weight (sampled 1, lima 2)",
        "2 % of them are for evaluation, whole tasks.",
    ):
        assert words in rules


def test_a_budget_of_one_source_is_not_divided() -> None:
    rules = rules_in_words(Mix.model_validate(SMALL | {"budget": {"rows": 1000}}))
    assert rules[-2] == "At most 1,000 rows are used in all."


def test_it_is_said_whether_an_input_may_be_in_several_parts() -> None:
    apart = "Rows with the same input but another instruction may be in different parts."
    together = "All rows of an input, or of a premise, are in one part; case and white space do not count."
    for changes, said in (
        ({}, ""),
        ({"exact_duplicates": "question"}, f" {apart}"),
        ({"split_by": "input"}, f" {together}"),
    ):
        last = rules_in_words(Mix.model_validate(SMALL | changes))[-1]
        assert last == f"The rows are shuffled; 2 % of them are for evaluation.{said}"
