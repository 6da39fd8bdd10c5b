"""Everything that is known of a finished mix -> its manifest."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing.decontaminate import EvalRow
from data_prep.mixing.output import SCHEMA, PartLines
from data_prep.mixing.part import PartReport
from data_prep.mixing.plan import Located
from data_prep.mixing.records import (
    TOKEN_EDGES,
    ContaminationExample,
    DuplicatePair,
    EvalSetResult,
    Manifest,
    OutputFile,
    SourceResult,
    TaskRows,
)
from data_prep.mixing.rows import AllRows, Fates, Pair
from data_prep.mixing.split import Split
from data_prep.mixing.tokens import count_tokens, counts_every_row
from data_prep.mixing.words import word_table
from data_prep.sources.catalogue import source_of
from data_prep.sources.mix_config import DataSet
from oneday.files import sha256_file
from oneday.page import shorten
from oneday.recipe import Recipe

COUNTED_ROWS = 500  # of each source, from which its tokens are estimated where the recipe needs no exact count
SHOWN_CHARACTERS = 600
EXAMPLES = 10  # of contamination, for each evaluation set
Integers = NDArray[np.int64]


def make_manifest(
    recipe: Recipe,
    output_dir: Path,
    sources: Sequence[Located],
    reports: Sequence[PartReport],
    rows: AllRows,
    fates: Fates,
    lines: PartLines,
    split: Split,
    eval_rows: Sequence[EvalRow],
) -> Manifest:
    """The manifest of a mix whose files are written."""
    mix, used = recipe.data.mix, np.array([*split.train, *split.eval], dtype=np.int64)
    tokens, counted = _tokens(recipe, rows, used, lines)
    in_train = np.arange(len(used)) < len(split.train)
    results = []
    for place, source in enumerate(sources):
        own = rows.source[used] == place
        parts = [report for report in reports if report.source == source.name]
        train = int((own & in_train).sum())
        results.append(_source(source, parts, fates.dropped[place], train, rows, used[own], tokens[own]))
    names = [f"{part}.{mix.output}" for part in ("train", "eval")]
    return Manifest(
        recipe=recipe.name,
        seed=recipe.data.seed,
        tokenizer=recipe.base_model,
        tokens_counted=counted,
        sources=results,
        files=[
            OutputFile(
                name=name,
                rows=count,
                bytes=(output_dir / name).stat().st_size,
                sha256=sha256_file(output_dir / name),
            )
            for name, count in zip(names, map(len, split), strict=True)
        ],
        duplicates=[_pair(pair, lines) for pair in fates.duplicates],
        near_duplicates=[_pair(pair, lines) for pair in fates.near_duplicates],
        eval_sets=_eval_sets(recipe, reports, eval_rows),
        replaced=dict(sum((Counter(report.replaced) for report in reports), Counter[str]())),
    )


def _source(
    source: Located,
    parts: Sequence[PartReport],
    dropped_later: Counter[str],
    train: int,
    rows: AllRows,
    used: Integers,
    tokens: Integers,
) -> SourceResult:
    """What is known of a source; `used` are its rows that are used, `train` of them for training, with their tokens."""
    settings, published = source.settings, source_of(source.settings)
    data_set = settings if isinstance(settings, DataSet) else None
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
        train=train,
        eval=len(used) - train,
        tokens=int(tokens.sum()),
        token_histogram=_histogram(tokens),
        tasks=_tasks(rows, used, tokens),
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


def _tasks(rows: AllRows, used: Integers, tokens: Integers) -> list[TaskRows]:
    """Rows and tokens of each task of a source, the largest first."""
    table = pl.DataFrame({"task": rows.columns["task"][used].cast(pl.String), "tokens": tokens})
    grouped = table.group_by("task").agg(pl.len().alias("rows"), pl.col("tokens").sum())
    ordered = grouped.sort(["rows", "task"], descending=[True, False])
    return [TaskRows(**row) for row in ordered.iter_rows(named=True)]


def _pair(pair: Pair, lines: PartLines) -> DuplicatePair:
    gone, kept = lines.example(pair.row), lines.example(pair.kept)
    return DuplicatePair(
        source=gone.source,
        id=gone.id,
        input=shorten(gone.input, SHOWN_CHARACTERS),
        kept_source=kept.source,
        kept_id=kept.id,
        kept_input=shorten(kept.input, SHOWN_CHARACTERS),
        similarity=pair.similarity,
    )


def _eval_sets(recipe: Recipe, reports: Sequence[PartReport], eval_rows: Sequence[EvalRow]) -> list[EvalSetResult]:
    """What was found of each evaluation set, in the order of the recipe."""
    config = recipe.data.mix.decontaminate
    if config is None:
        return []
    results = []
    words = word_table([row.text for row in eval_rows]).counts
    for name in dict.fromkeys(row.eval_set for row in eval_rows):
        own = [number for number, row in enumerate(eval_rows) if row.eval_set == name]
        found = [report.contaminated[name] for report in reports if name in report.contaminated]
        examples: list[ContaminationExample] = [example for one in found for example in one.examples]
        results.append(
            EvalSetResult(
                name=name,
                rows=len(own),
                unchecked=int((words[own] < config.short_ngram).sum()),
                hit=len({number for one in found for number in one.hit}),
                dropped=sum(one.rows for one in found),
                examples=examples[:EXAMPLES],
            )
        )
    return results
