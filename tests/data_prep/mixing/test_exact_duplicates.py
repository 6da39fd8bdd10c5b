"""Exact duplicates: keys of texts, and the first row of each key."""

import numpy as np
import polars as pl
import pytest

from data_prep.mixing.exact_duplicates import first_of_equal, keys_of


def first_of(texts: list[str], alive: list[bool]) -> list[int]:
    return first_of_equal(*keys_of(pl.Series(texts, dtype=pl.String)), np.array(alive, dtype=bool)).tolist()


def test_each_row_points_to_the_first_with_the_same_text() -> None:
    assert first_of(["a", "b", "a", "c", "b", "a"], [True] * 6) == [0, 1, 0, 3, 1, 0]


def test_case_and_spaces_make_another_text() -> None:
    assert first_of(["a b", "A b", "a  b", "a b "], [True] * 4) == [0, 1, 2, 3]


def test_rows_not_alive_are_neither_found_nor_compared() -> None:
    assert first_of(["a", "a", "a", "b", "b"], [False, True, True, True, False]) == [0, 1, 1, 3, 4]


@pytest.mark.parametrize("alive", [[], [False], [True]])
def test_there_may_be_no_rows(alive: list[bool]) -> None:
    assert first_of(["a"] * len(alive), alive) == list(range(len(alive)))


def test_keys_differ_in_either_half_alone() -> None:
    high = np.array([1, 1, 2, 1], dtype=np.uint64)
    low = np.array([1, 2, 1, 1], dtype=np.uint64)
    assert first_of_equal(high, low, np.ones(4, dtype=bool)).tolist() == [0, 1, 2, 0]


def test_many_rows_are_as_a_dictionary_finds_them() -> None:
    texts = [f"text {number}" for number in np.random.default_rng(0).integers(0, 700, 2000)]
    seen: dict[str, int] = {}
    assert first_of(texts, [True] * 2000) == [seen.setdefault(text, row) for row, text in enumerate(texts)]
