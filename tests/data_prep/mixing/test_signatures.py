"""MinHash: how it estimates common members, and what is written of a part."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from data_prep.mixing.signatures import BLOCK, Signatures, min_hashes, save_signatures, signatures
from data_prep.mixing.words import word_table
from tests.data_prep.mixing.near_texts import CONFIG, words


@pytest.mark.parametrize(("common", "own"), [(10, 10), (30, 5), (200, 30), (5, 200)])
def test_equal_values_estimate_the_share_of_common_members(common: int, own: int) -> None:
    generator = np.random.default_rng(0)
    sets = generator.integers(0, 2**32, (400, common + 2 * own), dtype=np.uint32)
    starts = np.arange(401) * (common + own)
    first = min_hashes(sets[:, : common + own].ravel(), starts, 128, 1)
    second = min_hashes(np.roll(sets, -own, axis=1)[:, : common + own].ravel(), starts, 128, 1)
    shares = (first == second).mean(axis=0)
    truth = common / (common + 2 * own)
    deviation = np.sqrt(truth * (1 - truth) / 128)
    assert abs(shares.mean() - truth) < 4 * deviation / np.sqrt(400)
    assert deviation * 0.8 < shares.std() < deviation * 1.2


def test_a_set_of_its_own_has_the_values_it_has_among_others() -> None:
    generator = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum([5, BLOCK - 1, 1, BLOCK + 10, 3, 2])])
    members = generator.integers(0, 2**32, starts[-1], dtype=np.uint32)
    together = min_hashes(members, starts, 8, 2)
    for number in range(6):
        own = members[starts[number] : starts[number + 1]]
        assert min_hashes(own, np.array([0, len(own)]), 8, 2)[:, 0].tolist() == together[:, number].tolist()


def test_only_rows_with_words_enough_are_kept_with_all_their_words() -> None:
    texts = [words(19), words(20, 5), [], words(33, 9), words(3)]
    table = word_table([" ".join(text) for text in texts])
    result = signatures(table, CONFIG, seed=7)
    assert result.rows.tolist() == [1, 3]
    assert result.starts.tolist() == [0, 20, 53]
    assert (result.bands.shape, result.low.shape, result.words.shape) == ((32, 2), (2, 128), (53,))
    assert len(np.intersect1d(result.words[:20], result.words[20:])) == 16


def test_a_shingle_does_not_cross_the_border_of_two_texts() -> None:
    text = " ".join(words(20))
    alone = signatures(word_table([text]), CONFIG, seed=7)
    among = signatures(word_table([" ".join(words(25, 70)), text, " ".join(words(30, 40))]), CONFIG, seed=7)
    assert among.low[1].tolist() == alone.low[0].tolist()
    assert among.bands[:, 1].tolist() == alone.bands[:, 0].tolist()


def test_another_seed_makes_other_signatures() -> None:
    table = word_table([" ".join(words(40))])
    same, other = signatures(table, CONFIG, seed=7), signatures(table, CONFIG, seed=8)
    assert same.bands.tolist() == signatures(table, CONFIG, seed=7).bands.tolist()
    assert not (same.bands == other.bands).any()


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_saved_is_read_back_without_pickle(tmp_path: Path, count: int) -> None:
    result = signatures(word_table([" ".join(words(30))] * count), CONFIG, seed=7)
    save_signatures(result, tmp_path / "near")
    for field in fields(Signatures):
        array = np.load(tmp_path / "near" / f"{field.name}.npy", mmap_mode="r", allow_pickle=False)
        written = getattr(result, field.name)
        assert (array.dtype, array.shape) == (written.dtype, written.shape)
        assert array.tolist() == written.tolist()
