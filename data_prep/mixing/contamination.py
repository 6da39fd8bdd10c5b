"""Which rows of a part hold a piece of an evaluation row, and how the report shows it."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel

from data_prep.mixing.decontaminate import EvalIndex, Hit
from data_prep.mixing.marks import excerpt, sharing
from data_prep.mixing.records import ContaminationExample
from data_prep.mixing.words import WordTable, joined, word_table, words_of

SHOWN_CHARACTERS = 600
EXAMPLES_OF_A_PART = 3  # for each evaluation set
Flags = NDArray[np.bool_]


class Contaminated(BaseModel):
    """What a part's rows hold of one evaluation set. `hit` are the numbers of its rows that were found."""

    rows: int
    hit: list[int]
    examples: list[ContaminationExample]


def find_contaminated(frame: pl.DataFrame, inputs: WordTable, folder: Path) -> tuple[Flags, dict[str, Contaminated]]:
    """Which rows hold a part of an evaluation row, and what was found, by evaluation set.

    `inputs` are the words of the rows' inputs, `folder` holds the index. Instruction, input and answer are looked at.
    """
    index = _eval_index(folder)
    table = joined(_words_by_value(frame["instruction"]), inputs, word_table(frame["answer"]))
    found: dict[str, Contaminated] = {}
    flags = np.zeros(len(frame), dtype=bool)
    for hit in index.find(table, inputs):
        name = index.rows[hit.eval_row].eval_set
        of_set = found.setdefault(name, Contaminated(rows=0, hit=[], examples=[]))
        of_set.rows += 1
        of_set.hit.extend(hit.eval_rows)
        if len(of_set.examples) < EXAMPLES_OF_A_PART:
            of_set.examples.append(contamination_example(frame, hit, index))
        flags[hit.row] = True
    for of_set in found.values():
        of_set.hit = sorted(set(of_set.hit))
    return flags, found


def _words_by_value(texts: pl.Series) -> WordTable:
    """The words of texts of which many are the same."""
    places = texts.rank("dense").to_numpy().astype(np.int64) - 1
    return word_table(texts.unique().sort()).take(places)


def contamination_example(frame: pl.DataFrame, hit: Hit, index: EvalIndex) -> ContaminationExample:
    """A hit as the report shows it."""
    whole = "\n".join(frame[column][hit.row] for column in ("instruction", "input", "answer"))
    words = words_of([whole])[0]
    shared = " ".join(words[hit.first_word : hit.first_word + hit.words])
    eval_row = index.rows[hit.eval_row]

    def shown(text: str) -> str:
        return "".join(piece.text for piece in excerpt(sharing(text, shared), SHOWN_CHARACTERS))

    return ContaminationExample(
        source=frame["source"][hit.row],
        id=frame["id"][hit.row],
        input=shown(frame["input"][hit.row]),
        eval_id=eval_row.id,
        eval_text=shown(eval_row.text),
        shared=shared,
    )


@cache
def _eval_index(folder: Path) -> EvalIndex:
    return EvalIndex.load(folder)


def forget_index() -> None:
    """Load the index anew when it is next asked for."""
    _eval_index.cache_clear()
