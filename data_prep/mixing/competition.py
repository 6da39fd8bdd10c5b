"""The rows of a competition -> the training rows that have the same input.

Inputs are compared whole; case, white space and the way a character is encoded (NFC) do not count. An entailment input
(`Sentence A: ... Sentence B: ...`) also counts as its second sentence alone, and as both without what stands before
them: the competition's files hold the two in columns of their own. Rows that only share a part with one are those of
`data_prep.mixing.decontaminate`. `premise_or_input` is for the split, which keeps rows of one premise together.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel

from data_prep.mixing.decontaminate import EvalRow
from data_prep.same_input import normalised
from oneday.buzuzu_mavi import entailment_input
from oneday.files import read_json, write_json

BEFORE, BETWEEN, _ = re.split("[\0\1]", entailment_input("\0", "\1"))
Flags = NDArray[np.bool_]


class CompetitionFound(BaseModel):
    """What a part has of one set: so many of its `rows`; `hit` are the numbers of the set's rows that were found."""

    rows: int
    hit: list[int]


@dataclass(frozen=True)
class CompetitionIndex:
    """The set of each row, and the numbers of the rows that have a text."""

    sets: Sequence[str]
    numbers: dict[str, list[int]]


def comparable(text: str) -> str:
    """The text without case and white space, each character composed (NFC)."""
    return normalised(unicodedata.normalize("NFC", text))


def forms_of(text: str) -> list[str]:
    """The texts as which an input counts, ready to be compared: itself, and of two sentences the second, and both."""
    if (sentences := _sentences(text)) is None:
        return [comparable(text)]
    premise, hypothesis = sentences
    return [comparable(text), comparable(hypothesis), comparable(f"{premise} {hypothesis}")]


def premise_or_input(text: str) -> str:
    """Of an input of two sentences the first, of any other all of it, ready to be compared."""
    sentences = _sentences(text)
    return comparable(text if sentences is None else sentences[0])


def _sentences(text: str) -> tuple[str, str] | None:
    """Premise and hypothesis of an entailment input; None for another one."""
    stripped = text.strip()
    premise, between, hypothesis = stripped.removeprefix(BEFORE).rpartition(BETWEEN)
    return (premise, hypothesis) if between and stripped.startswith(BEFORE) else None


def save_competition(rows: Sequence[EvalRow], path: Path) -> None:
    """Write the rows as `find_competition` reads them."""
    write_json(path, [(row.eval_set, comparable(row.text)) for row in rows])


def find_competition(inputs: pl.Series, path: Path) -> tuple[Flags, dict[str, CompetitionFound]]:
    """Which inputs are those of a row that `save_competition` wrote, and what was found, by set."""
    index = _index(path)
    flags = np.zeros(len(inputs), dtype=bool)
    found: dict[str, CompetitionFound] = {}
    for place, text in enumerate(inputs):
        hit = sorted({number for form in forms_of(text) for number in index.numbers.get(form, ())})
        for name in dict.fromkeys(index.sets[number] for number in hit):
            of_set = found.setdefault(name, CompetitionFound(rows=0, hit=[]))
            of_set.rows += 1
            of_set.hit.extend(number for number in hit if index.sets[number] == name)
        flags[place] = bool(hit)
    for of_set in found.values():
        of_set.hit = sorted(set(of_set.hit))
    return flags, found


@cache
def _index(path: Path) -> CompetitionIndex:
    rows = read_json(path, list[tuple[str, str]])
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, (_, text) in enumerate(rows):
        if text:
            numbers[text].append(number)
    return CompetitionIndex([name for name, _ in rows], dict(numbers))


def forget_competition() -> None:
    """Read the rows anew when they are next asked for."""
    _index.cache_clear()
