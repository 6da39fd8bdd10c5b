"""The held-out rows for the page's filters: rows -> compact JSON that a page of thousands has room for.

A row is there once, with every variant's answer. Texts are shortened to the longest of `INPUT_LIMITS` with which all
rows stay within the bytes that the page has left; a file with more rows than fit even so gives the first of each task,
as many of each.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from eval.config import Compare
from eval.scores import ScoredRow, Scores
from eval.table import by_kind, label
from oneday.page import shorten

INPUT_LIMITS = (4000, 2500, 1600, 1000, 700, 500, 350, 250, 180, 120, 80)  # characters
ANSWER_SHARE = 0.4  # of the input's limit, for an answer or reference
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file in UTF-8 can hold
RIGHT_BEFORE, RIGHT_AFTER, MORE, LESS = 1, 2, 4, 8
JsonRow = list[Any]


@dataclass(frozen=True)
class Outcome:
    """A filter by what became of a row: flags that it must have, and flags that it must not have."""

    key: str
    name: str
    needs: int = 0
    excludes: int = 0


EVERY = Outcome("all", "all")
COMPARED = (
    EVERY,
    Outcome("right_before", "right before", RIGHT_BEFORE),
    Outcome("right_after", "right after", RIGHT_AFTER),
    Outcome("got_right", "wrong before, right after", RIGHT_AFTER, RIGHT_BEFORE),
    Outcome("got_wrong", "right before, wrong after", RIGHT_BEFORE, RIGHT_AFTER),
    Outcome("both_wrong", "wrong in both", 0, RIGHT_BEFORE | RIGHT_AFTER),
    Outcome("better", "got better", MORE),
    Outcome("worse", "got worse", LESS),
)
ALONE = (EVERY, Outcome("right", "right", RIGHT_AFTER), Outcome("wrong", "wrong", 0, RIGHT_AFTER))


@dataclass(frozen=True)
class HeldOutRow:
    """One held-out row with its answers and scores, in the order of the variants."""

    task: str
    id: str
    input: str
    references: tuple[str, ...]
    answers: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class ExampleData:
    """The JSON for the page, and how much of the rows is in it."""

    json: Markup
    shown: int
    all: int
    input_limit: int
    answer_limit: int
    shortened: bool


def outcomes(compare: Compare) -> tuple[Outcome, ...]:
    """The filters that a comparison has."""
    return COMPARED if compare.candidate != compare.baseline else ALONE


def held_out_rows(rows: Iterable[ScoredRow], scores: Scores) -> list[HeldOutRow]:
    """The rows in the order of the table of scores, each once. ValueError if a variant did not answer one of them."""
    answered: dict[tuple[str, str], dict[str, ScoredRow]] = {}
    for row in rows:
        answered.setdefault((row.task, row.id), {})[row.variant] = row
    order = {task.task: number for number, task in enumerate(by_kind(scores))}
    merged = []
    for (task, name), by_variant in answered.items():
        absent = [variant for variant in scores.variants if variant not in by_variant]
        if absent or task not in order:
            what = f"no answer of {absent[0]}" if absent else "a task that scores.json does not have"
            raise ValueError(f"rows.jsonl: row {name} of {task} has {what}; run the stage 'eval_score' again")
        merged.append(_merged([by_variant[variant] for variant in scores.variants]))
    return sorted(merged, key=lambda row: order[row.task])


def _merged(answered: Sequence[ScoredRow]) -> HeldOutRow:
    first = answered[0]
    return HeldOutRow(
        first.task,
        first.id,
        first.input,
        tuple(first.answer),
        tuple(row.prediction for row in answered),
        tuple(row.score for row in answered),
    )


def example_data(rows: Sequence[HeldOutRow], scores: Scores, compare: Compare, most_bytes: int) -> ExampleData:
    """The rows as JSON for a `<script type="application/json">`, in at most so many bytes; none if it has no room."""
    tasks = [task.task for task in by_kind(scores)]
    places = {task: number for number, task in enumerate(tasks)}
    before, after = (scores.variants.index(name) for name in (compare.baseline, compare.candidate))
    head = {
        "tasks": tasks,
        "variants": [label(name) for name in scores.variants],
        "before": before if before != after else None,
        "after": after,
        "outcomes": {outcome.key: [outcome.needs, outcome.excludes] for outcome in outcomes(compare)},
    }
    begin, end = f'{_script_safe(head)[:-1]},"rows":[', "]}"
    room = most_bytes - len(begin.encode()) - len(end)
    shown, parts, limit = _fit(rows, room, lambda row, longest: _json_row(row, places, before, after, longest))
    text = f"{begin}{','.join(parts)}{end}"
    answer_limit = int(limit * ANSWER_SHARE)
    longest = max((len(text) for row in shown for text in (*row.references, *row.answers)), default=0)
    cut = longest > answer_limit or any(len(row.input) > limit for row in shown)
    return ExampleData(Markup(text), len(shown), len(rows), limit, answer_limit, cut)


def _fit(
    rows: Sequence[HeldOutRow], room: int, encode: Callable[[HeldOutRow, int], str]
) -> tuple[Sequence[HeldOutRow], list[str], int]:
    """The rows that fit, each as JSON, and the limit of their inputs."""
    for limit in INPUT_LIMITS:
        parts = [encode(row, limit) for row in rows]
        if _size(parts) <= room:
            return rows, parts, limit
    each = max(Counter(row.task for row in rows).values(), default=0)
    while parts and _size(parts) > room:
        each //= 2
        rows = first_of_each_task(rows, each)
        parts = [encode(row, limit) for row in rows]
    return rows, parts, limit


def _size(parts: Sequence[str]) -> int:
    return sum(len(part.encode()) + 1 for part in parts)


def first_of_each_task(rows: Iterable[HeldOutRow], most: int) -> list[HeldOutRow]:
    """At most so many rows of each task, the first in the file."""
    taken: Counter[str] = Counter()
    kept = []
    for row in rows:
        taken[row.task] += 1
        if taken[row.task] <= most:
            kept.append(row)
    return kept


def flags(before: float, after: float) -> int:
    """What became of a row. Right is a score of 1, as the sampler counts."""
    right = (RIGHT_BEFORE if before >= 1 else 0) | (RIGHT_AFTER if after >= 1 else 0)
    return right | (MORE if after > before else LESS if after < before else 0)


def _json_row(row: HeldOutRow, places: dict[str, int], before: int, after: int, limit: int) -> str:
    """[task, id, flags, input, references, answers, scores]; an answer equal to an earlier one is that one's number."""
    longest = int(limit * ANSWER_SHARE)
    answers: list[str | int] = []
    for number, text in enumerate(row.answers):
        first = row.answers.index(text)
        answers.append(shorten(text, longest) if first == number else first)
    record: JsonRow = [
        places[row.task],
        row.id,
        flags(row.scores[before], row.scores[after]),
        shorten(row.input, limit),
        [shorten(text, longest) for text in row.references],
        answers,
        [round(score, 3) for score in row.scores],
    ]
    return _script_safe(record)


def _script_safe(value: Any) -> str:
    """JSON that cannot end a script element, nor begin a comment in one, and that UTF-8 can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return whole(text)


def whole(text: str) -> str:
    """The text with a replacement character for each half of one."""
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
