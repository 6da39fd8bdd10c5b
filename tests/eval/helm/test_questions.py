"""The files of HELM instances that are written of our questions."""

import json
from collections import Counter
from pathlib import Path

from eval.helm.questions import QUESTIONS, long_passage, long_questions, write_instances


def test_each_instance_has_one_right_option_and_its_place_changes(tmp_path: Path) -> None:
    write_instances(tmp_path / "asked.jsonl", QUESTIONS, train=4)
    rows = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text(encoding="utf-8").splitlines()]
    places: Counter[int] = Counter()
    for row, question in zip(rows, QUESTIONS, strict=True):
        (place,) = [place for place, option in enumerate(row["references"]) if "correct" in option["tags"]]
        assert row["references"][place]["output"]["text"] == question.options[0]
        assert {option["output"]["text"] for option in row["references"]} == set(question.options)
        assert row["input"] == {"text": question.text}
        places[place] += 1
    assert [row["split"] for row in rows] == ["train"] * 4 + ["test"] * 8
    assert set(places.values()) == {4}
    assert len({row["id"] for row in rows}) == 12


def test_no_question_or_option_is_there_twice() -> None:
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)
    assert all(len(set(question.options)) == 3 for question in QUESTIONS)


def test_the_long_passage_is_ascii_and_longer_than_the_window_by_any_tokenizer() -> None:
    passage = long_passage()
    assert passage.isascii()
    assert len(passage.split()) > 2048  # no tokenizer has fewer tokens than words here
    assert all(question.text.startswith(passage) for question in long_questions())
