"""A task file of Natural Instructions, as found in the wild -> what it says, in one form.

Texts may stand where lists should, numbers where texts should; ids, languages and licences may be missing; white
space at the ends of texts is stripped. A row that is of no use is dropped under one of the reasons below.
Schema: https://github.com/allenai/natural-instructions (Apache-2.0).
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.sources.task_json import BrokenFile, json_type
from oneday.records import Instance, PositiveExample
from postprocess.rules.cuts import cut_at_blank_line

MAX_CHARACTERS = 1_000_000  # of a row's texts; no task has such rows, and each stage would carry them along
NOTED = 5  # unusable rows of a task that are named, not only counted
LISTS = {  # key of a task file -> field of records.TaskHead
    "Definition": "definition",
    "Categories": "categories",
    "Domains": "domains",
    "Input_language": "input_language",
    "Output_language": "output_language",
    "Source": "source",
    "Instance License": "instance_licence",
}


@dataclass(frozen=True)
class ReadTask:
    """A task file's content. `head` holds fields of TaskHead (those that the file states), `rows` the usable rows.

    `count` is how many rows the file has: the usable ones and the sum of `dropped`. `details` counts what was
    mended within rows and examples; `notes` name the first rows that cannot be used.
    """

    head: dict[str, list[str]]
    positive_examples: list[PositiveExample]
    negative_examples: list[PositiveExample]
    rows: list[Instance]
    count: int
    dropped: Counter[str]
    details: Counter[str]
    notes: list[str]


class Unusable(ValueError):
    """A row that cannot be used; the message is the name of the reason."""


def read_task(name: str, raw: Mapping[str, Any]) -> ReadTask:
    """The content of a task file. Raises BrokenFile if it has no definition, no list of instances, or wrong types."""
    if raw.get("Definition") is None:
        raise BrokenFile("no Definition")
    if "Instances" not in raw:
        raise BrokenFile("no Instances key")
    if not isinstance(raw["Instances"], list):
        raise BrokenFile(f"Instances is {json_type(raw['Instances'])}; expected a list of objects")
    head = {field: _texts(raw.get(key), key) for key, field in LISTS.items()}
    if not head["definition"]:
        raise BrokenFile("Definition is empty")
    dropped: Counter[str] = Counter()
    details: Counter[str] = Counter()
    notes: list[str] = []
    return ReadTask(
        head={field: texts for field, texts in head.items() if texts or field == "categories"},
        positive_examples=_examples(raw, "Positive Examples", details),
        negative_examples=_examples(raw, "Negative Examples", details),
        rows=usable_rows(name, raw["Instances"], dropped, details, notes),
        count=len(raw["Instances"]),
        dropped=dropped,
        details=details,
        notes=notes,
    )


def usable_rows(
    name: str, rows: Sequence[Any], dropped: Counter[str], details: Counter[str], notes: list[str]
) -> list[Instance]:
    """The rows that can be used, in their order, of those with one id the first.

    Adds to `dropped` and `details`, and to `notes` the places of the first rows that are dropped.
    """
    kept: dict[str, Instance] = {}
    for number, row in enumerate(rows):
        try:
            instance = _instance(f"{name}-{number}", row, details)
        except Unusable as error:
            reason = str(error)
        else:
            if instance.id not in kept:
                kept[instance.id] = instance
                continue
            reason = "duplicate_instance" if instance == kept[instance.id] else "duplicate_id"
        dropped[reason] += 1
        if len(notes) < NOTED:
            id = f" (id {row['id']!r})" if isinstance(row, dict) and "id" in row else ""
            notes.append(f"{name}: instance {number}{id}: {reason.replace('_', ' ')}")
    return list(kept.values())


def _instance(derived_id: str, row: Any, details: Counter[str]) -> Instance:
    """A row in one form. Raises Unusable."""
    if not isinstance(row, dict):
        raise Unusable("wrong_type")
    outputs = row.get("output")
    texts = [_text(output) for output in (outputs if isinstance(outputs, list) else [outputs])]
    id, question = _text(row.get("id")), _text(row.get("input"))
    if len(question) + sum(map(len, texts)) > MAX_CHARACTERS:
        raise Unusable("text_too_long")
    if any(_has_lone_surrogate(text) for text in (id, question, *texts)):
        raise Unusable("lone_surrogate")
    if not question:
        raise Unusable("blank_input")
    references = _references(texts, details)
    details["ids_derived"] += not id
    return Instance(id=id or derived_id, input=question, output=references)


def _references(texts: Sequence[str], details: Counter[str]) -> list[str]:
    """The references without empty and equal ones, and without those that no generation can give. Raises Unusable."""
    filled = [text for text in texts if text]
    if not filled:
        raise Unusable("no_reference")
    distinct = list(dict.fromkeys(filled))
    # A generation is cut at a blank line, so it can never equal a text with one.
    reachable = [text for text in distinct if "\n" not in text or cut_at_blank_line(text) is None]
    if not reachable:
        raise Unusable("blank_line_in_answer")
    details["empty_references_removed"] += len(texts) - len(filled)
    details["equal_references_merged"] += len(filled) - len(distinct)
    details["references_with_blank_line_removed"] += len(distinct) - len(reachable)
    return reachable


def _text(value: Any) -> str:
    """Text without white space at its ends; a number as text, nothing as empty text. Raises Unusable."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unusable("wrong_type")
    return json.dumps(value)


def _has_lone_surrogate(text: str) -> bool:
    """Whether the text holds half a surrogate pair, which no UTF-8 file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _texts(value: Any, key: str) -> list[str]:
    """A text, or a list of texts, as a list without empty ones. Raises BrokenFile."""
    try:
        texts = [_text(item) for item in (value if isinstance(value, list) else [value])]
    except Unusable as error:
        raise BrokenFile(f"{key} is {_describe(value)}; expected text or a list of texts") from error
    if any(map(_has_lone_surrogate, texts)):
        raise BrokenFile(f"{key} holds half a surrogate pair")
    return [text for text in texts if text]


def _describe(value: Any) -> str:
    if not isinstance(value, list):
        return json_type(value)
    return f"a list with {', '.join(sorted({json_type(item) for item in value}))} in it"


def _examples(raw: Mapping[str, Any], key: str, details: Counter[str]) -> list[PositiveExample]:
    """The examples that have an input and an output; the others are counted in `details`. Raises BrokenFile."""
    examples = raw.get(key)
    if examples is None:
        return []
    if not isinstance(examples, list):
        raise BrokenFile(f"{key} is {json_type(examples)}; expected a list of objects")
    kept = []
    for example in examples:
        try:
            instance = _instance("example", example, Counter())
            explanation = _text(example.get("explanation"))
        except Unusable:
            details[f"{key.split()[0].lower()}_examples_left_out"] += 1
            continue
        explanation = "" if _has_lone_surrogate(explanation) else explanation
        kept.append(PositiveExample(input=instance.input, output=instance.output[0], explanation=explanation))
    return kept
