"""Earlier evaluations: their answers to these rows, and which of their settings differ from the present ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.examples.answers import Length, chosen
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scores import REPORT_FILE, ROWS_FILE, EarlierReport, ModelReport, QuickReport, read_quick_scores
from oneday.files import read_json, read_jsonl, sha256_file

OF_ALL, OF_TEXTS, OF_OPTIONS = ("device", "precision"), ("max_new_tokens", "stop", "rules"), ("delimiter", "seam")


@dataclass(frozen=True)
class EarlierRun:
    """An evaluation on disk: the answers by model, whose names may have got the folder's before them, and its report.

    `models` has the report of each of these models.
    """

    folder: Path
    answers: Mapping[str, Sequence[AnsweredRow]]
    models: Sequence[ModelReport]
    report: QuickReport

    def rows(self) -> list[ExampleRow]:
        """The rows that its first model has answered."""
        return [one.row for one in next(iter(self.answers.values()))]

    def answers_to(self, rows: Sequence[ExampleRow], length: Length) -> dict[str, list[AnsweredRow]]:
        """The answers in the order of the rows, options chosen anew by `length`. ValueError as of `in_order_of`."""
        found = {}
        for name, own in self.answers.items():
            ordered = in_order_of(rows, own, f"{self.folder}, {name}")
            found[name] = [chosen(one, length) if one.option_log_likelihoods else one for one in ordered]
        return found

    def compared(self, rows: Sequence[ExampleRow], settings: Mapping[str, Any]) -> EarlierReport:
        """What is told of it beside an evaluation of the rows with these settings, of those that decide the answers."""
        decide = [
            *OF_ALL,
            *(OF_OPTIONS if any(row.options for row in rows) else ()),
            *(OF_TEXTS if not all(row.options for row in rows) else ()),
        ]
        then = self.report.settings
        prompts = {row.key: row.prompt for row in self.rows()}
        return EarlierReport(
            folder=str(self.folder),
            report=sha256_file(self.folder / REPORT_FILE),
            settings=then,
            inputs=self.report.inputs,
            versions=self.report.versions,
            differs={name: both for name in decide if (both := (then.get(name), settings.get(name)))[0] != both[1]},
            length=then.get("length") if any(row.options for row in rows) else None,
            other_prompts=sum(prompts[row.key] != row.prompt for row in rows),
        )


def read_earlier(folder: Path, taken: Sequence[str]) -> EarlierRun:
    """The earlier evaluation in a folder; its models whose names are taken get the folder's before them.

    FileNotFoundError, or ValueError that names what is damaged, or that the folder has no answers of its own.
    """
    names = [name for name in read_quick_scores(folder).models if (folder / name / ROWS_FILE).is_file()]
    if not names:
        raise ValueError(f"{folder} has no answers of its own, no MODEL/{ROWS_FILE}; name another folder by --against")
    report = read_json(folder / REPORT_FILE, QuickReport)
    given = {name: f"{folder.resolve().name}/{name}" if name in taken else name for name in names}
    models = [
        one.model_copy(update={"name": given[one.name], "source": f"{folder}: {one.source}", "seconds": None})
        for one in report.models
        if one.name in given
    ]
    answers = {given[name]: read_jsonl(folder / name / ROWS_FILE, AnsweredRow) for name in names}
    return EarlierRun(folder, answers, models, report)


def notes(earlier: EarlierReport, length: Length) -> list[str]:
    """What a reader of the scores must know: a sentence for each kind of difference."""
    told = []
    if earlier.differs:
        named = "; ".join(f"{name}: {then!r} there, {now!r} here" for name, (then, now) in earlier.differs.items())
        told.append(f"{earlier.folder}: other settings, so that more than the models differs: {named}.")
    if earlier.length is not None and earlier.length != length:
        told.append(f"{earlier.folder}: options are chosen anew by --length {length}; there it was {earlier.length}.")
    if earlier.other_prompts:
        told.append(f"{earlier.folder}: other prompts there, of so many rows: {earlier.other_prompts}.")
    return told


def in_order_of(rows: Sequence[ExampleRow], answered: Sequence[AnsweredRow], name: str) -> list[AnsweredRow]:
    """The answers in the order of the rows. ValueError if they are to other rows, answers or options.

    Prompts may differ: comparing two is a use of it.
    """
    found = {one.row.key: one for one in answered}
    keys = [row.key for row in rows]
    if found.keys() != set(keys):
        missing, further = [key for key in keys if key not in found], [key for key in found if key not in set(keys)]
        example = f", such as {'/'.join((missing or further)[0])}"
        raise ValueError(
            f"{name}: answered other rows: {len(missing)} of these are missing there and {len(further)} are more"
            f"{example}; run both on the same files with the same --max-rows"
        )
    for row in rows:
        other = found[row.key].row
        if (other.references, other.options) != (row.references, row.options):
            raise ValueError(f"{name}: row {'/'.join(row.key)} has other answers or options there; run it again")
    return [found[key] for key in keys]
