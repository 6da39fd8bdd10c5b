"""Which of the clean rows are used: caps of a source, then the budget by the weights of the sources.

Rows are drawn at random from a generator of the source's own, so that a change of one source leaves the others' draw.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.config import Mix
from data_prep.sampling.budget import best_that_fit, divide_budget, whole_parts
from data_prep.sampling.rows import generator
from data_prep.sources.mix_config import MixSource, name_of

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def within_caps(source: MixSource, tokens: Integers, seed: int) -> tuple[Flags, NDArray[np.float64]]:
    """Which rows of a source its own caps let through, and the key by which they were drawn (largest first)."""
    keys = generator(seed, f"mix {name_of(source)}").random(len(tokens))
    kept = np.ones(len(tokens), dtype=bool)
    if source.max_rows is not None:
        kept &= best_that_fit(keys, np.ones(len(tokens)), source.max_rows)
    if source.max_tokens is not None:
        allowed = np.flatnonzero(kept)
        kept[allowed] = best_that_fit(keys[allowed], tokens[allowed].astype(np.float64), source.max_tokens)
    return kept, keys


def within_budget(mix: Mix, costs: Sequence[NDArray[np.float64]], keys: Sequence[NDArray[np.float64]]) -> list[Flags]:
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
