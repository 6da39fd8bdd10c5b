"""Row lengths -> the micro-batches of an epoch, made by Axolotl's own packer with the recipe's settings.

Without the rows, from the tokens that the recipe's data.yaml plans; then the packing is assumed, and said to be.
"""

import gc
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.config import load_data_config
from oneday.recipe import data_files
from training.planning.activations import Batch
from training.planning.lengths import Lengths, taken_rows
from training.planning.settings import TrainSettings

# Where rows are not known yet. Packing leaves little room when rows are much shorter than what they are packed into.
ASSUMED_FILLED = 0.95
ASSUMED_ROW = 400  # tokens; sways only the attention's share of the work, a few per cent


@dataclass(frozen=True)
class Epoch:
    """How the rows of a split reach the model once. `pairs` are of tokens that attend to one another.

    `micro_batches` counts those of all devices together; `widest` is the largest of them.
    """

    rows: int | None
    long_rows: int
    longest: int | None
    tokens: int
    micro_batches: int
    computed: int
    pairs: float
    widest: Batch
    assumed: bool = False

    @property
    def filled(self) -> float:
        """The share of the computed tokens that are of rows, not padding."""
        return self.tokens / self.computed if self.computed else 0.0


def epoch(lengths: Lengths, settings: TrainSettings, window: int | None, masked: bool, training: bool = True) -> Epoch:
    """The micro-batches of rows of these lengths; rows that are too long are cut, or left out (and counted).

    `window` is the model's sliding window; with `masked`, attention computes all pairs of a row of the batch.
    """
    long = int((lengths > settings.sequence_len).sum())
    longest = int(lengths.max(initial=0))
    if settings.excess_length_strategy == "truncate":
        lengths = np.minimum(lengths, settings.sequence_len)
    lengths = lengths[lengths <= settings.sequence_len]
    packs = settings.sample_packing if training else settings.packs_evaluation
    batches = _packed(lengths, settings, training) if packs else _plain(len(lengths), settings, training)
    widths = [max((int(lengths[row].sum()) for row in batch), default=0) for batch in batches]
    shapes = [Batch(len(batch), _padded(width, settings)) for batch, width in zip(batches, widths, strict=True)]
    taken = lengths[[number for batch in batches for row in batch for number in row]]
    of_squares = float(sum(shape.rows * shape.length**2 for shape in shapes))
    return Epoch(
        rows=len(lengths),
        long_rows=long,
        longest=longest,
        tokens=int(taken.sum()),
        micro_batches=len(batches),
        computed=sum(shape.tokens for shape in shapes),
        pairs=of_squares if masked else _pairs(taken, window),
        widest=_widest(settings, shapes, training),
    )


def _packed(lengths: Lengths, settings: TrainSettings, training: bool) -> list[list[list[int]]]:
    """The batches of Axolotl's sampler, each a list of packed rows; the rows in a seeded random order in training."""
    import torch
    from axolotl.utils.samplers.multipack import MultipackBatchSampler
    from torch.utils.data import RandomSampler, SequentialSampler

    order: RandomSampler | SequentialSampler = RandomSampler(
        lengths, generator=torch.Generator().manual_seed(settings.seed)
    )
    if settings.curriculum_sampling or not training:
        order = SequentialSampler(lengths)
    rows = settings.micro_batch_size if settings.real_batches else 1
    sampler = MultipackBatchSampler(
        order,
        batch_size=rows,
        batch_max_len=settings.micro_batch_size * settings.sequence_len // rows,
        lengths=lengths,
        bin_size=settings.sample_packing_bin_size,
        group_size=settings.sample_packing_group_size,
        sequential=settings.sample_packing_sequentially,
        drop_last=True,
        num_processes=1,
    )
    gc.freeze()  # the sampler collects garbage whenever it packs: 0.4 s for the loaded modules alone
    try:
        len(sampler)  # the least of several random orders, to which Axolotl then cuts every epoch
        return list(sampler)
    finally:
        gc.unfreeze()


