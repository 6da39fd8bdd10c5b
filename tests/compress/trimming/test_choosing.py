import string
from collections.abc import Iterable

import numpy as np
import pytest

from compress.trimming.audit import unreachable
from compress.trimming.choosing import UNSEEN, always_kept, choose_by_count, choose_by_size, new_order
from compress.trimming.counting import Counts
from compress.trimming.rewriting import rewrite_tokenizer
from compress.trimming.tokenizer_file import TokenizerFile

TEXTS = ["habari za asubuhi watoto wanacheza mpira", "the children are reading new books", "mutane suna zuwa kasuwa"]


def counts_of(file: TokenizerFile, texts: Iterable[str]) -> Counts:
    file.encoder.no_truncation()
    ids = [number for text in texts for number in file.encoder.encode(text, add_special_tokens=False).ids]
    return np.bincount(ids, minlength=len(file.ids))


def test_exactly_the_wanted_number_stays_and_all_of_it_is_reachable(file: TokenizerFile) -> None:
    counts = counts_of(file, TEXTS)
    least = len(always_kept(file, counts, [0, 1, 2], []).reasons)
    for size in range(least, least + 40):
        chosen = choose_by_size(file, counts, always_kept(file, counts, [0, 1, 2], []), size)
        assert len(chosen.reasons) == size
        kept = new_order(file, chosen.reasons)
        assert unreachable(rewrite_tokenizer(file, kept, None)) == []


def test_too_small_a_size_is_refused_with_the_least_that_works(file: TokenizerFile) -> None:
    counts = counts_of(file, TEXTS)
    chosen = always_kept(file, counts, [0, 1, 2], [])
    least = len(chosen.reasons)
    with pytest.raises(ValueError, match=f"{least - 1} tokens are too few; the least possible is {least}: .*256 byte"):
        choose_by_size(file, counts, chosen, least - 1)
    assert len(choose_by_size(file, counts, chosen, least).reasons) == least


def test_too_large_a_size_is_refused_with_the_largest(file: TokenizerFile) -> None:
    counts = counts_of(file, TEXTS)
    with pytest.raises(ValueError, match=r"100,000 tokens cannot be kept; .* has [\d,]+ that any text can become"):
        choose_by_size(file, counts, always_kept(file, counts, [0], []), 100_000)


def costs(file: TokenizerFile, kept: Iterable[str]) -> dict[int, list[str]]:
    """The tokens by how many would come in with them."""
    found: dict[int, list[str]] = {}
    for token in file.pieces:
        if token not in file.added:
            found.setdefault(len((file.derivation(token) or frozenset()) - set(kept)), []).append(token)
    return found


def test_the_most_frequent_tokens_stay(byte_level: TokenizerFile) -> None:
    counts = np.zeros(len(byte_level.ids), np.int64)
    start = always_kept(byte_level, counts, [0], [])
    frequent, rare, *_ = costs(byte_level, start.reasons)[1]
    counts[byte_level.ids[frequent]], counts[byte_level.ids[rare]] = 5, 4
    chosen = choose_by_size(byte_level, counts, start, len(start.reasons) + 1)
    assert chosen.reasons[frequent] == "count"
    assert rare not in chosen.reasons


def test_a_token_that_does_not_fit_with_its_derivation_is_passed_over(byte_level: TokenizerFile) -> None:
    counts = np.zeros(len(byte_level.ids), np.int64)
    start = always_kept(byte_level, counts, [0], [])
    by_cost = costs(byte_level, start.reasons)
    long, short = by_cost[3][0], by_cost[1][0]
    counts[byte_level.ids[long]], counts[byte_level.ids[short]] = 5, 4
    chosen = choose_by_size(byte_level, counts, start, len(start.reasons) + 1)
    assert short in chosen.reasons
    assert long not in chosen.reasons
    assert chosen.skipped == 1


def test_tokens_of_no_text_fill_up_by_rank(byte_level: TokenizerFile) -> None:
    counts = np.zeros(len(byte_level.ids), np.int64)
    start = always_kept(byte_level, counts, [0], [])
    chosen = choose_by_size(byte_level, counts, start, len(start.reasons) + 2)
    filled = [token for token, reason in chosen.reasons.items() if reason == UNSEEN]
    assert filled == ["".join(pair) for pair in byte_level.pairs[:2]]


def test_a_least_count_keeps_what_occurs_so_often_with_its_derivation(file: TokenizerFile) -> None:
    counts = counts_of(file, TEXTS)
    chosen = choose_by_count(file, counts, always_kept(file, counts, [0], []), 2)
    for token, number in file.ids.items():
        if counts[number] >= 2 and token not in file.added:
            assert file.derivation(token) <= chosen.reasons.keys()
    assert not {token for token, reason in chosen.reasons.items() if reason == "count" and counts[file.ids[token]] < 2}


def test_letters_stay_with_and_without_the_word_mark_and_what_occurs_besides(file: TokenizerFile) -> None:
    counts = np.zeros(len(file.ids), np.int64)
    kept = always_kept(file, counts, [0], []).reasons
    for letter in string.ascii_letters:
        for token in (letter, file.mark + letter):
            assert (token in kept) == (token in file.pieces)
    assert file.mark in kept


def test_kept_texts_stay_whole(file: TokenizerFile) -> None:
    counts = np.zeros(len(file.ids), np.int64)
    ids = file.encoder.encode(" asubuhi", add_special_tokens=False).ids
    chosen = always_kept(file, counts, [0], ids)
    kept = new_order(file, chosen.reasons)
    assert {file.tokens[number] for number in ids} <= set(kept)


def test_dropped_added_tokens_do_not_come_back(file: TokenizerFile) -> None:
    counts = np.ones(len(file.ids), np.int64)
    chosen = choose_by_count(file, counts, always_kept(file, counts, [0, 1, 2], []), 1)
    assert set(chosen.reasons) & set(file.added) == {"<unk>", "<s>", "</s>"}


def test_added_tokens_outside_of_the_vocabulary_are_numbered_last(byte_level: TokenizerFile) -> None:
    assert new_order(byte_level, ["<turn>", "Ġza", "<s>"]) == ["<s>", "Ġza", "<turn>"]
