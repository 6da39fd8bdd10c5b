"""A submission file, ID,Response: written whole, read back, checked against the challenge's files, scored by them."""

import csv
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.competition_files import FILES, ROWS, CompetitionRow, label_of, read_csv
from eval.config import Bootstrap
from eval.metrics.chrf import chrf_statistics
from eval.metrics.macro_f1 import LABELS, f1_statistics, majority
from eval.zindi_bootstrap import Column, Floats, TaskRows
from eval.zindi_scores import METRICS, ZindiScores
from eval.zindi_scoring import ANSWER, COMMONEST, score_rows
from oneday.buzuzu_mavi import KINDS, LANGUAGES
from oneday.files import atomic_write

COLUMNS = ("ID", "Response")
SHOWN_FAULTS = 10
SUBMISSION: Column = ("submission", ANSWER)
BOOTSTRAP = Bootstrap(resamples=1000, confidence=0.95, seed=0)  # of a submission, which has no recipe


def write_submission(path: Path, rows: Sequence[CompetitionRow], responses: Mapping[str, str]) -> None:
    """Write the response to each row, in the order of the rows; the file is whole or absent."""
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.id, responses[row.id]) for row in rows)


def read_submission(path: Path, rows: Sequence[CompetitionRow]) -> dict[str, str]:
    """ID -> response, checked: every ID of the files once, no other, none blank, label numbers where labels are due.

    Raises FileNotFoundError; ValueError that lists what is wrong, with file and line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; name the submission to read")
    expected = {row.id: row for row in rows}
    faults: list[str] = []
    responses: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, record in read_csv(path, COLUMNS):
        id, response = record["ID"].strip(), record["Response"]
        if id in lines:
            faults.append(f"{path}:{line}: the ID {id!r} is in line {lines[id]} already")
        elif id not in expected:
            faults.append(f"{path}:{line}: the ID {id!r} is in none of {', '.join(FILES.values())}")
        elif wrong := _wrong(expected[id], response):
            faults.append(f"{path}:{line}: {id}: {wrong}")
        lines.setdefault(id, line)
        responses[id] = response
    faults += [f"{path}: no row for the ID {row.id!r} ({row.place})" for row in rows if row.id not in lines]
    if faults:
        more = f"\nand {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise ValueError("\n".join(faults[:SHOWN_FAULTS]) + more)
    return responses


def _wrong(row: CompetitionRow, response: str) -> str | None:
    """What is wrong with a response, in words."""
    if not response.strip():
        return "the response is blank"
    numbers = [str(number) for number in range(LABELS)]
    if METRICS[row.kind] == "macro_f1" and response.strip() not in numbers:
        return f"the response {response!r} is no label number of {row.kind}; allowed: {', '.join(numbers)}"
    return None


def described(path: Path, rows: Sequence[CompetitionRow]) -> str:
    """What a checked submission holds, in words."""
    numbers = ", ".join(f"{sum(row.kind == kind for row in rows)} {kind}" for kind in KINDS)
    note = "" if len(rows) == ROWS else f"\nnote: the challenge's own files hold {ROWS} rows"
    return f"{path}: {len(rows)} rows ({numbers}), every ID once, none blank{note}"


def score_submission(
    path: Path, rows: Sequence[CompetitionRow], size: int | None, parameter_size: int | None
) -> ZindiScores:
    """The scores of a submission by the targets of the files. ValueError if it is wrong, or a row has no target."""
    responses = read_submission(path, rows)
    if not any(row.target.strip() for row in rows):
        raise ValueError(f"{rows[0].file.parent}: no row has a target, so nothing can be scored by these files")
    tasks = [task for kind in KINDS for language in LANGUAGES if (task := _task(rows, responses, kind, language))]
    name = SUBMISSION[0]
    return score_rows(tasks, [name], {name: size}, parameter_size, BOOTSTRAP, {})


def _task(rows: Sequence[CompetitionRow], responses: Mapping[str, str], kind: str, language: str) -> TaskRows | None:
    own = [row for row in rows if (row.kind, row.language) == (kind, language)]
    return TaskRows(own[0].kind, own[0].language, _statistics(own, responses)) if own else None


def _statistics(own: Sequence[CompetitionRow], responses: Mapping[str, str]) -> dict[Column, Floats]:
    answers = [unicodedata.normalize("NFC", responses[row.id]).strip() for row in own]  # as the targets are
    if METRICS[own[0].kind] == "chrf":
        if blank := [row for row in own if not row.target.strip()]:
            raise ValueError(f"{blank[0].place}: column targets is blank, so the row cannot be scored")
        return {SUBMISSION: chrf_statistics(answers, [row.target for row in own])}
    right = [label_of(row) for row in own]
    numbers = {SUBMISSION: [int(answer) for answer in answers], COMMONEST: [majority(right)] * len(right)}
    return {column: f1_statistics(labels, right) for column, labels in numbers.items()}
