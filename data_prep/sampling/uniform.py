"""The baseline: as many rows of every task as the budget allows, drawn at random whatever the model answered.

Each task's rows are put in a random order; the first of every task are taken, then the second of every task, and so
on, until the budget is full. So what a small task cannot give goes to the others.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.sampling.budget import best_that_fit
from data_prep.sampling.config import SampleUniform
from data_prep.sampling.rows import Choice, Flags, Floats, Integers, TaskRows, TokenCounter, generator

DEPTH = 16  # rows of each task whose tokens are counted first; doubled until the budget is full


class Shuffled(NamedTuple):
    """The usable rows of one task in random order. `late` parts rows of equal place, between 0 and 1."""

    task: TaskRows
    positions: Integers
    late: float
    dropped: Counter[str]


class UniformRule:
    """All tasks alike, within the budget."""

    def __init__(self, config: SampleUniform, count_tokens: TokenCounter) -> None:
        self.config = config
        self.count_tokens = count_tokens

    def choose(self, tasks: Sequence[TaskRows], seed: int) -> dict[str, Choice]:
        """See `SamplingRule.choose`."""
        shuffled = [self._shuffled(task, seed) for task in sorted(tasks, key=lambda task: task.name)]
        taken = self._by_rows(shuffled) if self.config.budget.tokens is None else self._by_tokens(shuffled)
        return {some.task.name: _choice(some, flags) for some, flags in zip(shuffled, taken, strict=True)}

    def _shuffled(self, task: TaskRows, seed: int) -> Shuffled:
        """A task's usable rows in the order in which they are taken, and what is dropped before any draw."""
        several = self.config.single_reference & (task.references > 1)
        long = ~several & (task.input_words > self.config.max_input_words)
        random = generator(seed, task.name)
        dropped = Counter(several_references=int(several.sum()), input_too_long=int(long.sum()))
        return Shuffled(task, random.permutation(np.flatnonzero(~several & ~long)), float(random.random()), dropped)

    def _by_rows(self, shuffled: Sequence[Shuffled]) -> list[Flags]:
        ones = [np.ones(len(some.positions)) for some in shuffled]
        return _first_that_fit(shuffled, ones, self.config.budget.rows or 0)

    def _by_tokens(self, shuffled: Sequence[Shuffled]) -> list[Flags]:
        """Tokens are counted of as many first rows of each task as fill the budget, or of all that there are."""
        budget, depth = self.config.budget.tokens or 0, DEPTH
        while True:
            first = [some._replace(positions=some.positions[:depth]) for some in shuffled]
            cost = [self.count_tokens(some.task, some.positions).astype(np.float64) for some in first]
            everything = all(depth >= len(some.positions) for some in shuffled)
            if everything or sum(float(tokens.sum()) for tokens in cost) >= budget:
                return _first_that_fit(first, cost, budget)
            depth *= 2


def _first_that_fit(shuffled: Sequence[Shuffled], cost: Sequence[Floats], budget: float) -> list[Flags]:
    """Which rows of each task are taken: by their place in their task's order, as far as they fit together."""
    if not shuffled:
        return []
    keys = [-np.arange(len(some.positions)) - some.late for some in shuffled]
    fits = best_that_fit(np.concatenate(keys), np.concatenate(cost), budget)
    return np.split(fits, np.cumsum([len(some.positions) for some in shuffled])[:-1])


def _choice(some: Shuffled, flags: Flags) -> Choice:
    positions = np.sort(some.positions[: len(flags)][flags])
    some.dropped["over_budget"] = len(some.positions) - len(positions)
    right = int((some.task.score[positions] >= 1).sum())
    return Choice(positions, some.dropped, f"at random: {len(positions) - right} wrong, {right} right")
