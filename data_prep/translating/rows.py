"""A data set -> the rows to translate: the first ones of each label, less what has no text or is the competition's."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_prep.mixing.competition import comparable
from data_prep.mixing.config import TableSet
from data_prep.sources.chunks import plan_chunks, read_chunk
from data_prep.sources.data_set import require_columns, resolve, told_of
from data_prep.sources.example_source import Drop, Row, Unusable, text_of
from data_prep.translating.config import Translate


@dataclass(frozen=True)
class SourceRow:
    """A row to translate. `place` is where it stands, such as train-17; `texts` are its fields, in NFC and stripped."""

    place: str
    label: str
    values: Row
    texts: dict[str, str]


@dataclass
class Selection:
    """The rows to translate, in the order of the data; all others are counted in `dropped`, by reason."""

    rows: list[SourceRow] = field(default_factory=list)
    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    read_of_label: Counter[str] = field(default_factory=Counter)
    taken_of_label: Counter[str] = field(default_factory=Counter)

    @property
    def texts(self) -> list[str]:
        """Every text once, in the order in which they first come."""
        return list(dict.fromkeys(text for row in self.rows for text in row.texts.values()))


def select_rows(settings: Translate, run_dir: Path, work: Path) -> Selection:
    """The rows to translate. What is on a hub is downloaded into `work`.

    FileNotFoundError or ValueError says what is wrong with the data, and what to do.
    """
    competition = _competition_texts(settings.competition_rows, run_dir, work)
    with told_of("translate.data"):
        files = resolve(settings.data, work, run_dir).files
        keys = {**dict.fromkeys(settings.fields, "translate.fields"), settings.label: "translate.label"}
        require_columns([*settings.fields, settings.label], files, keys)
        selection = Selection()
        for place, row in _read(files):
            selection.read += 1
            try:
                _take(place, row, settings, competition, selection)
            except Unusable as error:
                selection.dropped[error.reason] += 1
    return selection


def _take(place: str, row: Row | Drop, settings: Translate, competition: set[str], selection: Selection) -> None:
    """Put a row among the selected ones. Raises Unusable."""
    if isinstance(row, Drop):
        raise Unusable(row.reason)
    label = label_text(row.get(settings.label), settings.label, place)
    selection.read_of_label[label] += 1
    texts = {name: plain_text(text_of(row, name)) for name in settings.fields}
    require_unicode((label, *texts.values()))
    if not all(texts.values()):
        raise Unusable("blank_field")
    if any(comparable(text) in competition for text in texts.values()):
        raise Unusable("competition_row")
    if selection.taken_of_label[label] == settings.max_rows_per_label:
        raise Unusable("over_label_cap")
    selection.taken_of_label[label] += 1
    selection.rows.append(SourceRow(place, label, row, texts))


def label_text(value: Any, column: str, place: str) -> str:
    """The label as text: 2 and '2' are the same one. Raises Unusable if it is missing or blank, ValueError if none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Unusable("missing_label")
    if not isinstance(value, str | int):
        raise ValueError(
            f"row {place}: the label {value!r:.60} in the column {column} is a {type(value).__name__}; allowed: text, "
            "whole numbers, true and false; name another column as translate.label, or convert this one"
        )
    return str(value).strip()


def require_unicode(texts: Iterable[str]) -> None:
    """Raises Unusable if a text holds half of a surrogate pair: no tokenizer reads it, and no file can hold it."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise Unusable("lone_surrogate") from error


def plain_text(text: str) -> str:
    """The text in NFC, without white space around it."""
    return unicodedata.normalize("NFC", text).strip()


def _competition_texts(tables: Sequence[TableSet], run_dir: Path, work: Path) -> set[str]:
    """Every text of the tables' fields, as it is compared."""
    found: set[str] = set()
    for table in tables:
        with told_of(f"translate.competition_rows: {table.name}"):
            own = set(_texts_of(table, run_dir, work))
            if not own:
                raise ValueError(f"there is no text in {', '.join(table.fields)}; name other fields, or leave it out")
            found |= own
    return found


def _texts_of(table: TableSet, run_dir: Path, work: Path) -> Iterator[str]:
    files = resolve(table.data_set(), work, run_dir).files
    require_columns(table.fields, files)
    for place, row in _read(files):
        if isinstance(row, Drop):
            raise ValueError(f"row {place} cannot be read ({row.reason}); mend the file")
        for name in table.fields:
            value = row.get(name)
            if value is not None and not isinstance(value, str):
                raise ValueError(f"row {place}: {name} is a {type(value).__name__}, not text; change fields")
            if value is not None and (text := comparable(value)):
                yield text


def _read(files: Sequence[Path]) -> Iterator[tuple[str, Row | Drop]]:
    return (named_row for chunk in plan_chunks(files) for named_row in read_chunk(chunk))
