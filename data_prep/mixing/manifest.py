"""Everything that is known of a finished mix -> its manifest."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing import findings
from data_prep.mixing.eval_sets import Compared
from data_prep.mixing.machine_translation import published_of
from data_prep.mixing.output import SCHEMA, PartLines
from data_prep.mixing.part import PartReport
from data_prep.mixing.plan import Located
from data_prep.mixing.records import TOKEN_EDGES, Manifest, OutputFile, SourceResult, TaskRows
from data_prep.mixing.rows import AllRows, Fates
from data_prep.mixing.split import FileRows, Split
from data_prep.mixing.tokens import count_tokens, counts_every_row
from data_prep.sources.mix_config import DataSet
from oneday.files import sha256_file
from oneday.recipe import Recipe

COUNTED_ROWS = 500  # of each source, from which its tokens are estimated where the recipe needs no exact count
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Made:
    """A mix whose files are written: its rows, what became of them, and what they were compared with."""

    sources: Sequence[Located]
    reports: Sequence[PartReport]
    rows: AllRows
    fates: Fates
    lines: PartLines
    split: Split
    files: Sequence[FileRows]
    compared: Compared


def make_manifest(recipe: Recipe, output_dir: Path, made: Made) -> Manifest:
    """The manifest of a mix."""
    mix = recipe.data.mix
    used = np.concatenate([np.array(rows, dtype=np.int64) for rows in made.split])
    tokens, counted = _tokens(recipe, made.rows, used, made.lines)
    split_of = np.repeat(np.arange(len(made.split), dtype=np.int8), [len(rows) for rows in made.split])
    table = pl.DataFrame(
        {
            "source": made.rows.source[used],
            "task": made.rows.columns["task"][used].cast(pl.String),
            "split": split_of,
            "tokens": tokens,
        }
    )
    return Manifest(
        recipe=recipe.name,
        seed=recipe.data.seed,
        tokenizer=recipe.base_model,
        tokens_counted=counted,
        sources=[
            _source(recipe, source, made, made.fates.dropped[place], table.filter(pl.col("source") == place))
            for place, source in enumerate(made.sources)
        ],
        files=[_file(output_dir / f"{file.stem}.{mix.output}", file) for file in made.files],
        duplicates=[findings.duplicate(pair, made.lines) for pair in made.fates.duplicates],
        near_duplicates=[findings.duplicate(pair, made.lines) for pair in made.fates.near_duplicates],
        eval_sets=findings.eval_sets(mix.decontaminate, made.reports, made.compared.eval_rows),
        replaced=dict(sum((Counter(report.replaced) for report in made.reports), Counter[str]())),
        subsets=mix.subsets,
        contradictions=[findings.contradiction(rows, made.lines) for rows in made.fates.contradictions],
        competition_sets=findings.competition_sets(made.reports, made.compared.competition_rows),
    )


def _file(path: Path, file: FileRows) -> OutputFile:
    return OutputFile(
        name=path.name,
        subset=file.subset,
        rows=len(file.rows),
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def _source(
    recipe: Recipe, source: Located, made: Made, dropped_later: Counter[str], used: pl.DataFrame
) -> SourceResult:
    """What is known of a source; `used` are its rows that are used, with their tokens."""
    settings, published = source.settings, published_of(source.settings, recipe.data.translate)
    data_set = settings if isinstance(settings, DataSet) else None
    parts = [report for report in made.reports if report.source == source.name]
    dropped = sum((Counter(report.dropped) for report in parts), Counter(dropped_later))
    return SourceResult(
        name=source.name,
        source=settings.source,
        licence=published.licence,
        remark=published.remark,
        origin=published.origin,
        path=data_set.path if data_set else None,
        revision=data_set.revision if data_set else None,
        commit=source.resolved.commit,
        sha256=source.resolved.sha256,
        read=sum(report.read for report in parts),
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
        **{name: int((used["split"] == number).sum()) for number, name in enumerate(Split._fields)},
        tokens=int(used["tokens"].sum()),
        token_histogram=_histogram(used["tokens"].to_numpy()),
        tasks=_tasks(used),
    )


def _tokens(recipe: Recipe, rows: AllRows, used: Integers, lines: PartLines) -> tuple[Integers, str]:
    """The tokens of the rows that are used, and how many rows were counted for it."""
    if counts_every_row(recipe.data.mix):
        return rows.numbers("tokens")[used].astype(np.int64), "every row"
    chosen = _drawn(rows, used, recipe.data.seed)
    texts = pl.read_ndjson(lines.lines(chosen.tolist()), schema=SCHEMA)
    counts = count_tokens(texts, recipe.base_model)
    if len(chosen) == len(used):
        by_row = np.zeros(len(rows), dtype=np.int64)
        by_row[chosen] = counts
        return by_row[used], "every row"
    sizes, ratios = rows.numbers("bytes").astype(np.float64), np.zeros(len(recipe.data.mix.sources))
    for place in np.unique(rows.source[used]):
        own = rows.source[chosen] == place
        ratios[place] = counts[own].sum() / sizes[chosen[own]].sum()
    tokens = np.rint(sizes[used] * ratios[rows.source[used]]).astype(np.int64)
    return tokens, f"estimated from {len(chosen):,} of {len(used):,} rows, by bytes and source"


def _drawn(rows: AllRows, used: Integers, seed: int) -> Integers:
    """At most COUNTED_ROWS rows of each source, ascending."""
    drawn = []
    for place in np.unique(rows.source[used]):
        own = np.sort(used[rows.source[used] == place])
        places = random.Random(f"{seed} tokens {place}").sample(range(len(own)), min(COUNTED_ROWS, len(own)))
        drawn.append(own[places])
    return np.sort(np.concatenate(drawn))


def _histogram(tokens: Integers) -> list[int]:
    places = np.searchsorted(np.array(TOKEN_EDGES), tokens, side="right") - 1
    return [int(count) for count in np.bincount(places, minlength=len(TOKEN_EDGES))]


def _tasks(used: pl.DataFrame) -> list[TaskRows]:
    """Rows and tokens of each task of a source, the largest first."""
    parts = [(pl.col("split") == number).sum().alias(name) for number, name in enumerate(Split._fields)]
    grouped = used.group_by("task").agg(pl.len().alias("rows"), pl.col("tokens").sum(), *parts)
    ordered = grouped.sort(["rows", "task"], descending=[True, False])
    return [TaskRows(**row) for row in ordered.iter_rows(named=True)]