def _plain(rows: int, settings: TrainSettings, training: bool) -> list[list[list[int]]]:
    """Batches of rows as they come, shuffled in training; each row stands alone."""
    size = settings.micro_batch_size
    if not training and settings.eval_batch_size is not None:
        size = settings.eval_batch_size
    order = np.random.default_rng(settings.seed).permutation(rows) if training else np.arange(rows)
    return [[[int(number)] for number in order[start : start + size]] for start in range(0, rows, size)]


def _padded(width: int, settings: TrainSettings) -> int:
    multiple = settings.pads_to
    return width if multiple is None else -(-width // multiple) * multiple


def _pairs(lengths: Lengths, window: int | None) -> float:
    """Causal pairs within each row, no further apart than the window."""
    whole = lengths.astype(np.float64)
    near = whole if window is None else np.minimum(whole, window)
    return float((near * (near + 1) / 2 + (whole - near) * near).sum())


def full_batch(settings: TrainSettings, training: bool = True) -> Batch:
    """The largest micro-batch that the settings allow."""
    packs = settings.sample_packing if training else settings.packs_evaluation
    rows = settings.micro_batch_size
    if not training and not packs and settings.eval_batch_size is not None:
        rows = settings.eval_batch_size
    if packs and not settings.real_batches:
        return Batch(1, _padded(rows * settings.sequence_len, settings))
    return Batch(rows, _padded(settings.sequence_len, settings))


def _widest(settings: TrainSettings, shapes: list[Batch], training: bool) -> Batch:
    """The largest batch that any order of the rows gives: full when packed, else the longest rows together."""
    packs = settings.sample_packing if training else settings.packs_evaluation
    if packs or not shapes:
        return full_batch(settings, training)
    return Batch(max(shape.rows for shape in shapes), max(shape.length for shape in shapes))


@dataclass(frozen=True)
class MixPlan:
    """What a recipe's data file says of rows that are not there yet: tokens, of them held out, the longest row."""

    file: str
    tokens: int
    held_out: int
    longest: int | None

    def epochs(self, settings: TrainSettings) -> tuple[Epoch, Epoch]:
        """Training and evaluation, packed as assumed."""
        tested = min(self.held_out, _evaluated(settings))
        train = _planned(self.tokens - self.held_out, self.longest, settings)
        return train, _planned(tested, self.longest, settings, training=False)


def planned_mix(folder: Path) -> MixPlan | None:
    """The plan in the recipe's data.yaml, else in another of its data files; None without a budget in tokens."""
    for path in sorted(data_files(folder), key=lambda path: path.name != "data.yaml"):
        mix = load_data_config(path).mix
        if mix.budget is not None and mix.budget.tokens is not None:
            tokens = mix.budget.tokens
            return MixPlan(path.name, tokens, round(tokens * mix.eval_share), mix.max_tokens)
    return None


def _evaluated(settings: TrainSettings) -> float:
    """The tokens, as assumed, of the rows that `split` of the evaluation sets takes; without end if it takes all."""
    ends = [taken_rows(entry).stop for entry in settings.test_datasets]
    return math.inf if not ends or None in ends else sum(ends) * ASSUMED_ROW


def _planned(tokens: float, longest: int | None, settings: TrainSettings, training: bool = True) -> Epoch:
    """An epoch of so many tokens, packed as assumed."""
    widest = full_batch(settings, training)
    row = min(ASSUMED_ROW, settings.sequence_len)
    packs = settings.sample_packing if training else settings.packs_evaluation
    held = widest.tokens * ASSUMED_FILLED if packs else widest.rows * row
    batches = int(-(-tokens // held))
    computed = batches * widest.tokens if packs and settings.pads_to else tokens
    return Epoch(None, 0, longest, round(tokens), batches, round(computed), tokens * row / 2, widest, assumed=True)
