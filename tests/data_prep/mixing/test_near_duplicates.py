"""Near-duplicates: the definition from both sides, what becomes of groups, and how many are found among many rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from data_prep.mixing.candidates import MIX
from data_prep.mixing.config import NearDuplicates
from data_prep.mixing.near_duplicates import NearPart, find_near_duplicates
from data_prep.mixing.signatures import save_signatures, signatures
from data_prep.mixing.words import word_table, words_of
from tests.data_prep.mixing.near_texts import CONFIG, changed, found, words

TASKS = Path(__file__).parents[4] / "shared/data/ni_tasks"


def with_setting(**settings: object) -> NearDuplicates:
    return NearDuplicates.model_validate(CONFIG.model_dump() | settings)


def test_two_of_twenty_words_changed_is_near_and_three_is_not(tmp_path: Path) -> None:
    text = words(20)
    near = found(tmp_path / "near", [text, changed(text, 2)])
    assert (near.dropped.tolist(), near.kept.tolist(), near.similarity.tolist()) == ([1], [0], [0.9])
    assert found(tmp_path / "far", [text, changed(text, 3)]).dropped.tolist() == []


def test_two_questions_about_one_long_passage_are_not_near_though_most_words_are_the_same(tmp_path: Path) -> None:
    passage = words(300)
    one, other = [*passage, *words(8, first=1000)], [*passage, *words(8, first=2000)]
    texts = [one, other, changed(one, 4)]
    assert found(tmp_path / "any", texts).dropped.tolist() == [1, 2]
    assert found(tmp_path / "few", texts, with_setting(max_changes=5)).dropped.tolist() == [2]
    assert found(tmp_path / "fewer", texts, with_setting(max_changes=3)).dropped.tolist() == []


@pytest.mark.parametrize(("count", "dropped"), [(1, [1]), (2, [1]), (3, [])])
def test_words_added_and_taken_away_count_as_changes(tmp_path: Path, count: int, dropped: list[int]) -> None:
    text = words(20)
    assert found(tmp_path / "fewer", [text, text[count:]], with_setting(min_words=17)).dropped.tolist() == dropped
    longer = words(count, first=500) + text[:-count]  # as long as the text: added in front, taken away behind
    assert found(tmp_path / "moved", [text, longer]).dropped.tolist() == ([1] if count == 1 else [])


def test_the_same_words_in_another_order_are_another_text(tmp_path: Path) -> None:
    text = words(40)
    assert found(tmp_path, [text, text[20:] + text[:20]]).dropped.tolist() == []


def test_case_and_punctuation_do_not_count(tmp_path: Path) -> None:
    text = words(20)
    result = found(tmp_path, [text, [word.upper() + "," for word in text]])
    assert (result.dropped.tolist(), result.similarity.tolist()) == ([1], [1.0])


def test_a_similarity_of_one_asks_for_the_same_words(tmp_path: Path) -> None:
    text = words(200)
    result = found(tmp_path, [text, changed(text, 1), [word.upper() for word in text]], with_setting(similarity=1))
    assert (result.dropped.tolist(), result.kept.tolist()) == ([2], [0])


def test_shorter_texts_are_not_compared(tmp_path: Path) -> None:
    text = words(19)
    assert found(tmp_path / "short", [text, text]).dropped.tolist() == []
    assert found(tmp_path / "long", [text, text], with_setting(min_words=19)).dropped.tolist() == [1]


def test_another_answer_keeps_a_row_where_that_is_asked_for(tmp_path: Path) -> None:
    text = words(20)
    texts, answers = [text, changed(text, 1), changed(text, 2)], ["yes", "no", "yes"]
    result = found(tmp_path / "keep", texts, answers=answers)
    assert (result.dropped.tolist(), result.kept.tolist()) == ([2], [0])
    either = found(tmp_path / "drop", texts, with_setting(keep_other_answers=False), answers)
    assert (either.dropped.tolist(), either.kept.tolist()) == ([1, 2], [0, 0])


def test_of_a_chain_the_row_stays_that_is_near_only_to_one_that_went(tmp_path: Path) -> None:
    first = words(20)
    chain = [first, changed(first, 2), [*changed(first, 2)[:-2], "last", "words"]]
    result = found(tmp_path, chain)
    assert (result.dropped.tolist(), result.kept.tolist()) == ([1], [0])


def test_all_copies_of_a_row_go_because_of_the_first(tmp_path: Path) -> None:
    text = words(60)
    copies = [[*text[:place], f"new{place}", *text[place + 1 :]] for place in range(60)]
    result = found(tmp_path, [text, *copies])
    assert result.dropped.tolist() == list(range(1, 61))
    assert set(result.kept.tolist()) == {0}


def test_a_row_near_to_two_that_stay_goes_because_of_the_first(tmp_path: Path) -> None:
    text = words(40)
    fewer_in_front, fewer_behind = ["new", "words", "here", *text[3:]], [*text[:-3], "some", "more", "words"]
    result = found(tmp_path, [fewer_in_front, fewer_behind, text])
    assert (result.dropped.tolist(), result.kept.tolist(), len(result.similarity)) == ([2], [0], 1)


def test_words_that_differ_only_in_the_bits_no_character_holds_are_different(tmp_path: Path) -> None:
    made = signatures(word_table([" ".join(words(20))] * 2), CONFIG, seed=7)
    other = made.words.copy()
    other[20:23] ^= np.uint32(1 << 25)
    save_signatures(made, tmp_path / "same")
    save_signatures(replace(made, words=other), tmp_path / "other")
    alive, answers = np.ones(2, dtype=bool), np.zeros(2, dtype=np.uint64)
    assert find_near_duplicates([NearPart(0, tmp_path / "same")], alive, answers, CONFIG).dropped.tolist() == [1]
    assert find_near_duplicates([NearPart(0, tmp_path / "other")], alive, answers, CONFIG).dropped.tolist() == []


def test_a_bucket_that_rows_with_other_answers_share_by_chance_does_not_join_them(tmp_path: Path) -> None:
    made = signatures(word_table([" ".join(words(20))] * 2), CONFIG, seed=7)
    answers = np.array([3, 5], dtype=np.uint64)
    save_signatures(replace(made, bands=made.bands ^ answers * MIX), tmp_path)
    assert find_near_duplicates([NearPart(0, tmp_path)], np.ones(2, dtype=bool), answers, CONFIG).dropped.tolist() == []


def test_rows_that_are_not_alive_neither_go_nor_make_others_go(tmp_path: Path) -> None:
    text = words(20)
    result = found(tmp_path, [text, changed(text, 1), changed(text, 2), text], alive=[False, True, True, False])
    assert (result.dropped.tolist(), result.kept.tolist()) == ([2], [1])


@pytest.mark.parametrize("texts", [[], [["short"]], [words(30)], [["short"], ["short"]]])
def test_no_row_or_one_row_is_no_duplicate(tmp_path: Path, texts: list[list[str]]) -> None:
    result = found(tmp_path, texts)
    assert (len(result.dropped), len(result.kept), len(result.similarity)) == (0, 0, 0)


def test_there_may_be_no_parts_and_parts_without_rows_to_compare(tmp_path: Path) -> None:
    text = words(20)
    result = found(tmp_path, [["short"], ["short"], text, ["short"], changed(text, 1)], borders=[0, 2, 3, 4])
    assert (result.dropped.tolist(), result.kept.tolist()) == ([4], [2])


@pytest.fixture(scope="module")
def made() -> tuple[list[list[str]], list[str], set[int]]:
    """20,000 rows, six in ten of them with one of twenty frames, with 1,000 planted copies, two words changed in each.

    Texts, answers, and the rows that are the later one of a planted pair.
    """
    generator = np.random.default_rng(5)
    chances = 1 / np.arange(1, 20_001)
    draw = np.cumsum(chances / chances.sum())

    def drawn(count: int) -> list[str]:
        return [f"w{number}" for number in np.searchsorted(draw, generator.random(count)).tolist()]

    def text_of(row: int) -> list[str]:
        if row % 10 < 4:
            return drawn(min(max(20, int(generator.lognormal(np.log(40), 0.6))), 400))
        frame = frames[row % 20]
        fill, third = drawn(len(frame) // 2), len(frame) // 3
        half = len(fill) // 2
        return frame[:third] + fill[:half] + frame[third : 2 * third] + fill[half:] + frame[2 * third :]

    frames = [drawn(int(length)) for length in generator.integers(20, 60, 20)]
    texts = [text_of(row) for row in range(19_000)]
    answers = [f"label {number}" for number in generator.integers(0, 3, 19_000)]
    originals = generator.choice(19_000, 1000, replace=False).tolist()
    for original in originals:
        copy = list(texts[original])
        for place in generator.choice(len(copy), 2, replace=False).tolist():
            copy[place] = f"new{generator.integers(100_000)}"
        texts.append(copy)
        answers.append(answers[original])
    order = generator.permutation(len(texts))
    place = np.argsort(order)
    later = {int(max(place[original], place[19_000 + number])) for number, original in enumerate(originals)}
    return [texts[row] for row in order], [answers[row] for row in order], later


@pytest.mark.parametrize("keep_other_answers", [True, False])
def test_planted_copies_are_found_among_rows_with_common_frames(
    tmp_path: Path, made: tuple[list[list[str]], list[str], set[int]], keep_other_answers: bool
) -> None:
    texts, answers, planted = made
    settings = with_setting(keep_other_answers=keep_other_answers)
    dropped = set(found(tmp_path, texts, settings, answers).dropped.tolist())
    assert len(dropped & planted) / len(planted) >= 0.99
    assert len(dropped & planted) / len(dropped) >= 0.99


def test_the_division_into_parts_does_not_matter(
    tmp_path: Path, made: tuple[list[list[str]], list[str], set[int]]
) -> None:
    texts, answers = made[0][:6000], made[1][:6000]
    whole = found(tmp_path / "whole", texts, answers=answers)
    parts = found(tmp_path / "parts", texts, answers=answers, borders=[1, 1000, 1000, 4321, 5999])
    assert len(whole.dropped) > 50
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert one.tolist() == other.tolist()


def test_in_the_opposite_order_the_other_one_of_each_pair_stays(
    tmp_path: Path, made: tuple[list[list[str]], list[str], set[int]]
) -> None:
    texts, answers = made[0][:4000], made[1][:4000]
    forward = found(tmp_path / "forward", texts, answers=answers)
    backward = found(tmp_path / "backward", texts[::-1], answers=answers[::-1])
    assert len(forward.dropped) > 20
    assert set((3999 - backward.kept).tolist()) == set(forward.dropped.tolist())


def oracle(texts: list[list[str]], answers: list[str], least: float) -> list[int]:
    """The rows that go if every pair is compared."""
    gone: list[int] = []
    for later, text in enumerate(texts):
        for earlier in range(later):
            most = int(round(max(len(text), len(texts[earlier])) * (1 - least), 6))
            near = Levenshtein.distance(text, texts[earlier], score_cutoff=most) <= most
            if near and answers[earlier] == answers[later] and earlier not in gone:
                gone.append(later)
                break
    return gone


def test_all_pairs_of_a_few_hundred_rows_are_judged_as_one_by_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    texts = [words(int(count), int(start)) for count, start in generator.integers([20, 0], [60, 40], (100, 2))]
    for original in generator.integers(0, 100, 300).tolist():
        copy = list(texts[original])
        for place in generator.integers(0, len(copy), generator.integers(0, 9)).tolist():
            copy[place : place + 1] = [[], ["new"], ["new", "words"]][generator.integers(3)]
        texts.append(copy if len(copy) >= CONFIG.min_words else texts[original])
    order = generator.permutation(len(texts))
    texts = [texts[row] for row in order]
    answers = [f"label {number}" for number in generator.integers(0, 2, len(texts))]
    expected = oracle(texts, answers, 0.9)
    assert 60 < len(expected) < 250
    assert found(tmp_path, texts, answers=answers).dropped.tolist() == expected


@pytest.mark.skipif(not TASKS.is_dir(), reason=f"no Natural Instructions tasks in {TASKS}")
def test_real_tasks_are_judged_as_pair_by_pair(tmp_path: Path) -> None:
    instances = [
        instance
        for path in sorted(TASKS.glob("task0*.json"))
        for instance in json.loads(path.read_text(encoding="utf-8"))["Instances"]
    ]
    texts = words_of([instance["input"] for instance in instances]).to_list()
    compared = [row for row, text in enumerate(texts) if len(text) >= CONFIG.min_words]
    texts = [texts[row] for row in compared]
    answers = [instances[row]["output"][0] for row in compared]
    expected = oracle(texts, answers, 0.9)
    assert len(expected) > 5
    assert found(tmp_path, texts, answers=answers).dropped.tolist() == expected
