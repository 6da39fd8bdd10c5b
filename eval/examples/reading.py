"""Example files -> rows: JSON Lines, tables (.tsv, .csv, .parquet), lists of objects and Natural Instructions tasks.

A row of Natural Instructions (a task file, or a line with `task` and `input` whose task is in tasks.jsonl, as the
held-out rows of a run are) gets the prompt that training and evaluation give it, and its task's first category. Its
language is that of input or output which is not English, if there is one.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_prep.sources.natural_instructions import read_task
from data_prep.sources.task_json import BrokenFile, json_type, parse
from data_prep.tasks import read_task_list
from eval.examples.fields import Fields, Row
from eval.examples.option_answers import settle
from eval.examples.row import ExampleRow
from oneday.files import first_fault, read_lines
from oneday.page import load_template
from oneday.prompt import task_prompt
from oneday.records import TaskHead

TASK_LIST = "tasks.jsonl"
SPLITS = ("train", "training", "validation", "valid", "dev", "test", "eval")
SUFFIXES = (".jsonl", ".json", ".tsv", ".csv", ".parquet")


@dataclass(frozen=True)
class TaskPrompts:
    """What the prompts of Natural Instructions rows begin with, and how many of the task's examples they show."""

    preamble: str = ""
    demonstrations: int = 0

    def row(self, head: TaskHead, name: str, row: Row) -> dict[str, Any]:
        """A row's own fields, and those that its task adds: the prompt among them."""
        added = {
            "task": name,
            "definition": "\n".join(head.definition),
            "prompt": task_prompt(self.preamble, head, str(row["input"]), self.demonstrations),
            "category": head.categories[0] if head.categories else "",
            "language": language_of(head),
        }
        return {**row, **added}


NO_PREAMBLE = TaskPrompts()


def read_rows(
    paths: Sequence[Path], fields: Fields, prompts: TaskPrompts = NO_PREAMBLE, max_rows: int | None = None
) -> list[ExampleRow]:
    """The rows of all files, of each task the first `max_rows`; an id that a task has twice gets a number behind it.

    What the answers of rows with options are is decided once for each file, if `fields` do not say it. ValueError names
    file and line of a row that is none, and the option that names another field.
    """
    rows: list[ExampleRow] = []
    taken, repeats, keys = Counter[str](), Counter[tuple[str, str]](), set[tuple[str, str]]()
    for path in paths:
        found = list(_objects(path, prompts))
        settled = _settled(fields, found)
        for place, default_id, raw in found:
            with _told_at(place):
                row = settled.example(raw, _task_name(path), default_id)
            taken[row.task] += 1
            if max_rows is not None and taken[row.task] > max_rows:
                continue
            id = row.id
            while (row.task, id) in keys:
                repeats[row.key] += 1
                id = f"{row.id}#{repeats[row.key] + 1}"
            keys.add((row.task, id))
            rows.append(row.model_copy(update={"id": id}))
    if not rows:
        raise ValueError(f"{', '.join(map(str, paths))}: no rows; name files with at least one")
    return rows


def _settled(fields: Fields, rows: Sequence[tuple[str, str, Row]]) -> Fields:
    """The fields with what the answers of these rows, one file's, are."""
    if fields.answer_is is not None:
        return fields
    readings = []
    for place, _, raw in rows:
        with _told_at(place):
            readings += [(f"{place}: ", one) for one in fields.readings(raw)]
    return replace(fields, answer_is=settle(readings))


