"""Data sets' own files turned into what HELM reads."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.helm import conversions
from eval.helm.conversions import Item, instances_from, write_truthful_table

DATA = Path(__file__).parents[3] / "../shared/data"
TRUTHFUL = {
    "type": "Adversarial",
    "category": "Birds",
    "question": "Can a goose, when wet, fly?",
    "best_answer": "Yes",
    "correct_answers": ["Yes", 'It can, "wet" or dry'],
    "incorrect_answers": ["No", "Only at night"],
    "source": "a pond",
}


def jsonl(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_truthful_qa_gets_the_seven_columns_with_lists_that_helm_splits_again(tmp_path: Path) -> None:
    write_truthful_table([jsonl(tmp_path / "generation.jsonl", TRUTHFUL)], tmp_path / "TruthfulQA.csv")
    with (tmp_path / "TruthfulQA.csv").open(encoding="utf-8", newline="") as file:
        head, row = csv.reader(file)
    assert len(head) == 7 and row[2:4] == ["Can a goose, when wet, fly?", "Yes"]
    assert [answer.strip() for answer in row[4].split(";")] == TRUTHFUL["correct_answers"]
    assert [answer.strip() for answer in row[5].split(";")] == TRUTHFUL["incorrect_answers"]


def test_an_answer_that_helm_would_split_is_told(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "generation.jsonl", TRUTHFUL | {"incorrect_answers": ["No; never"]})
    with pytest.raises(ValueError, match=r"generation\.jsonl: HELM splits 'No; never'"):
        write_truthful_table([source], tmp_path / "TruthfulQA.csv")
    assert not (tmp_path / "TruthfulQA.csv").exists()


@pytest.mark.skipif(not DATA.is_dir(), reason="no data folder beside the checkout")
def test_the_real_truthful_qa_goes_into_the_table_whole(tmp_path: Path) -> None:
    source = DATA / "truthful_qa/generation.jsonl"
    write_truthful_table([source], tmp_path / "TruthfulQA.csv")
    with (tmp_path / "TruthfulQA.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[2] for row in rows] == [row["question"] for row in read(source)]


def test_of_one_file_every_fifth_row_is_a_test_row_and_of_two_the_second_is(tmp_path: Path) -> None:
    rows = [{"dialogue": f"A: {number}?\r\nB: Yes.", "summary": f" {number} "} for number in range(10)]
    one, two = jsonl(tmp_path / "train.jsonl", *rows), jsonl(tmp_path / "test.jsonl", *rows[:2])
    write = instances_from(conversions.dialogues)
    write([one], tmp_path / "single")
    assert [row["split"] for row in read(tmp_path / "single")] == [*["train"] * 4, "test"] * 2
    write([one, two], tmp_path / "pair")
    assert [row["split"] for row in read(tmp_path / "pair")] == ["train"] * 10 + ["test"] * 2
    first = read(tmp_path / "pair")[0]
    assert first["input"] == {"text": "A: 0?\nB: Yes."}
    assert first["references"] == [{"output": {"text": "0"}, "tags": ["correct"]}]


def test_a_published_list_of_dialogues_is_read_and_a_row_without_a_summary_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([{"dialogue": "A: Hm.", "summary": "Hm"}]), encoding="utf-8")
    assert list(conversions.dialogues(path)) == [Item("A: Hm.", ("Hm",))]
    path.write_text(json.dumps([{"dialogue": "A: Hm."}]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"train\.json: summary: Field required"):
        list(conversions.dialogues(path))


def test_articles_are_cut_and_only_those_of_middling_length_are_shown(tmp_path: Path) -> None:
    rows = [{"article": "word " * count, "highlights": "a\nb"} for count in (49, 50, 150, 151)]
    train, test = (
        jsonl(tmp_path / "train.jsonl", *rows),
        jsonl(tmp_path / "test.jsonl", rows[0] | {"article": "x " * 600}),
    )
    instances_from(conversions.articles)([train, test], tmp_path / "made")
    made = read(tmp_path / "made")
    assert [len(row["input"]["text"].split()) for row in made] == [50, 150, 512]
    assert made[-1]["references"][0]["output"]["text"] == "a b"


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no rows"):
        instances_from(conversions.premises)([jsonl(tmp_path / "train.jsonl")], tmp_path / "made")


@pytest.mark.parametrize("label", [2, -1, 1.5])
def test_a_label_that_is_neither_0_nor_1_is_told(tmp_path: Path, label: object) -> None:
    source = jsonl(tmp_path / "train.jsonl", {"input": "x", "label": 1}, {"input": "x", "label": label})
    with pytest.raises(ValueError, match=r"train\.jsonl:2: .*label: Input should be 0 or 1"):
        instances_from(conversions.premises)([source], tmp_path / "made")


def test_an_item_without_a_right_reference_is_told_with_its_row(tmp_path: Path) -> None:
    def read_two(path: Path) -> Iterator[Item]:
        yield from (Item("x", ("No", "Yes"), 1), Item("y", ("No", "Yes"), 2))

    with pytest.raises(ValueError, match=r"rows, row 2: the right reference is number 2, of 2"):
        instances_from(read_two)([tmp_path / "rows"], tmp_path / "made")
    assert not (tmp_path / "made").exists()


TABLES: dict[str, tuple[Callable[[Path], Iterator[Item]], str, Item]] = {
    "commonsense": (
        conversions.commonsense,
        "label,input,is_short\n1,I hid the key.,True\n",
        Item("I hid the key.", ("Not wrong", "Wrong"), 1),
    ),
    "deontology": (
        conversions.deontology,
        'label,scenario,excuse\n0,"Sing, please.",No, it is late.\n',
        Item("Sing, please. No", ("Unreasonable", "Reasonable"), 0),
    ),
    "justice": (
        conversions.justice,
        "label,scenario\n1,I paid Eve.\n",
        Item("I paid Eve.", ("Unreasonable", "Reasonable"), 1),
    ),
    "virtue": (
        conversions.virtue,
        "label,scenario\n0,Eve waited. [SEP] rash\n",
        Item("Eve waited. Does the character show this trait: rash?", ("No", "Yes"), 0),
    ),
}


@pytest.mark.parametrize("part", TABLES)
def test_a_part_of_ethics_becomes_a_question_with_two_options(tmp_path: Path, part: str) -> None:
    reader, text, item = TABLES[part]
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    assert list(reader(tmp_path / "rows.csv")) == [item]


def test_the_better_of_two_stands_first_and_second_in_turn(tmp_path: Path) -> None:
    (tmp_path / "util.csv").write_text("good,bad\nbetter,worse\n", encoding="utf-8")
    items = list(conversions.utilitarianism(tmp_path / "util.csv"))
    assert [(item.references, item.references[item.right]) for item in items] == [
        (("good", "bad"), "good"),
        (("worse", "better"), "better"),
    ]


@pytest.mark.parametrize(
    ("reader", "text", "told"),
    [
        (conversions.justice, "label,scenario\n2,One\n", r"row 1: label is '2', it must be 0 or 1"),
        (conversions.justice, "label,text\n1,One\n", "has no column scenario"),
        (conversions.virtue, "label,scenario\n1,One\n", r"has no ' \[SEP\] '"),
        (conversions.utilitarianism, "one,two,three\n", "row 1: 3 columns, it must be 2"),
    ],
)
def test_a_table_of_another_form_is_told(
    tmp_path: Path, reader: Callable[[Path], Iterator[Item]], text: str, told: str
) -> None:
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        list(reader(tmp_path / "rows.csv"))
