"""Candidates: which pairs of rows are formed from buckets, and how many at the most."""

import numpy as np
import pytest

from data_prep.mixing.candidates import DEPTH, Keys, Pairs, candidate_pairs


def pairs_of(bands: list[Keys]) -> list[tuple[int, int]]:
    pairs = candidate_pairs(lambda number: bands[number], len(bands), lambda pairs: pairs)
    return list(zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True))


def hashed(numbers: list[int]) -> Keys:
    return np.array(numbers, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def test_every_pair_of_a_small_bucket_is_formed_once_in_the_order_of_the_later_row() -> None:
    assert pairs_of([hashed([5, 9, 5, 8, 5])]) == [(0, 2), (0, 4), (2, 4)]
    assert pairs_of([hashed([5, 9, 5]), hashed([7, 1, 7])]) == [(0, 2)]


def test_a_row_of_a_large_bucket_is_paired_with_the_first_and_the_one_before() -> None:
    assert pairs_of([hashed([3] * 5)]) == [(0, 1), (0, 2), (1, 2), (0, 3), (2, 3), (0, 4), (3, 4)]


def test_a_large_bucket_is_divided_by_the_next_band() -> None:
    ones, tens = hashed([row % 10 for row in range(200)]), hashed([row // 10 % 10 for row in range(200)])
    assert {(row, row + 100) for row in range(100)} <= set(pairs_of([ones, tens]))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_make_no_pairs(rows: int) -> None:
    assert pairs_of([hashed([4] * rows)] * 2) == []


def test_rows_that_all_agree_cost_at_most_two_pairs_a_row_a_band_and_a_division() -> None:
    formed: list[int] = []

    def counted(pairs: Pairs) -> Pairs:
        formed.append(len(pairs))
        return pairs

    candidate_pairs(lambda number: hashed([number] * 500), 6, counted)
    assert len(formed) == 6 * DEPTH
    assert max(formed) < 2 * 500


def test_only_what_is_worth_it_is_kept() -> None:
    pairs = candidate_pairs(lambda number: hashed([3] * 4), 2, lambda pairs: pairs.take(pairs.earlier > 0))
    assert pairs.earlier.tolist() == [1, 2]


def test_the_earlier_row_has_the_lower_number_in_divided_buckets_too() -> None:
    bands = np.random.default_rng(0).integers(0, 4, (5, 400))
    pairs = pairs_of([hashed(band) for band in bands.tolist()])
    assert len(pairs) > 1000
    assert all(earlier < later for earlier, later in pairs)
    assert all((bands[:, earlier] == bands[:, later]).any() for earlier, later in pairs)
