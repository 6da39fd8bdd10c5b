"""What was put into a lookup is found with all its places, and nothing else is."""

from pathlib import Path

import numpy as np

from data_prep.mixing.hash_lookup import HashLookup, bitmap, may_hold
from data_prep.mixing.words import Hashes


def random_hashes(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def test_every_place_of_a_hash_is_found_and_no_other() -> None:
    keys = np.concatenate([random_hashes(5_000, 0), random_hashes(5_000, 0)[:70], np.zeros(1, dtype=np.uint64)])
    lookup = HashLookup.build(keys, np.arange(len(keys)))
    asked = np.concatenate([random_hashes(3_000, 1), keys[:100], np.array([2**64 - 1], dtype=np.uint64)])
    which, places = lookup.find(asked)
    wanted = [(3_000 + number, place) for number in range(100) for place in np.flatnonzero(keys == keys[number])]
    assert sorted(zip(which.tolist(), places.tolist(), strict=True)) == sorted(wanted)


def test_nothing_is_found_in_an_empty_lookup() -> None:
    lookup = HashLookup.build(random_hashes(0, 0), np.zeros(0, dtype=np.int64))
    assert [len(column) for column in lookup.find(random_hashes(100_000, 3))] == [0, 0]


def test_a_saved_lookup_finds_the_same(tmp_path: Path) -> None:
    lookup = HashLookup.build(random_hashes(1_000, 0), np.arange(1_000))
    lookup.save(tmp_path, "runs")
    which, places = HashLookup.load(tmp_path, "runs").find(lookup.keys[::7])
    assert which.tolist() == list(range(len(lookup.keys[::7])))
    assert places.tolist() == lookup.places[::7].tolist()


def test_a_bitmap_passes_all_its_hashes_and_few_others() -> None:
    hashes = random_hashes(20_000, 0)
    bits = bitmap(hashes)
    assert may_hold(bits, hashes).all()
    assert may_hold(bits, random_hashes(100_000, 1)).mean() < 0.01
