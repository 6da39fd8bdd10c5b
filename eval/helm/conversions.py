"""Data sets' own files turned into the files that HELM reads: an instance a line, or TruthfulQA's table.

Rows are checked on the way: what cannot be put into HELM's form without changing it is a ValueError, not a guess.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from oneday.files import atomic_write, first_fault, iterate_jsonl

TRUTHFUL_COLUMNS = ("Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Source")
LIST_ENDS = ";"  # between the answers of a list, in that table
DOCUMENT_WORDS = 512  # an article is cut there, and one to demonstrate with has this many words:
SHOWN_WORDS = range(50, 151)  # both as HELM's summarization_cnndm
HELD_OUT = 5  # of a data set without a test file, every fifth row is a test row


@dataclass(frozen=True)
class Item:
    """A question with its options, or a text with its one reference; the references at `right` are right."""

    text: str
    references: tuple[str, ...]
    right: int = 0


class TruthfulRow(BaseModel):
    """A row of TruthfulQA."""

    type: str
    category: str
    question: str
    best_answer: str
    correct_answers: list[str]
    incorrect_answers: list[str]
    source: str


class Article(BaseModel):
    """A row of CNN/DailyMail."""

    article: str
    highlights: str


class Dialogue(BaseModel):
    """A row of SAMSum."""

    dialogue: str
    summary: str


class Premise(BaseModel):
    """A row of corr2cause: premise and hypothesis, and whether it follows."""

    input: str
    label: Literal[0, 1]


def write_truthful_table(sources: Sequence[Path], target: Path) -> None:
    """TruthfulQA.csv, from itself or from JSONL with the same columns."""
    (source,) = sources
    if source.suffix == ".csv":
        return copy(sources, target)
    with atomic_write(target) as file:
        table = csv.writer(file)
        table.writerow(TRUTHFUL_COLUMNS)
        for row in iterate_jsonl(source, TruthfulRow):
            for answer in (*row.correct_answers, *row.incorrect_answers):
                if LIST_ENDS in answer:
                    raise ValueError(f"{source}: HELM splits {answer!r} at {LIST_ENDS!r}, so it would take it for two")
            lists = (f"{LIST_ENDS} ".join(answers) for answers in (row.correct_answers, row.incorrect_answers))
            table.writerow((row.type, row.category, row.question, row.best_answer, *lists, row.source))
    return None


def copy(sources: Sequence[Path], target: Path) -> None:
    """The file as it is."""
    (source,) = sources
    with source.open(encoding="utf-8", newline="") as read, atomic_write(target) as file:
        for line in read:
            file.write(line)


def instances_from(read: Callable[[Path], Iterator[Item]]) -> Callable[[Sequence[Path], Path], None]:
    """What writes HELM instances of a training and a test file, or of one file whose every fifth row is held out."""

    def write(sources: Sequence[Path], target: Path) -> None:
        with atomic_write(target) as file:
            for place, source in enumerate(sources):
                count = 0
                for count, item in enumerate(read(source), start=1):
                    test = place > 0 if len(sources) > 1 else count % HELD_OUT == 0
                    if read is articles and not test and len(item.text.split()) not in SHOWN_WORDS:
                        continue
                    try:
                        instance = _instance(item, "test" if test else "train")
                    except ValueError as error:
                        raise ValueError(f"{source}, row {count}: {error}") from error
                    file.write(json.dumps(instance) + "\n")
                if count == 0:
                    raise ValueError(f"{source} has no rows")

    return write


def _instance(item: Item, split: str) -> dict[str, object]:
    """HELM's form of it. ValueError if no reference is right: HELM would count every answer as wrong."""
    if item.right not in range(len(item.references)):
        raise ValueError(f"the right reference is number {item.right}, of {len(item.references)} counted from 0")
    references = [
        {"output": {"text": text}, "tags": ["correct"] if place == item.right else []}
        for place, text in enumerate(item.references)
    ]
    return {"input": {"text": item.text}, "references": references, "split": split}


def articles(path: Path) -> Iterator[Item]:
    """CNN/DailyMail: article and highlights in a line each, the article cut at 512 words."""
    for row in iterate_jsonl(path, Article):
        yield Item(" ".join(row.article.split()[:DOCUMENT_WORDS]), (" ".join(row.highlights.split()),))


def dialogues(path: Path) -> Iterator[Item]:
    """SAMSum: a dialogue, a turn a line, and its summary. A JSON list, as it was published, or JSONL."""
    rows: Iterator[Dialogue] | list[Dialogue]
    if path.suffix == ".json":
        try:
            rows = [Dialogue.model_validate(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        except ValidationError as error:
            raise ValueError(f"{path}: {first_fault(error)}") from error
    else:
        rows = iterate_jsonl(path, Dialogue)
    for row in rows:
        yield Item("\n".join(row.dialogue.splitlines()), (row.summary.strip(),))


def premises(path: Path) -> Iterator[Item]:
    """corr2cause: does the hypothesis follow from the premise?"""
    for row in iterate_jsonl(path, Premise):
        yield Item(f"{row.input.strip()} Does the hypothesis follow from the premise?", ("No", "Yes"), row.label)


def commonsense(path: Path) -> Iterator[Item]:
    """ETHICS, commonsense: 1 is wrong."""
    for label, text in _rows(path, "label", "input"):
        yield Item(text, ("Not wrong", "Wrong"), int(label))


def deontology(path: Path) -> Iterator[Item]:
    """ETHICS, deontology: a request or role, and an excuse; 1 is reasonable."""
    for label, scenario, excuse in _rows(path, "label", "scenario", "excuse"):
        yield Item(f"{scenario} {excuse}", ("Unreasonable", "Reasonable"), int(label))


def justice(path: Path) -> Iterator[Item]:
    """ETHICS, justice: 1 is reasonable."""
    for label, scenario in _rows(path, "label", "scenario"):
        yield Item(scenario, ("Unreasonable", "Reasonable"), int(label))


def virtue(path: Path) -> Iterator[Item]:
    """ETHICS, virtue: a scenario [SEP] a trait; 1 if the character shows it."""
    for label, scenario in _rows(path, "label", "scenario"):
        text, separator, trait = scenario.partition(" [SEP] ")
        if not separator:
            raise ValueError(f"{path}: {scenario!r} has no ' [SEP] ' before a trait")
        yield Item(f"{text} Does the character show this trait: {trait}?", ("No", "Yes"), int(label))


def utilitarianism(path: Path) -> Iterator[Item]:
    """ETHICS, utilitarianism: two scenarios, the more pleasant one first, which every other row turns round."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if len(row) != 2:
                raise ValueError(f"{path}, row {number}: {len(row)} columns, it must be 2: the better and the worse")
            options = tuple(row) if number % 2 else (row[1], row[0])
            yield Item("Which of the two is more pleasant?", options, (number + 1) % 2)


def _rows(path: Path, *columns: str) -> Iterator[tuple[str, ...]]:
    """Those columns of a table whose first one is a label, 0 or 1. ValueError that names a row that is not so."""
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        absent = set(columns) - set(table.fieldnames or ())
        if absent:
            raise ValueError(f"{path} has no column {', '.join(sorted(absent))}; it has {table.fieldnames}")
        for number, row in enumerate(table, start=1):
            if row[columns[0]] not in ("0", "1"):
                raise ValueError(f"{path}, row {number}: {columns[0]} is {row[columns[0]]!r}, it must be 0 or 1")
            yield tuple(row[column] for column in columns)
