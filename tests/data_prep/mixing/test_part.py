"""Part: prompts as the project puts them together, lengths as they are defined, lines that can be read again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_prep.mixing.cleaning import Sieve, drop_unusable
from data_prep.mixing.config import Mix
from data_prep.mixing.drafts import COLUMNS
from data_prep.mixing.part import FIELDS, with_prompts, write_lines
from data_prep.mixing.tokens import too_many_tokens
from oneday.prompt import build_prompt

TEXTS = [
    "plain",
    " \n around \t",
    "two\n\nblocks",
    "\u3000\u4f60\u597d\u00a0",
    'quoted "x" \\ \x00 \x1f \u2028 \U0001f600',
]


def frame(**columns: list[Any]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    values = {name: columns.get(name, [None if name == "question" else "x"] * height) for name in COLUMNS}
    return pl.DataFrame(values, schema=dict.fromkeys(COLUMNS, pl.String))


def mix(**changes: Any) -> Mix:
    values = {"sources": [{"source": "sampled"}], "min_input_words": 3, "max_input_words": 5, "eval_share": 0.1}
    return Mix.model_validate(values | {"exact_duplicates": "input"} | changes)


@pytest.mark.parametrize("preamble", ["", "Below is an instruction.", " two\n\nblocks\n"])
def test_a_prompt_put_together_by_columns_is_that_of_build_prompt(preamble: str) -> None:
    pairs = [(instruction, text) for instruction in ["", " \n", *TEXTS] for text in TEXTS]
    made = with_prompts(frame(instruction=[i for i, _ in pairs], input=[t for _, t in pairs]), preamble)
    assert made["question"].to_list() == [build_prompt(preamble, *pair) for pair in pairs]


def test_a_row_that_has_its_prompt_keeps_it() -> None:
    made = with_prompts(frame(input=["a", "b"], question=["Q\n", None], instruction=["", ""]), "P")
    assert made["question"].to_list() == ["Q\n", build_prompt("P", "", "b")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one two three", None),
        ("one\ttwo\n\nthree four  five ", None),
        (f"{'long' * 99} two three", None),
        ("one two", "input_too_short"),
        (" one \n", "input_too_short"),
        ("\u00a0 \n", "empty_input"),
        ("1 2 3 4 5 6", "input_too_long"),
        ("one two three four five six", "input_too_long"),
        ("\u4f60 \u597d \u4f60 \u597d \u4f60 \u597d", "input_too_long"),
    ],
)
def test_words_are_parted_by_white_space(text: str, reason: str | None) -> None:
    sieve = Sieve(frame(input=[text]), Counter())
    drop_unusable(sieve, mix())
    assert +sieve.dropped == ({reason: 1} if reason else {})
    assert len(sieve.frame) == (reason is None)


@pytest.mark.parametrize(("counted", "kept"), [(False, 1), (True, 0)])
def test_an_instruction_counts_towards_the_length_where_the_recipe_says_so(counted: bool, kept: int) -> None:
    sieve = Sieve(frame(input=["one two three four five"], instruction=["Do."]), Counter())
    drop_unusable(sieve, mix(count_instruction=counted))
    assert len(sieve.frame) == kept


def test_no_least_length_keeps_a_single_word() -> None:
    sieve = Sieve(frame(input=["one", " "]), Counter())
    drop_unusable(sieve, mix(min_input_words=0))
    assert sieve.frame["input"].to_list() == ["one"]


def test_lines_are_json_that_can_be_read_again(tmp_path: Path) -> None:
    rows = frame(**dict.fromkeys(FIELDS, TEXTS))
    sizes = write_lines(rows, tmp_path / "lines.jsonl")
    lines = (tmp_path / "lines.jsonl").read_bytes().splitlines(keepends=True)
    assert sizes.tolist() == [len(line) for line in lines]
    assert pl.read_ndjson(tmp_path / "lines.jsonl").to_dicts() == rows.select(FIELDS).to_dicts()
    assert [json.loads(line)["input"] for line in lines] == TEXTS


def test_no_rows_make_an_empty_file(tmp_path: Path) -> None:
    assert len(write_lines(frame(**{name: [] for name in FIELDS}), tmp_path / "lines.jsonl")) == 0
    assert (tmp_path / "lines.jsonl").read_bytes() == b""


def test_only_rows_with_more_tokens_than_allowed_are_flagged(tiny_model_dir: Path) -> None:
    from serve.tokens import token_counter

    texts = ["a" * length for length in range(1, 80)]
    rows = frame(question=texts, answer=["z"] * len(texts))
    counts = np.array(token_counter(str(tiny_model_dir))([text + "z" for text in texts])) + 1
    assert too_many_tokens(rows, 30, str(tiny_model_dir)).tolist() == (counts > 30).tolist()
    assert 0 < (counts > 30).sum() < len(texts)
