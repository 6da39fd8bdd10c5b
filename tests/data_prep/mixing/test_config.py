"""The settings of a mix: what cannot be meant is a fault that says what is allowed."""

from typing import Any

import pytest

from data_prep.mixing.config import Mix, TableSet
from data_prep.mixing.plan import stage_inputs

TABLE = {"source": "table", "path": "p", "licence": "none", "question_answer": {"question": "q", "answer": "a"}}
SET = {"source": "table", "name": "set", "path": "t.csv", "fields": ["inputs"]}


def mix(**changes: Any) -> Mix:
    values = {
        "sources": [TABLE | {"name": name} for name in ("one", "two")],
        "min_input_words": 0,
        "max_input_words": 10,
        "exact_duplicates": "input",
        "eval_share": 0.1,
    }
    return Mix.model_validate(values | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subsets": {"a": ["three"]}}, r"subsets\.a: there is no source three; allowed: one, two"),
        ({"subsets": {"a": []}}, r"subsets\.a: it is empty or names a source twice"),
        ({"subsets": {"a": ["one", "one"]}}, r"subsets\.a: it is empty or names a source twice"),
        ({"subsets": {"A-b": ["one"]}}, "should match pattern"),
        ({"subsets": {"default": ["one"]}}, r"subsets\.default: so the rows of all sources are called"),
        ({"joint_caps": [{"sources": ["one", "x"], "max_rows": 1}]}, r"joint_caps\.0\.sources: there is no source x"),
        ({"joint_caps": [{"sources": ["one"], "max_rows": 1}]}, "at least 2 items"),
        ({"competition_rows": [SET, SET]}, "two sets are called 'set'; give one another name"),
        ({"competition_rows": [SET | {"path": "RUN/x"}]}, "RUN/ is followed by the folder of a stage"),
        ({"test_share": 0.9}, "eval_share and test_share together leave nothing to train on"),
    ],
)
def test_a_fault_says_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix(**changes)


def test_held_out_rows_are_read_where_rows_are_sampled_or_the_set_is_named() -> None:
    decontaminate = {"ngram": 13, "short_ngram": 8, "max_eval_rows": 10, "eval_sets": [{"source": "held_out"}]}
    assert not mix().reads_held_out
    assert mix(decontaminate=decontaminate).reads_held_out
    assert mix(sources=[{"source": "sampled"}]).reads_held_out


def test_paths_below_the_run_folder_are_inputs_of_the_stage_each_once() -> None:
    below = "RUN/04a_translate/translated.jsonl"
    sets = [SET | {"name": name, "path": path} for name, path in (("a", below), ("b", "RUN/04b_more"), ("c", "x.csv"))]
    decontaminate = {"ngram": 13, "short_ngram": 8, "max_eval_rows": 10, "eval_sets": sets[1:]}
    config = mix(sources=[TABLE | {"name": "t", "path": below}], competition_rows=sets[:1], decontaminate=decontaminate)
    assert stage_inputs(config) == ("04a_translate/translated.jsonl", "04b_more")
    assert stage_inputs(mix()) == ()


def test_a_set_in_a_data_set_is_read_as_one() -> None:
    data = TableSet.model_validate(SET | {"config": "sw", "split": "validation"}).data_set()
    assert (data.path, data.config, data.split, data.revision) == ("t.csv", "sw", "validation", None)
