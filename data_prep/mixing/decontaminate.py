"""Evaluation rows -> an index on disk -> the training rows that hold a part of one.

The rule is that of `Decontaminate` in data_prep/mixing/config.py. Texts are compared by hashes of runs of words; what
is found that way is compared again word by word. Nothing is changed or dropped here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from data_prep.mixing.config import Decontaminate
from data_prep.mixing.eval_runs import (
    Half,
    counted_runs,
    half_hashes,
    halves_of,
    holed_texts,
    mark,
    numbered_texts,
    small_sizes,
    whole_texts,
    without,
)
from data_prep.mixing.hash_lookup import Flags, HashLookup, bitmap, load_array, may_hold
from data_prep.mixing.words import (
    BLOCK,
    Bytes,
    Hashes,
    Integers,
    WordTable,
    hashes_at,
    rolling,
    starts_of,
    word_table,
)
from oneday.files import read_json, write_json

NONE = np.zeros(0, dtype=np.int64)
LOOKUPS, ARRAYS = ("long", "short", "whole", "holed"), ("hashes", "starts", "texts", "halves", "seeds")


class EvalRow(NamedTuple):
    """A row of an evaluation set, and the text of it that must not be trained on."""

    eval_set: str
    id: str
    text: str


class Hit(NamedTuple):
    """The longest part of an evaluation set that a training row holds; of equally long ones the first.

    `words` words of the training row, from `first_word` on, are shared with evaluation row `eval_row`; in a short
    text one of them may be another. `eval_rows` are all rows of the set that the training row holds a part of.
    """

    row: int
    eval_row: int
    first_word: int
    words: int
    eval_rows: tuple[int, ...]


class Shared(NamedTuple):
    """Parts in common, as columns: `words` words from `first` of the table and from `place` of the evaluation words.

    `texts` are numbers of evaluation texts.
    """

    rows: Integers
    texts: Integers
    first: Integers
    place: Integers
    words: Integers

    def at(self, chosen: Integers | Flags) -> "Shared":
        """The chosen ones."""
        return Shared(*(column[chosen] for column in self))


@dataclass(frozen=True)
class EvalIndex:
    """Evaluation rows, ready to be looked for: `words` of the different texts, and in `texts` which one a row has.

    `long` and `short` hold the runs of `ngram` and of `short_ngram` words that count; `whole` all texts of at most
    2 * `short_ngram` words, and `holed` those of them that have `short_ngram` words, with one word left out. `halves`
    are bitmaps of their halves, `seeds` of the first words of these: where they are, a whole text may be.
    """

    rows: Sequence[EvalRow]
    ngram: int
    short_ngram: int
    words: WordTable
    texts: Integers
    long: HashLookup
    short: HashLookup
    whole: HashLookup
    holed: HashLookup
    halves: Bytes
    seeds: Bytes

    @classmethod
    def build(cls, rows: Sequence[EvalRow], config: Decontaminate) -> "EvalIndex":
        """The index of these rows."""
        all_words = word_table([row.text for row in rows])
        texts = numbered_texts(all_words)
        words = all_words.take(np.unique(texts, return_index=True)[1])
        short, most, is_long = config.short_ngram, config.max_eval_rows, words.counts > 2 * config.ngram
        halves = list(half_hashes(words, short))
        return cls(
            rows=rows,
            ngram=config.ngram,
            short_ngram=short,
            words=words,
            texts=texts,
            long=counted_runs(words, config.ngram, is_long, most),
            short=counted_runs(words, short, ~is_long, most),
            whole=whole_texts(words, short),
            holed=holed_texts(words, short, most),
            halves=bitmap(np.concatenate([whole for whole, _ in halves])),
            seeds=bitmap(np.concatenate([seed for _, seed in halves])),
        )

    def save(self, folder: Path) -> None:
        """Write the index to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in LOOKUPS:
            getattr(self, name).save(folder, name)
        arrays = (self.words.hashes, self.words.starts, self.texts, self.halves, self.seeds)
        for name, array in zip(ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", np.asarray(array), allow_pickle=False)
        (folder / "rows.json").write_bytes(orjson.dumps([list(row) for row in self.rows]))
        write_json(folder / "index.json", {"ngram": self.ngram, "short_ngram": self.short_ngram})

    @classmethod
    def load(cls, folder: Path) -> "EvalIndex":
        """The index that `save` wrote. Its arrays stay on disk until they are needed; processes share them."""
        hashes, starts, texts, halves, seeds = (load_array(folder / f"{name}.npy") for name in ARRAYS)
        long, short, whole, holed = (HashLookup.load(folder, name) for name in LOOKUPS)
        rows = [EvalRow(*row) for row in orjson.loads((folder / "rows.json").read_bytes())]
        lengths = read_json(folder / "index.json", dict[str, int])
        words = WordTable(hashes, starts)
        return cls(
            rows, lengths["ngram"], lengths["short_ngram"], words, texts, long, short, whole, holed, halves, seeds
        )

    def find(self, table: WordTable, inputs: WordTable) -> list[Hit]:
        """What training rows hold of the evaluation rows: a hit for each row and evaluation set, in this order.

        `table` has all words of a training row, `inputs` those of its input alone.
        """
        parts = [self._whole_inputs(table, inputs)]
        seeds = []
        for block in range(0, len(table.hashes), BLOCK):
            words = table.hashes[block : block + BLOCK + self.ngram - 1]
            for lookup, length in ((self.long, self.ngram), (self.short, self.short_ngram)):
                run, place = lookup.find(rolling(words, length)[:BLOCK])
                parts.append(self._shared_runs(table, run + block, place, length))
            seed = rolling(words, self.short_ngram // 2)[:BLOCK]
            seeds.append(np.flatnonzero(may_hold(self.seeds, seed)) + block)
        parts.append(self._whole_texts(table, np.concatenate([NONE, *seeds])))
        return self._best(table, _merged(_joined(parts)))

    def _shared_runs(self, table: WordTable, first: Integers, place: Integers, length: int) -> Shared:
        """Of pairs of runs whose hashes are equal, those that are equal; where they overlap, as one."""
        rows = _text_of(table, first)
        same = _differences(table.hashes, first, self.words.hashes, place, length) == 0
        same &= first + length <= table.starts[rows + 1]
        words = np.full(len(rows), length)
        return _merged(Shared(rows, _text_of(self.words, place), first, place, words).at(same))

    def _whole_texts(self, table: WordTable, seeds: Integers) -> Shared:
        """Short texts that stand whole in a row, with at most one word exchanged."""
        starts, numbers = [NONE], [NONE]
        for half, first in self._near_halves(table, seeds):
            whole = hashes_at(table.hashes, first, half.text)
            pairs = [self.whole.find(whole + mark(half.text))]
            for hole in half.other:
                pairs.append(self.holed.find(without(whole, table.hashes[first + hole], half.text, hole)))
            starts += [first[run] for run, _ in pairs]
            numbers += [text for _, text in pairs]
        first, texts = np.concatenate(starts), np.concatenate(numbers)
        place, words = self.words.starts[texts], self.words.counts[texts]
        alike = _differences(table.hashes, first, self.words.hashes, place, words) <= 1
        return Shared(_text_of(table, first), texts, first, place, words).at(alike)

    def _near_halves(self, table: WordTable, seeds: Integers) -> Iterator[tuple[Half, Integers]]:
        """For each kind of half: where texts begin, within a row, that may have such a half of an evaluation text."""
        rows = _text_of(table, seeds)
        begin, end = table.starts[rows], table.starts[rows + 1]
        for size in small_sizes(self.short_ngram):
            for half in halves_of(size):
                first = seeds - half.begin
                inside = np.flatnonzero((first >= begin) & (first + size <= end))
                hashes = hashes_at(table.hashes, seeds[inside], half.words) + half.mark
                yield half, first[inside[may_hold(self.halves, hashes)]]

    def _whole_inputs(self, table: WordTable, inputs: WordTable) -> Shared:
        """Texts that are too short for all else and are the whole input of a row."""
        found, numbers = [NONE], [NONE]
        for size in range(1, self.short_ngram):
            of_size = np.flatnonzero(inputs.counts == size)
            run, text = self.whole.find(hashes_at(inputs.hashes, inputs.starts[of_size], size) + mark(size))
            found.append(of_size[run])
            numbers.append(text)
        rows, texts = np.concatenate(found), np.concatenate(numbers)
        place, words = self.words.starts[texts], self.words.counts[texts]
        same = _differences(inputs.hashes, inputs.starts[rows], self.words.hashes, place, words) == 0
        first = np.array([_place_of_input(table, inputs, row) for row in rows.tolist()], dtype=np.int64)
        return Shared(rows, texts, first, place, words).at(same)

    def _best(self, table: WordTable, parts: Shared) -> list[Hit]:
        parts = _longest(parts)
        parts, eval_rows = self._with_eval_rows(parts)
        sets = self._set_numbers[eval_rows]
        order = np.lexsort((eval_rows, parts.first, -parts.words, sets, parts.rows))
        parts, sets, eval_rows = parts.at(order), sets[order], eval_rows[order]
        begins = np.flatnonzero((np.diff(parts.rows, prepend=-1) != 0) | (np.diff(sets, prepend=-1) != 0))
        return [
            Hit(
                row=int(parts.rows[begin]),
                eval_row=int(eval_rows[begin]),
                first_word=int(parts.first[begin] - table.starts[parts.rows[begin]]),
                words=int(parts.words[begin]),
                eval_rows=tuple(np.sort(eval_rows[begin:end]).tolist()),
            )
            for begin, end in pairwise([*begins.tolist(), len(sets)])
        ]

    def _with_eval_rows(self, parts: Shared) -> tuple[Shared, Integers]:
        """The parts, and for each an evaluation row: every row that has the text."""
        counts = np.bincount(self.texts, minlength=len(self.words))
        begins, repeated = starts_of(counts), np.repeat(np.arange(len(parts.rows)), counts[parts.texts])
        within = np.arange(len(repeated)) - np.repeat(starts_of(counts[parts.texts])[:-1], counts[parts.texts])
        parts = parts.at(repeated)
        return parts, np.argsort(self.texts, kind="stable")[begins[parts.texts] + within]

    @cached_property
    def _set_numbers(self) -> Integers:
        numbers = {name: number for number, name in enumerate(dict.fromkeys(row.eval_set for row in self.rows))}
        return np.array([numbers[row.eval_set] for row in self.rows], dtype=np.int64)


def _joined(parts: Sequence[Shared]) -> Shared:
    return Shared(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _merged(parts: Shared) -> Shared:
    """Parts of the same row and text that overlap, at the same distance, as one."""
    shift = parts.first - parts.place
    order = np.lexsort((-parts.words, parts.first, shift, parts.texts, parts.rows))
    parts, shift = parts.at(order), shift[order]
    ends = parts.first + parts.words
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(shift) != 0) | (np.diff(parts.texts) != 0) | (np.diff(parts.rows) != 0)
    begins[1:] |= parts.first[1:] > ends[:-1]
    first = np.flatnonzero(begins)
    if not len(first):
        return parts
    return parts.at(first)._replace(words=np.maximum.reduceat(ends, first) - parts.first[first])


def _longest(parts: Shared) -> Shared:
    """For each row and text the longest part, of equally long ones the first."""
    parts = parts.at(np.lexsort((parts.first, -parts.words, parts.texts, parts.rows)))
    return parts.at((np.diff(parts.rows, prepend=-1) != 0) | (np.diff(parts.texts, prepend=-1) != 0))


def _text_of(table: WordTable, places: Integers) -> Integers:
    """Which text the words at these places belong to."""
    return np.searchsorted(table.starts, places, side="right") - 1


def _differences(left: Hashes, at_left: Integers, right: Hashes, at_right: Integers, words: Integers | int) -> Integers:
    """How many of so many words are not the same, for each pair of places."""
    count = np.zeros(len(at_left), dtype=np.int64)
    for word in range(np.max(words, initial=0)):
        differ = left.take(at_left + word, mode="clip") != right.take(at_right + word, mode="clip")
        count += differ & (word < words)
    return count


def _place_of_input(table: WordTable, inputs: WordTable, row: int) -> int:
    """The first place in the table at which the whole input of a row stands."""
    words = inputs.hashes[inputs.starts[row] : inputs.starts[row + 1]]
    all_words = table.hashes[table.starts[row] : table.starts[row + 1]]
    windows = np.lib.stride_tricks.sliding_window_view(all_words, len(words))
    return int(table.starts[row] + np.argmax((windows == words).all(axis=1)))
