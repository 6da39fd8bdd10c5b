"""One chunk of a source -> one part on disk: clean rows, and the numbers by which the parts are compared.

    PART/lines.jsonl    the examples as they will be written, one a line
    PART/rows.parquet   a row a line: where it starts, its keys for duplicates and inputs, bytes, tokens, task
    PART/near/          MinHash and word ids of the inputs, where near-duplicates are looked for
    PART/part.json      what was read and dropped, and why; written last

A part depends on its chunk and on the recipe alone, so that it does not matter who makes it, or when.
"""

import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel

from data_prep.mixing.cleaning import Sieve, clean, drop_unusable
from data_prep.mixing.competition import CompetitionFound, comparable, find_competition, premise_or_input
from data_prep.mixing.config import Mix
from data_prep.mixing.contamination import Contaminated, find_contaminated
from data_prep.mixing.context import Context, Job
from data_prep.mixing.drafts import read_drafts
from data_prep.mixing.exact_duplicates import keys_of
from data_prep.mixing.signatures import save_signatures, signatures
from data_prep.mixing.tokens import bytes_of, count_tokens, counts_every_row
from data_prep.mixing.words import word_table
from data_prep.sources.mix_config import name_of
from oneday.files import read_json, write_json
from oneday.prompt import WHITE_SPACE, build_prompt
from oneday.records import Example

FIELDS = list(Example.model_fields)
INSTRUCTION_HERE, INPUT_HERE = "\0the instruction\0", "\0the input\0"
ROWS_AT_A_TIME = 1_000  # encoded and written together: a megabyte at a time is done faster than all at once
Integers = NDArray[np.int64]


class PartReport(BaseModel):
    """`part.json`: `read` is `kept` plus the sum of `dropped`. `replaced` counts personal data by kind.

    `digest` is that of the job, `sizes` are those of the part's other files in bytes.
    """

    number: int
    digest: str
    source: str
    read: int
    kept: int
    dropped: dict[str, int]
    replaced: dict[str, int]
    contaminated: dict[str, Contaminated]
    competition: dict[str, CompetitionFound]
    sizes: dict[str, int]


def make_part(context: Context, job: Job) -> PartReport:
    """Make a part, or take it as it is if it is already there, whole and of the same data.

    It is made in a folder of this process and then renamed, so that a folder with the part's name is a whole part.
    """
    final = context.parts / job.folder
    finished = finished_part(final, job)
    if finished is not None:
        return finished
    folder = context.parts / f".{job.folder}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = make_in(folder, context, job)
    shutil.rmtree(final, ignore_errors=True)
    folder.rename(final)
    return report


def finished_part(folder: Path, job: Job) -> PartReport | None:
    """The report of a part that was made before; None if there is none, if it is not whole, or of other data."""
    try:
        report = read_json(folder / "part.json", PartReport)
        whole = _sizes(folder) == report.sizes
    except (FileNotFoundError, ValueError):
        return None
    return report if whole and report.digest == job.digest else None


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "part.json")
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def make_in(folder: Path, context: Context, job: Job) -> PartReport:
    """Make a part in an empty folder. ValueError names the file where polars cannot do its work."""
    try:
        return _made(folder, context, job)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{job.chunk.path}: the rows from number {job.chunk.first:,} on: {error}") from error


def _made(folder: Path, context: Context, job: Job) -> PartReport:
    drafts = read_drafts(job.source, job.chunk, context.mix.personal_data)
    sieve = Sieve(drafts.frame, drafts.dropped)
    drop_unusable(sieve, context.mix)
    sieve.frame = with_prompts(sieve.frame, context.preamble)
    clean(sieve, context)
    competition = drop_competition(sieve, context)
    contaminated: dict[str, Contaminated] = {}
    inputs = word_table(sieve.frame["input"]) if compares_words(context) else None
    if context.eval_index is not None and inputs is not None:
        flags, contaminated = find_contaminated(sieve.frame, inputs, context.eval_index)
        sieve.drop(flags, "contaminated")
        inputs = inputs.take(np.flatnonzero(~flags)) if flags.any() else inputs
    write_rows(sieve.frame, context, folder)
    if context.mix.near_duplicates is not None and inputs is not None:
        save_signatures(signatures(inputs, context.mix.near_duplicates, context.seed), folder / "near")
    report = PartReport(
        number=job.number,
        digest=job.digest,
        source=name_of(job.source),
        read=len(sieve.frame) + sieve.dropped.total(),
        kept=len(sieve.frame),
        dropped=dict(sieve.dropped),
        replaced=dict(drafts.replaced),
        contaminated=contaminated,
        competition=competition,
        sizes=_sizes(folder),
    )
    write_json(folder / "part.json", report.model_dump())
    return report


