"""A chunk of a source -> its examples before their prompts, as columns; what is no example is counted by reason.

Rows go through the source's converter one by one. JSON lines of plain texts, which are the bulk of large sets, are
taken as columns at once; a chunk with anything odd in it goes the first way, which names the fault of each row.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import polars as pl

from data_prep.mixing.config import PersonalData
from data_prep.mixing.personal_data import scrub
from data_prep.sources.catalogue import source_of
from data_prep.sources.chunks import Chunk, read_chunk
from data_prep.sources.example_source import Draft, Drop, Row, Unusable, text_of
from data_prep.sources.mix_config import MixSource, Sampled, Table, name_of
from oneday.prompt import WHITE_SPACE
from oneday.records import Example

BLOCK_BYTES = 2**20  # parsed at a time: what stays in the processor's cache is done twice as fast
# `question` is null where the prompt is still to be put together, `source` that of the row.
COLUMNS = ("instruction", "input", "answer", "task", "id", "source", "question")
Columns = tuple[str, str, str, str, str, str, str | None]


@dataclass
class Drafts:
    """The examples of a chunk, one a row with COLUMNS; `replaced` counts personal data by kind."""

    frame: pl.DataFrame
    dropped: Counter[str] = field(default_factory=Counter)
    replaced: Counter[str] = field(default_factory=Counter)


def read_drafts(source: MixSource, chunk: Chunk, personal_data: PersonalData | None) -> Drafts:
    """The examples of a chunk, without personal data if its settings are given."""
    if personal_data is None and chunk.form == "json_lines":
        columns = plain_columns(source, chunk)
        if columns is not None:
            return Drafts(columns)
    drafts = Drafts(pl.DataFrame())
    rows = converted_rows(source, chunk, drafts.dropped)
    if personal_data is not None:
        rows = (scrubbed(row, personal_data, drafts.replaced) for row in rows)
    drafts.frame = framed(list(rows), drafts.dropped)
    return drafts


def converted_rows(source: MixSource, chunk: Chunk, dropped: Counter[str]) -> Iterator[Columns]:
    """Each example of the chunk; each row, or example in it, that is none is counted in `dropped`."""
    convert, name = source_of(source).convert, name_of(source)
    for place, row in read_chunk(chunk):
        if isinstance(row, Drop):
            dropped[row.reason] += 1
            continue
        try:
            if isinstance(source, Sampled):
                yield sampled_row(row)
                continue
            drafts = list(convert(row, place, source))
        except Unusable as error:
            dropped[error.reason] += 1
            continue
        for draft in drafts:
            if isinstance(draft, Drop):
                dropped[draft.reason] += 1
            else:
                yield *_stripped(draft), name, None


def _stripped(draft: Draft) -> Draft:
    return draft._replace(answer=draft.answer.strip())


def sampled_row(row: Row) -> Columns:
    """A row of the stage sample, which has its prompt. Raises Unusable."""
    example = {name: text_of(row, name) for name in Example.model_fields}
    return ("", *(example[name] for name in COLUMNS[1:]))  # type: ignore[return-value]


def framed(rows: list[Columns], dropped: Counter[str]) -> pl.DataFrame:
    """The rows as a table without those that hold half of a surrogate pair: no text file can hold it."""
    try:
        return _frame(rows)
    except UnicodeEncodeError:
        whole = [row for row in rows if all(map(_is_unicode, row))]
        dropped["lone_surrogate"] += len(rows) - len(whole)
        return _frame(whole)


def _frame(rows: list[Columns]) -> pl.DataFrame:
    values: Iterable[tuple[str | None, ...]] = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
    columns = zip(COLUMNS, values, strict=True)
    return pl.DataFrame({name: pl.Series(own, dtype=pl.String) for name, own in columns})


def _is_unicode(text: str | None) -> bool:
    if text is None or text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def scrubbed(row: Columns, config: PersonalData, replaced: Counter[str]) -> Columns:
    """The row without personal data. A question holds the input again, so that it is not counted."""
    texts = []
    for text in row[:3]:
        clean, emails, phones = scrub(text, config)
        replaced.update(email=emails, phone=phones)
        texts.append(clean)
    question = row[6] if row[6] is None else scrub(row[6], config)[0]
    return texts[0], texts[1], texts[2], row[3], row[4], row[5], question


def plain_columns(source: MixSource, chunk: Chunk) -> pl.DataFrame | None:
    """The examples of a chunk of plain JSON lines; None if the source needs more, or if a row is not of texts alone."""
    named = _plain_fields(source)
    if named is None:
        return None
    blocks = []
    with Path(chunk.path).open("rb") as file:
        file.seek(chunk.start)
        while (left := chunk.end - file.tell()) > 0:
            block = _plain_block(file.readlines(max(min(left, BLOCK_BYTES) - 1, 1)), named)
            if block is None:
                return None
            blocks.append(block)
    return _complete(pl.concat(blocks), source, chunk)


def _plain_block(lines: list[bytes], named: dict[str, str]) -> pl.DataFrame | None:
    """Some JSON lines as columns; None if one of them has not a text for each.

    They are parsed as one list. With a brace at both ends of every line, none can go on in the next.
    """
    if not all(line[:1] == b"{" and line[-2:] == b"}\n" for line in lines):
        return None
    try:
        rows = orjson.loads(b"[" + b",".join(lines) + b"]")
        columns = {name: pl.Series([row[key] for row in rows], dtype=pl.String) for name, key in named.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, UnicodeEncodeError):
        return None
    frame = pl.DataFrame(columns)
    return None if len(rows) != len(lines) or any(frame.null_count().row(0)) else frame


def _plain_fields(source: MixSource) -> dict[str, str] | None:
    """The key of each column in a row, where columns are all that there is to a conversion."""
    if isinstance(source, Sampled):
        return {name: name for name in Example.model_fields}
    if not isinstance(source, Table):
        return None
    optional = {"task": source.task_column, "id": source.id_column}
    own = {name: key for name, key in optional.items() if key is not None}
    if source.question_answer is not None:
        return {"input": source.question_answer.question, "answer": source.question_answer.answer} | own
    fields = source.instruction_output
    if fields is None or fields.input is None:
        return None
    return {"instruction": fields.instruction, "input": fields.input, "answer": fields.output} | own


def _complete(frame: pl.DataFrame, source: MixSource, chunk: Chunk) -> pl.DataFrame:
    """The columns that are not in the rows, as the converter of the source makes them."""
    if isinstance(source, Sampled):
        return frame.with_columns(instruction=pl.lit("")).select(COLUMNS)
    assert isinstance(source, Table)
    if source.instruction_output is None:
        frame = frame.with_columns(instruction=pl.lit(source.instruction))
    else:
        no_input, no_instruction = (
            pl.col(name).str.strip_chars(WHITE_SPACE) == "" for name in ("input", "instruction")
        )
        frame = frame.with_columns(
            input=pl.when(no_input).then("instruction").otherwise("input"),
            instruction=pl.when(no_input)
            .then(pl.lit(""))
            .when(no_instruction)
            .then(pl.lit(source.instruction))
            .otherwise("instruction"),
        )
    if source.task_column is None:
        frame = frame.with_columns(task=pl.lit(source.name))
    if source.id_column is None:
        numbers = pl.int_range(chunk.first, chunk.first + len(frame)).cast(pl.String)
        frame = frame.with_columns(id=pl.concat_str(pl.lit(f"{chunk.label}-"), numbers))
    missing = {"source": pl.lit(source.name), "question": pl.lit(None, dtype=pl.String)}
    return frame.with_columns(pl.col("answer").str.strip_chars(WHITE_SPACE), **missing).select(COLUMNS)
