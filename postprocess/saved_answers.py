"""Raw answers read from files, texts and references apart: what cleans a text gets `Texts`, without references."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneday.files import parse_line, read_lines
from oneday.records import Prediction


@dataclass(frozen=True)
class Texts:
    """The rows of one task: what was asked and what the model said, as it said it."""

    ids: Sequence[str]
    prompts: Sequence[str]
    raw: Sequence[str]


@dataclass(frozen=True)
class SavedAnswers:
    """A set of answers by task, in the order of names; `references` line up with the texts."""

    name: str
    texts: Mapping[str, Texts]
    references: Mapping[str, Sequence[tuple[str, ...]]]

    @property
    def rows(self) -> int:
        """The number of rows of all tasks."""
        return sum(len(texts.raw) for texts in self.texts.values())


def read_answers(name: str, paths: Sequence[Path], tasks: Mapping[str, object]) -> SavedAnswers:
    """The answers of all the files as one set.

    ValueError for a row of a task that `tasks` does not have, without a reference, or that is there twice, and for
    files without any row.
    """
    rows: dict[str, dict[str, Prediction]] = {}
    for path in paths:
        for row in _predictions(path):
            if row.task not in tasks:
                known = ", ".join(sorted(tasks)[:20])
                raise ValueError(f"{path}: row {row.id}: the run has no task {row.task}; there are: {known}")
            if not row.answer:
                raise ValueError(f"{path}: row {row.id} of task {row.task} has no reference in 'answer' to judge by")
            if row.id in rows.setdefault(row.task, {}):
                raise ValueError(f"{path}: row {row.id} of task {row.task} is there twice in '{name}'; keep one")
            rows[row.task][row.id] = row
    if not rows:
        raise ValueError(f"{', '.join(map(str, paths)) or name}: there are no rows; name files of raw answers")
    return SavedAnswers(
        name,
        {
            task: Texts(
                list(of_task), [r.few_shot_prompt for r in of_task.values()], [r.prediction for r in of_task.values()]
            )
            for task, of_task in sorted(rows.items())
        },
        {task: [tuple(row.answer) for row in of_task.values()] for task, of_task in sorted(rows.items())},
    )


def _predictions(path: Path) -> Iterator[Prediction]:
    """The rows of a file. Some editors put a byte order mark before the first, which is no part of it."""
    lines = ((number, line.removeprefix(BOM_UTF8)) for number, line in read_lines(path))
    return (parse_line(path, number, line, Prediction) for number, line in lines if line.strip())