def drop_competition(sieve: Sieve, context: Context) -> dict[str, CompetitionFound]:
    """Take out the rows whose inputs are those of a competition's rows; what was found, by set."""
    if context.competition is None:
        return {}
    flags, found = find_competition(sieve.frame["input"], context.competition)
    sieve.drop(flags, "competition_row")
    return found


def compares_words(context: Context) -> bool:
    """Whether anything is looked for in the words of the inputs."""
    return context.eval_index is not None or context.mix.near_duplicates is not None


def with_prompts(frame: pl.DataFrame, preamble: str) -> pl.DataFrame:
    """The drafts with `question`, the whole prompt, where they have none; put together as `build_prompt` does."""
    instruction, text = (pl.col(column).str.strip_chars(WHITE_SPACE) for column in ("instruction", "input"))
    before, between, after = re.split(
        f"{INSTRUCTION_HERE}|{INPUT_HERE}", build_prompt(preamble, INSTRUCTION_HERE, INPUT_HERE)
    )
    alone_before, alone_after = build_prompt(preamble, "", INPUT_HERE).split(INPUT_HERE)
    whole = pl.concat_str(pl.lit(before), instruction, pl.lit(between), text, pl.lit(after))
    alone = pl.concat_str(pl.lit(alone_before), text, pl.lit(alone_after))
    question = pl.col("question").fill_null(pl.when(instruction == "").then(alone).otherwise(whole))
    return frame.with_columns(question=question)


def write_rows(frame: pl.DataFrame, context: Context, folder: Path) -> None:
    """Write the lines of a part, what is known of each, and what near-duplicates are found by."""
    mix = context.mix
    sizes = write_lines(frame, folder / "lines.jsonl")
    tokens = count_tokens(frame, context.base_model) if counts_every_row(mix) else np.zeros(len(frame), dtype=np.int64)
    high, low = keys_of(frame[mix.exact_duplicates])
    answer_key, _ = keys_of(frame["answer"])
    columns = {
        "start": np.cumsum(sizes) - sizes,
        "size": sizes.astype(np.uint32),
        "key_high": high,
        "key_low": low,
        "answer_key": answer_key,
        "bytes": bytes_of(frame).astype(np.uint32),
        "tokens": tokens.astype(np.uint32),
        "task": frame["task"],
    }
    for name, form in compared_inputs(mix).items():
        columns[name], _ = keys_of(pl.Series(list(map(form, frame["input"])), dtype=pl.String))
    table = io.BytesIO()  # a full disk is an OSError from a file of Python's own
    pl.DataFrame(columns).write_parquet(table, compression="uncompressed")
    (folder / "rows.parquet").write_bytes(table.getbuffer())


def compared_inputs(mix: Mix) -> dict[str, Callable[[str], str]]:
    """Columns of keys that tell which rows have the same input, and the form in which inputs are compared for each.

    `input_key`: an input has one answer. `split_key`: rows stay in one part; those with one premise, too.
    """
    columns: dict[str, Callable[[str], str]] = {"input_key": comparable} if mix.one_answer_tasks else {}
    return columns | ({"split_key": premise_or_input} if mix.split_by == "input" else {})


def write_lines(frame: pl.DataFrame, path: Path) -> Integers:
    """Write the rows as JSON lines; the size of each in bytes. The columns' own memory is written, without a copy."""
    sizes = [np.zeros(0, dtype=np.int64)]
    with path.open("wb") as file:
        for rows in frame.iter_slices(ROWS_AT_A_TIME):
            lines = rows.select(pl.struct(FIELDS).struct.json_encode() + "\n").to_series().to_arrow()
            _, places, texts = lines.buffers()
            starts = np.frombuffer(places, dtype=np.int64)[lines.offset : lines.offset + len(lines) + 1]
            file.write(memoryview(texts)[starts[0] : starts[-1]])
            sizes.append(np.diff(starts))
    return np.concatenate(sizes)
