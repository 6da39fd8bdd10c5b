"""Which of the clean rows are used: caps of a source, caps of several, then the budget by the weights of the sources.

Rows are drawn at random from a generator of the source's own, so that a change of one source leaves the others' draw;
of an answer the first ones are taken, as the stage translate does, so that both have the same rows of a data set.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.config import JointCap, Mix
from data_prep.sampling.budget import best_that_fit, divide_budget, whole_parts
from data_prep.sampling.rows import generator
from data_prep.sources.mix_config import MixSource, name_of

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Keys = NDArray[np.float64]


def draw_keys(source: MixSource, rows: int, seed: int) -> Keys:
    """The numbers by which the rows of a source are drawn, the largest first."""
    return generator(seed, f"mix {name_of(source)}").random(rows)


def within_answer_cap(source: MixSource, answers: NDArray[np.uint64]) -> Flags:
    """Which rows of a source its cap on the rows of each answer lets through: the first ones, as the file has them."""
    most = source.max_rows_per_answer
    kept = np.ones(len(answers), dtype=bool)
    if most is None or len(answers) <= most:
        return kept
    order = np.argsort(answers, kind="stable")
    other_than_last = np.flatnonzero(answers[order][1:] != answers[order][:-1]) + 1
    starts = np.concatenate([[0], other_than_last])
    places = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    kept[order[places >= most]] = False
    return kept


def within_caps(source: MixSource, tokens: Integers, keys: Keys) -> Flags:
    """Which rows of a source its caps on rows and tokens let through."""
    kept = np.ones(len(tokens), dtype=bool)
    if source.max_rows is not None:
        kept &= best_that_fit(keys, np.ones(len(tokens)), source.max_rows)
    if source.max_tokens is not None:
        allowed = np.flatnonzero(kept)
        kept[allowed] = best_that_fit(keys[allowed], tokens[allowed].astype(np.float64), source.max_tokens)
    return kept


def within_joint_cap(cap: JointCap, sizes: Sequence[int], seed: int) -> list[Flags]:
    """Which rows of the sources of a cap it lets through; they have so many rows each, in the order of the mix.

    The draw has numbers of its own: what is left of a source after its caps has the largest of its numbers, and would
    come before the rows of a source without caps.
    """
    keys = generator(seed, f"mix jointly {' '.join(sorted(cap.sources))}").random(sum(sizes))
    kept = best_that_fit(keys, np.ones(len(keys)), cap.max_rows)
    return np.split(kept, np.cumsum(sizes)[:-1])


def within_budget(mix: Mix, costs: Sequence[Keys], keys: Sequence[Keys]) -> list[Flags]:
    """Which rows of each source the budget has room for. A cost is 1 a row, or its tokens.

    A source gets its part by weight; what it cannot fill goes to the others. A part of tokens may end a row short.
    """
    if mix.budget is None:
        return [np.ones(len(cost), dtype=bool) for cost in costs]
    budget = mix.budget.rows if mix.budget.rows is not None else mix.budget.tokens
    assert budget is not None
    weights = np.array([source.weight for source in mix.sources], dtype=np.float64)
    available = np.array([cost.sum() for cost in costs], dtype=np.float64)
    weights[available == 0] = 0
    parts = divide_budget(float(budget), weights, np.zeros(len(costs)), available) if available.any() else available
    if mix.budget.rows is not None:
        parts = whole_parts(parts).astype(np.float64)
    return [best_that_fit(key, cost, float(part)) for key, cost, part in zip(keys, costs, parts, strict=True)]
