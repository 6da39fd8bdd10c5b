"""Texts become words, and words hashes, that are equal where and only where the words are."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from data_prep.mixing.words import hashes_at, joined, run_hashes, runs_start, word_table, words_of

TEXTS = [
    "It's 5 o'clock, Dr. O_Brien!",
    "",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
    "日本語 and English",
    "   ",
    "supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopic",
    "ไทย x",
    "naïve CAFÉ don\u2019t",
    "tab\tline\nend",
    "İstanbul ΣΊΣΥΦΟΣ",
]


def test_case_punctuation_and_white_space_do_not_count() -> None:
    first, second = words_of(["Hello,  WORLD -- it's me", "hello world\nit s (me)"]).to_list()
    assert first == second == ["hello", "world", "it", "s", "me"]


def test_scripts_without_spaces_have_a_word_a_character() -> None:
    assert words_of(["日本 ok"]).to_list() == [["日", "本", "ok"]]


def test_hashes_are_equal_exactly_where_words_are() -> None:
    table, words = word_table(TEXTS * 2), words_of(TEXTS * 2)
    assert table.counts.tolist() == words.list.len().to_list()
    flat = words.filter(words.list.len() > 0).explode().to_list()
    meaning = dict(zip(flat, table.hashes.tolist(), strict=True))
    assert [meaning[word] for word in flat] == table.hashes.tolist()
    assert len(set(meaning.values())) == len(meaning)


def test_texts_that_differ_in_length_alone_have_other_hashes() -> None:
    pieces = ["a" * length for length in range(1, 60)] + ["a" * 8 + "\x01", "a\x00b"]
    hashes = word_table(pieces[:59]).hashes
    assert len(set(hashes.tolist())) == 59


def test_a_text_has_the_same_hashes_whatever_stands_beside_it() -> None:
    alone = np.concatenate([word_table([text]).hashes for text in TEXTS])
    np.testing.assert_array_equal(word_table(TEXTS).hashes, alone)


def test_no_texts_and_texts_without_words_have_no_words() -> None:
    assert word_table([]).starts.tolist() == [0]
    assert word_table(["", "...", "«»"]).starts.tolist() == [0, 0, 0, 0]


def test_another_process_makes_the_same_hashes() -> None:
    code = "from data_prep.mixing.words import word_table; print(word_table(['Ünder one roof']).hashes.tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(word_table(["Ünder one roof"]).hashes.tolist())


def test_taken_rows_are_the_words_of_those_texts() -> None:
    rows = np.array([5, 0, 1, 5])
    taken, wanted = word_table(TEXTS).take(rows), word_table([TEXTS[row] for row in rows])
    np.testing.assert_array_equal(taken.hashes, wanted.hashes)
    np.testing.assert_array_equal(taken.starts, wanted.starts)


def test_joined_tables_are_the_words_of_the_joined_texts() -> None:
    other = TEXTS[::-1]
    both, wanted = joined(word_table(TEXTS), word_table(other)), word_table(pl.Series(TEXTS) + "\n" + pl.Series(other))
    np.testing.assert_array_equal(both.hashes, wanted.hashes)
    np.testing.assert_array_equal(both.starts, wanted.starts)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13])
def test_runs_of_equal_words_have_equal_hashes_wherever_they_stand(length: int) -> None:
    run = " ".join(f"word{number}" for number in range(length))
    table = word_table([f"before it {run} after", f"{run}", "short"])
    hashes = run_hashes(table, length)
    assert hashes[2] == hashes[table.starts[1]] == hashes_at(table.hashes, np.array([2]), length)[0]
    assert len(set(hashes[runs_start(table, length)].tolist())) == len(runs_start(table, length)) - 1


@pytest.mark.parametrize("length", [1, 2, 4])
def test_runs_stay_within_their_text(length: int) -> None:
    table = word_table(["a b c", "", "d", "e f g h"])
    ends = table.starts[1:]
    wanted = [
        place
        for text, end in zip(table.starts, ends, strict=False)
        for place in range(text, end)
        if place + length <= end
    ]
    assert runs_start(table, length).tolist() == wanted


def test_a_run_in_another_order_has_another_hash() -> None:
    hashes = run_hashes(word_table(["a b c", "a c b", "b a c"]), 3)
    assert len({hashes[place] for place in (0, 3, 6)}) == 3


def test_runs_longer_than_all_words_are_none() -> None:
    table = word_table(["a b"])
    assert len(run_hashes(table, 3)) == 0
    assert len(runs_start(table, 3)) == 0
