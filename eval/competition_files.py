"""The challenge's files: SentimentTest.csv, XNLITest.csv and MTTest.csv in one folder -> rows in their order.

CSV with commas and double quotes, UTF-8 with or without a byte order mark, any line ends. What is wrong is told with
file and line. Columns that are not named here are passed over.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneday.buzuzu_mavi import LANGUAGE_NAMES, Language, TaskKind, entailment_input, labels_of

FILES: Mapping[TaskKind, str] = {
    "sentiment": "SentimentTest.csv",
    "entailment": "XNLITest.csv",
    "translation": "MTTest.csv",
}
ROWS = 900  # in the challenge's own files: 150 of each task and language
REQUIRED: Mapping[TaskKind, tuple[str, ...]] = {
    "sentiment": ("ID", "langs", "instruction", "inputs"),
    "entailment": ("ID", "langs", "premise", "inputs"),
    "translation": ("ID", "langs", "inputs"),
}
TASKS: Mapping[str, TaskKind] = {
    "sentiment": "sentiment",
    **dict.fromkeys(("xnli", "afrixnli", "entailment"), "entailment"),
    **dict.fromkeys(("mmt", "mt", "translation"), "translation"),
}  # what the column `task` calls them


@dataclass(frozen=True)
class CompetitionRow:
    """One row to answer. `text` is the input of the prompt; `instruction` is the file's own and may be empty.

    `target` is as in the file, empty where there is none.
    """

    file: Path
    line: int
    kind: TaskKind
    language: Language
    id: str
    instruction: str
    text: str
    target: str

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.file}:{self.line}"


def read_competition(folder: Path) -> list[CompetitionRow]:
    """All rows of the three files, in the order of the files.

    Raises FileNotFoundError for absent files; ValueError for what is no such file, and for an ID that is there twice.
    """
    absent = [name for name in FILES.values() if not (folder / name).is_file()]
    if absent:
        needed = ", ".join(FILES.values())
        raise FileNotFoundError(f"{folder} holds no {' and no '.join(absent)}; the challenge's files are {needed}")
    rows = [row for kind, name in FILES.items() for row in _rows(folder / name, kind)]
    places: dict[str, str] = {}
    for row in rows:
        if row.id in places:
            raise ValueError(f"{row.place}: the ID {row.id!r} is in {places[row.id]} already; every ID is there once")
        places[row.id] = row.place
    return rows


def label_of(row: CompetitionRow) -> int:
    """The number of a row's target, which is a label word or that number itself. ValueError if it is neither."""
    labels = labels_of(row.kind, row.language)
    target = row.target.strip()
    if target in labels:
        return labels.index(target)
    numbers = [str(number) for number in range(len(labels))]
    if target in numbers:
        return numbers.index(target)
    allowed = ", ".join([*labels, *numbers])
    raise ValueError(
        f"{row.place}: column targets: {row.target!r} is no label of {row.kind} in {row.language}; allowed: {allowed}"
    )


def read_csv(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record by the names of the header, with the line that it begins in. Line ends in values become \\n.

    Raises ValueError with file and line for text that is not UTF-8, a record that does not fit the header, a quote
    that is not closed, and a header without the required columns.
    """
    records = _records(path, _decoded(path))
    header_line, names = next(records, (1, []))
    names = [name.strip() for name in names]
    if missing := [name for name in required if name not in names]:
        there = ", ".join(filter(None, names)) or "none"
        raise ValueError(f"{path}:{header_line}: no column {', '.join(missing)}; the columns there: {there}")
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise ValueError(f"{path}:{header_line}: two columns are called {twice[0]!r}; keep one")
    for line, values in records:
        if len(values) != len(names):
            raise ValueError(f"{path}:{line}: {len(values)} values, but the header has {len(names)} columns")
        yield line, dict(zip(names, values, strict=True))


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        wrong = f"not UTF-8 (byte 0x{content[error.start]:02x})"
        raise ValueError(f"{path}:{line}: {wrong}; save the file as UTF-8") from error


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not a blank line, with the line it begins in."""
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{path}:{line}: not CSV: {error}") from error
        if record is None:
            return
        if record:
            yield line, record


def _rows(path: Path, kind: TaskKind) -> Iterator[CompetitionRow]:
    for line, record in read_csv(path, REQUIRED[kind]):
        place = f"{path}:{line}"
        values = {name: unicodedata.normalize("NFC", value) for name, value in record.items()}
        filled = ("ID", "inputs", "premise") if kind == "entailment" else ("ID", "inputs")
        if blank := [name for name in filled if not values[name].strip()]:
            raise ValueError(f"{place}: column {blank[0]} is blank; every row needs {', '.join(filled)}")
        if TASKS.get(values.get("task", "").strip(), kind) != kind:
            raise ValueError(f"{place}: column task says {values['task']!r}, but {path.name} holds rows of {kind}")
        text = values["inputs"] if kind != "entailment" else entailment_input(values["premise"], values["inputs"])
        yield CompetitionRow(
            file=path,
            line=line,
            kind=kind,
            language=_language(place, kind, values["langs"].strip()),
            id=record["ID"].strip(),
            instruction=values.get("instruction", ""),
            text=text,
            target=values.get("targets", ""),
        )


def _language(place: str, kind: TaskKind, code: str) -> Language:
    pairs = kind == "translation"
    allowed = {name: language for name, language in LANGUAGE_NAMES.items() if name.startswith("eng-") == pairs}
    if code not in allowed:
        raise ValueError(f"{place}: column langs: unknown language {code!r}; allowed: {', '.join(allowed)}")
    return allowed[code]
