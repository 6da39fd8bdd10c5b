"""Quotas: caps of a source first, then the budget by weight; what one source cannot fill goes to the others."""

from typing import Any

import numpy as np
import pytest

from data_prep.mixing.config import Mix
from data_prep.mixing.quotas import draw_keys, within_answer_cap, within_budget, within_caps, within_joint_cap


def mix(*sources: dict[str, Any], **changes: Any) -> Mix:
    named = [
        {"source": "table", "licence": "none", "path": "p", "name": f"s{n}"} | own for n, own in enumerate(sources)
    ]
    fields = {"question_answer": {"question": "q", "answer": "a"}}
    return Mix.model_validate(
        {
            "sources": [source | fields for source in named],
            "min_input_words": 0,
            "max_input_words": 10,
            "exact_duplicates": "input",
            "eval_share": 0.1,
        }
        | changes
    )


def test_a_row_cap_draws_that_many_rows_and_another_seed_draws_others() -> None:
    (source,) = mix({"max_rows": 40}).sources
    tokens = np.ones(100, dtype=np.int64)
    first, again, other = (within_caps(source, tokens, draw_keys(source, 100, seed)) for seed in (1, 1, 2))
    assert first.sum() == other.sum() == 40
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_cap_above_what_there_is_takes_everything() -> None:
    (source,) = mix({"max_rows": 500, "max_tokens": 10**9}).sources
    assert within_caps(source, np.full(100, 7), draw_keys(source, 100, 1)).all()


def test_a_token_cap_is_filled_but_never_exceeded() -> None:
    (source,) = mix({"max_tokens": 1000}).sources
    tokens = np.random.default_rng(0).integers(1, 60, 200)
    kept = within_caps(source, tokens, draw_keys(source, 200, 1))
    assert 940 < tokens[kept].sum() <= 1000


def test_both_caps_hold_at_once() -> None:
    (source,) = mix({"max_rows": 50, "max_tokens": 120}).sources
    kept = within_caps(source, np.full(100, 5), draw_keys(source, 100, 1))
    assert kept.sum() == 24


def test_a_cap_on_each_answer_takes_the_first_rows_of_each() -> None:
    (source,) = mix({"max_rows_per_answer": 3}).sources
    answers = np.array([7, 2**64 - 1, 0] * 10 + [5, 5], dtype=np.uint64)
    assert np.flatnonzero(within_answer_cap(source, answers)).tolist() == [*range(9), 30, 31]


@pytest.mark.parametrize("most", [None, 4])
def test_a_cap_on_each_answer_above_what_there_is_takes_everything(most: int | None) -> None:
    (source,) = mix({"max_rows_per_answer": most}).sources
    for rows in (0, 1, 4):
        assert within_answer_cap(source, np.zeros(rows, dtype=np.uint64)).sum() == rows


def test_a_joint_cap_draws_from_its_sources_as_if_they_were_one() -> None:
    (cap,) = mix({}, {}, joint_caps=[{"sources": ["s0", "s1"], "max_rows": 300}]).joint_caps
    first, second = within_joint_cap(cap, [900, 300], 1)
    assert (len(first), len(second)) == (900, 300)
    assert first.sum() + second.sum() == 300
    assert 195 < first.sum() < 255  # 225 expected, with a standard deviation of 6.5
    again, other = within_joint_cap(cap, [900, 300], 1), within_joint_cap(cap, [900, 300], 2)
    assert again[0].tolist() == first.tolist() != other[0].tolist()


def test_a_joint_cap_above_what_there_is_takes_everything_and_an_empty_source_gives_nothing() -> None:
    (cap,) = mix({}, {}, joint_caps=[{"sources": ["s0", "s1"], "max_rows": 300}]).joint_caps
    assert [flags.tolist() for flags in within_joint_cap(cap, [2, 0], 1)] == [[True, True], []]


@pytest.mark.parametrize(
    ("weights", "available", "budget", "taken"),
    [
        pytest.param((1, 1), (100, 100), 60, [30, 30], id="equal weights"),
        pytest.param((3, 1), (100, 100), 60, [45, 15], id="three to one"),
        pytest.param((3, 1), (20, 100), 60, [20, 40], id="what the first lacks goes to the second"),
        pytest.param((1, 1), (20, 10), 60, [20, 10], id="a budget above all that there is"),
        pytest.param((1, 1, 1), (0, 50, 50), 41, [0, 21, 20], id="an empty source, a row that cannot be parted"),
    ],
)
def test_a_row_budget_is_parted_by_weight(
    weights: tuple[int, ...], available: tuple[int, ...], budget: int, taken: list[int]
) -> None:
    config = mix(*({"weight": weight} for weight in weights), budget={"rows": budget})
    keys = [np.random.default_rng(n).random(count) for n, count in enumerate(available)]
    kept = within_budget(config, [np.ones(count) for count in available], keys)
    assert [int(flags.sum()) for flags in kept] == taken


def test_a_token_budget_is_filled_but_never_exceeded() -> None:
    config = mix({"weight": 3}, {"weight": 1}, budget={"tokens": 4000})
    costs = [np.random.default_rng(n).integers(5, 50, 500).astype(np.float64) for n in (1, 2)]
    kept = within_budget(config, costs, [np.random.default_rng(n).random(500) for n in (3, 4)])
    first, second = (float(cost[flags].sum()) for cost, flags in zip(costs, kept, strict=True))
    assert 2950 < first <= 3000
    assert 950 < second <= 1000


def test_without_a_budget_everything_is_taken() -> None:
    assert [flags.all() for flags in within_budget(mix({}, {}), [np.ones(3)] * 2, [np.ones(3)] * 2)] == [True, True]
