"""Training rows that hold a part of an evaluation row are found, each by the branch of the rule meant for it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data_prep.mixing.config import Decontaminate
from data_prep.mixing.decontaminate import EvalIndex, EvalRow, Hit
from data_prep.mixing.words import word_table, words_of
from tests.data_prep.mixing.eval_oracle import contaminated, rule

DATA = Path(__file__).parents[4] / "shared" / "data"


def numbered(start: int, end: int) -> str:
    return " ".join(f"word{number}" for number in range(start, end))


def find(
    evals: Sequence[str], texts: Sequence[str], config: Decontaminate | None = None, inputs: Sequence[str] | None = None
) -> list[Hit]:
    rows = [EvalRow("set", str(number), text) for number, text in enumerate(evals)]
    index = EvalIndex.build(rows, config or rule())
    return index.find(word_table(texts), word_table(texts if inputs is None else inputs))


def found_rows(evals: Sequence[str], texts: Sequence[str], inputs: Sequence[str] | None = None) -> list[int]:
    return [hit.row for hit in find(evals, texts, inputs=inputs)]


def test_a_long_text_is_found_by_13_words_and_not_by_12() -> None:
    texts = [f"see {numbered(5, 18)} there", f"see {numbered(5, 17)} there", f"{numbered(14, 27)}"]
    assert found_rows([numbered(0, 27)], texts) == [0, 2]


def test_a_text_of_26_words_is_found_by_8_words_and_not_by_7() -> None:
    texts = [f"see {numbered(5, 13)} there", f"see {numbered(5, 12)} there"]
    assert found_rows([numbered(0, 26)], texts) == [0]


def test_a_text_of_16_words_is_found_whatever_one_word_is_exchanged() -> None:
    words = numbered(0, 16).split()
    texts = [" ".join(["x", *words[:hole], "other", *words[hole + 1 :], "y"]) for hole in range(16)]
    assert found_rows([numbered(0, 16)], texts) == list(range(16))


@pytest.mark.parametrize("size", [8, 9, 11, 14])
def test_a_short_text_is_not_found_with_two_words_exchanged_or_one_missing(size: int) -> None:
    words = numbered(0, size).split()
    middle = size // 2
    two = " ".join([*words[: middle - 1], "other", "one", *words[middle + 1 :]])
    missing = " ".join(words[: middle - 1] + words[middle:])
    assert found_rows([numbered(0, size)], [two, missing]) == []


def test_a_text_of_17_words_is_not_found_where_no_8_words_are_left() -> None:
    words = numbered(0, 17).split()
    words[7], words[15] = "other", "one"
    assert found_rows([numbered(0, 17)], [" ".join(words)]) == []


def test_a_very_short_text_is_found_as_a_whole_input_only() -> None:
    inputs = ["What is a CAT?", "what is a cat and a dog", "a cat"]
    texts = [f"Answer. {text} An animal: what is a cat" for text in inputs]
    hits = find(["what is a cat"], texts, inputs=inputs)
    assert [(hit.row, hit.first_word, hit.words) for hit in hits] == [(0, 1, 4)]


def test_a_text_without_words_is_never_found() -> None:
    assert found_rows(["", "...", "?!"], ["", "...", "word"]) == []


def test_words_of_neighbouring_rows_do_not_make_a_run() -> None:
    whole = numbered(0, 20).split()
    assert found_rows([numbered(0, 20)], [" ".join(whole[:7]), " ".join(whole[7:14]), " ".join(whole[14:])]) == []
    small = numbered(0, 9).split()
    assert found_rows([numbered(0, 9)], [" ".join(small[:8]) + " x", " ".join(small[:5]), " ".join(small[5:])]) == [0]


def test_case_and_punctuation_do_not_hide_a_text() -> None:
    text = "A fox, quick and brown, jumps over the lazy dog: why?"
    assert found_rows([text], [text.upper().replace(",", " --").replace(" ", "\n\n")]) == [0]


def test_a_run_of_more_texts_than_allowed_counts_for_nothing() -> None:
    template = numbered(0, 9)
    evals = [f"{template} {numbered(100 * case, 100 * case + 10)}" for case in range(1, 5)]
    texts = [f"{template} something else", f"{numbered(102, 110)} and more"]
    assert [hit.row for hit in find(evals, texts, rule(max_eval_rows=4))] == [0, 1]
    assert [hit.row for hit in find(evals, texts, rule(max_eval_rows=3))] == [1]


def test_equal_evaluation_texts_are_one_text_of_a_template_and_all_are_hit() -> None:
    hits = find([numbered(0, 20)] * 5, [numbered(3, 15)], rule(max_eval_rows=1))
    assert [(hit.eval_row, hit.eval_rows) for hit in hits] == [(0, (0, 1, 2, 3, 4))]


def test_many_equal_evaluation_texts_cost_no_more_than_one() -> None:
    hits = find([numbered(0, 40)] * 3_000, [f"see {numbered(0, 40)}"] * 500)
    assert len(hits) == 500
    assert hits[499] == Hit(row=499, eval_row=0, first_word=1, words=40, eval_rows=tuple(range(3_000)))


def test_a_short_template_with_another_word_is_not_found_but_the_texts_are() -> None:
    evals = [f"what is the capital city of the country {name}" for name in ("Peru", "Chad", "Oman", "Fiji")]
    texts = ["What is the capital city of the country Mali?", "What is the capital city of the country Fiji?"]
    assert [hit.row for hit in find(evals, texts, rule(max_eval_rows=4))] == [0, 1]
    hits = find(evals, texts, rule(max_eval_rows=3))
    assert [(hit.row, hit.eval_rows) for hit in hits] == [(1, (3,))]


def test_the_longest_part_is_shown_and_of_equal_ones_the_first() -> None:
    evals = [numbered(0, 40), numbered(100, 140)]
    texts = [f"a {numbered(0, 14)} b {numbered(100, 120)} c", f"a {numbered(100, 114)} b {numbered(0, 14)}"]
    first, second = find(evals, texts)
    assert first == Hit(row=0, eval_row=1, first_word=16, words=20, eval_rows=(0, 1))
    assert second == Hit(row=1, eval_row=1, first_word=1, words=14, eval_rows=(0, 1))
    words = words_of(texts)[0].to_list()
    assert " ".join(words[first.first_word : first.first_word + first.words]) == numbered(100, 120)


def test_every_evaluation_set_has_its_own_hit() -> None:
    rows = [EvalRow("one", "a", numbered(0, 20)), EvalRow("two", "a", numbered(5, 30))]
    index = EvalIndex.build(rows, rule())
    hits = index.find(*[word_table([numbered(5, 20)])] * 2)
    assert [(hit.row, hit.eval_row) for hit in hits] == [(0, 0), (0, 1)]


def test_a_text_of_one_repeated_word_is_found_at_once() -> None:
    zeros = " ".join(["0"] * 2_000)
    hits = find([zeros] * 3, [zeros] * 40)
    assert [hit.row for hit in hits] == list(range(40))


def test_no_rows_have_no_hits() -> None:
    assert find([numbered(0, 20)], []) == []


def test_a_saved_index_finds_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows, texts, inputs = zipf_case(random, words=40, ngram=6, short=4)
    index = EvalIndex.build(rows, rule(6, 4))
    index.save(tmp_path / "index")
    loaded = EvalIndex.load(tmp_path / "index")
    tables = word_table(texts), word_table(inputs)
    assert list(loaded.rows) == rows
    assert loaded.find(*tables) == index.find(*tables) != []


def zipf_text(random: np.random.Generator, words: int, length: int) -> str:
    chances = 1 / np.arange(1, words + 1)
    return " ".join(f"w{word}" for word in random.choice(words, length, p=chances / chances.sum()))


def zipf_case(
    random: np.random.Generator, words: int, ngram: int, short: int
) -> tuple[list[EvalRow], list[str], list[str]]:
    """Evaluation rows, and the texts and inputs of training rows, some of which hold a changed evaluation row."""
    rows = [
        EvalRow(f"set{random.integers(3)}", str(number), zipf_text(random, words, int(random.integers(3 * ngram))))
        for number in range(25)
    ]
    inputs = [zipf_text(random, words, int(random.integers(2 * short))) for _ in range(40)]
    for number in range(12):
        copied = rows[random.integers(len(rows))].text.split()
        if copied and random.random() < 0.7:
            copied[random.integers(len(copied))] = "other"
        inputs[number] = " ".join(copied)
    texts = [
        f"{zipf_text(random, words, int(random.integers(3)))} {text} {zipf_text(random, words, 3 * ngram)}"
        for text in inputs
    ]
    return rows, texts, inputs


@pytest.mark.parametrize("seed", range(40))
def test_the_index_finds_what_the_rule_says_word_by_word(seed: int) -> None:
    random = np.random.default_rng(seed)
    short = int(random.integers(2, 6))
    config = rule(int(random.integers(short, 9)), short, int(random.integers(1, 6)))
    rows, texts, inputs = zipf_case(random, int(random.integers(4, 80)), config.ngram, short)
    hits = EvalIndex.build(rows, config).find(word_table(texts), word_table(inputs))
    found = {(hit.row, number) for hit in hits for number in hit.eval_rows}
    assert found == contaminated(rows, texts, inputs, config)
    assert len({(hit.row, rows[hit.eval_row].eval_set) for hit in hits}) == len(hits)


def changed(kind: str, text: str, random: np.random.Generator, around: list[str]) -> str:
    """An evaluation text as it turns up in training data."""
    words = text.split()
    if kind == "one word changed":
        words[random.integers(len(words))] = "exchanged"
    if kind == "case and punctuation":
        words = [word.upper() if random.random() < 0.5 else f"({word})," for word in words]
    if kind == "embedded":
        words = [*around[:60], *words, *around[60:]]
    return " ".join(words)


@pytest.mark.parametrize("kind", ["verbatim", "one word changed", "embedded", "case and punctuation"])
def test_planted_contamination_is_found_and_nothing_else(kind: str) -> None:
    random = np.random.default_rng(1)
    lengths = np.clip(random.lognormal(np.log(40), 0.8, 1_000), 5, 400).astype(int)
    rows = [EvalRow("set", str(number), zipf_text(random, 5_000, size)) for number, size in enumerate(lengths)]
    inputs = [zipf_text(random, 5_000, int(random.integers(5, 250))) for _ in range(4_000)]
    planted = {int(row) for row in random.choice(4_000, 1_000, replace=False)}
    for row, eval_row in zip(sorted(planted), rows, strict=True):
        inputs[row] = changed(kind, eval_row.text, random, zipf_text(random, 5_000, 100).split())
    texts = [f"Do as you are told.\n{text}\nthe answer" for text in inputs]
    found = {hit.row for hit in EvalIndex.build(rows, rule()).find(word_table(texts), word_table(inputs))}
    assert len(found & planted) / len(planted) >= 0.95
    assert len(found & planted) / len(found) >= 0.99


def task_rows() -> tuple[list[str], list[str]]:
    """Whole texts and inputs of the task files at hand."""
    texts, inputs = [], []
    for path in sorted((DATA / "ni_tasks").glob("*.json")):
        task = json.loads(path.read_text(encoding="utf-8"))
        for instance in task["Instances"]:
            inputs.append(instance["input"])
            texts.append(" ".join([*task["Definition"], instance["input"], *instance["output"]]))
    return texts, inputs


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, samples of public data sets")
@pytest.mark.parametrize("kind", ["verbatim", "one word changed", "embedded", "case and punctuation"])
def test_gsm8k_questions_planted_in_real_tasks_are_found_and_no_real_row_is(kind: str) -> None:
    random = np.random.default_rng(2)
    lines = (DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [EvalRow("gsm8k", str(number), json.loads(line)["question"]) for number, line in enumerate(lines)]
    texts, inputs = task_rows()
    planted = {int(row) for row in random.choice(len(texts), len(rows), replace=False)}
    for row, eval_row in zip(sorted(planted), rows, strict=True):
        inputs[row] = changed(kind, eval_row.text, random, inputs[row].split())
        texts[row] = f"Solve it. {inputs[row]} 42"
    hits = EvalIndex.build(rows, rule()).find(word_table(texts), word_table(inputs))
    assert {hit.row for hit in hits} == planted
    assert {number for hit in hits for number in hit.eval_rows} == set(range(len(rows)))