@contextmanager
def _told_at(place: str) -> Iterator[None]:
    """Says of a ValueError where it is."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(f"{place}: {first_fault(error)}") from error
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def template_prompts(path: Path) -> Any:
    """A function from a row to the prompt that a Jinja template makes of its fields; `row` is the row itself.

    The template's last line break is no part of the prompt. ValueError names a field that the row lacks, the line at
    which the template is wrong, or what it cannot do with a row.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        template = load_template(path, [], html=False)
    except TemplateSyntaxError as error:
        raise ValueError(f"{path}:{error.lineno}: {error.message}; see the syntax of Jinja templates") from error
    except TemplateError as error:
        raise FileNotFoundError(f"{path}: no such template") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {error}; write the template in UTF-8") from error

    def prompt(row: Row) -> str:
        try:
            return template.render({**row, "row": row}).removesuffix("\n")
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            told = f"{path}: {error} (the row has: {', '.join(row)})"
            raise ValueError(f"{told}; change the template, or give the row what it uses") from error

    return prompt


def language_of(head: TaskHead) -> str:
    """The task's first language that is not English; English if there is none."""
    others = [name for name in (*head.input_language, *head.output_language) if name != "English"]
    return others[0] if others else "English"


def _task_name(path: Path) -> str:
    """The file's name; its folder's where it is named after a split."""
    return path.resolve().parent.name if path.stem in SPLITS else path.stem


def _objects(path: Path, prompts: TaskPrompts) -> Iterator[tuple[str, str, Row]]:
    """Each row with its place in words and the id that it has if it names none."""
    if path.suffix == ".jsonl":
        yield from _lines(path, prompts)
    elif path.suffix == ".json":
        yield from _json(path, prompts)
    elif path.suffix in SUFFIXES:
        yield from _table(path)
    else:
        raise ValueError(f"{path}: the file's name is to end in one of {', '.join(SUFFIXES)}")


def _lines(path: Path, prompts: TaskPrompts) -> Iterator[tuple[str, str, Row]]:
    heads = read_task_list(path.parent / TASK_LIST) if (path.parent / TASK_LIST).is_file() else {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        row = _object(line, place)
        head = heads.get(str(row.get("task"))) if "input" in row else None
        yield place, str(number), row if head is None else prompts.row(head, head.task, row)


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{place}: the line is no JSON object; expected one object a line")
    return value


def _json(path: Path, prompts: TaskPrompts) -> Iterator[tuple[str, str, Row]]:
    """The rows of a list of objects, or of a task file."""
    try:
        content = parse(path.read_bytes())
        if isinstance(content, Mapping):
            yield from _task(path, content, prompts)
            return
        if not isinstance(content, list):
            raise BrokenFile(f"the top level is {json_type(content)}")
    except BrokenFile as error:
        raise ValueError(f"{path}: {error}; expected a list of objects or a task of Natural Instructions") from error
    for number, row in enumerate(json.loads(path.read_bytes()), start=1):  # `parse` gives numbers as texts
        if not isinstance(row, dict):
            raise ValueError(f"{path}, row {number}: no JSON object; expected a list of objects")
        yield f"{path}, row {number}", str(number), row


def _task(path: Path, content: Mapping[str, Any], prompts: TaskPrompts) -> Iterator[tuple[str, str, Row]]:
    found = read_task(path.stem, content)
    for note in found.notes:
        print(f"Warning: {path}: left out: {note}", file=sys.stderr)
    if found.dropped:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(found.dropped.items()))
        print(f"Warning: {path}: {found.dropped.total()} of {found.count} rows left out ({counts})", file=sys.stderr)
    head = TaskHead(**found.head, kind="generation", positive_examples=found.positive_examples)
    for instance in found.rows:
        yield f"{path}, instance {instance.id}", instance.id, prompts.row(head, path.stem, instance.model_dump())


def _table(path: Path) -> Iterator[tuple[str, str, Row]]:
    import polars as pl

    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        else:
            separator, quote = ("\t", None) if path.suffix == ".tsv" else (",", '"')
            frame = pl.read_csv(path, separator=separator, quote_char=quote, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        needs = "a Parquet file" if path.suffix == ".parquet" else "UTF-8, a header, and as many cells in every row"
        raise ValueError(f"{path}: no table that can be read: {error}; expected {needs}") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield f"{path}, row {number}", str(number), row
