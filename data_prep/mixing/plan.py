"""The sources of a recipe -> where their files are, and the chunks to make parts of."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.mixing.config import Mix, TableSet
from data_prep.mixing.context import Job
from data_prep.mixing.eval_sets import HELD_OUT
from data_prep.mixing.part import PartReport
from data_prep.sources.chunks import plan_chunks
from data_prep.sources.data_set import Resolved, check_columns, fingerprint, resolve, told_of
from data_prep.sources.mix_config import DataSet, MixSource, Sampled, name_of
from oneday.files import sha256_file
from oneday.page import words
from oneday.run_paths import located, stage_input
from oneday.stage import StageError

SAMPLED = "04_sample/sampled.jsonl"
EVALUATED = ("held_out", "competition_row", "contaminated")  # reasons of a drop that say nothing against a source


@dataclass(frozen=True)
class Located:
    """A source with its files."""

    settings: MixSource
    resolved: Resolved

    @property
    def name(self) -> str:
        """Its name in the data."""
        return name_of(self.settings)


def stage_inputs(mix: Mix) -> tuple[str, ...]:
    """What the mix reads of other stages: the rows that are set apart, those of the sample, and its `RUN/` paths."""
    sampled = any(isinstance(source, Sampled) for source in mix.sources)
    data_sets = [source for source in mix.sources if isinstance(source, DataSet)]
    tables = [table for table in (*mix.eval_sets, *mix.competition_rows) if isinstance(table, TableSet)]
    below = (stage_input(data.path) for data in (*data_sets, *tables))
    own = dict.fromkeys(path for path in below if path is not None)
    return (HELD_OUT,) * mix.reads_held_out + (SAMPLED,) * sampled + tuple(own)


def locate(mix: Mix, run_dir: Path, work: Path) -> list[Located]:
    """Every source with its files, downloaded if they are on a hub. All have the columns that they must have.

    Raises FileNotFoundError or ValueError, naming the source.
    """
    found = []
    for source in mix.sources:
        if isinstance(source, Sampled):
            path = (run_dir / SAMPLED).resolve()
            found.append(Located(source, Resolved((path,), sha256_file(path), None)))
            continue
        with named(source):
            resolved = resolve(source, work / "downloads", run_dir)
            check_columns(source, resolved.files)
        found.append(Located(source, resolved))
    return found


def named(source: MixSource) -> AbstractContextManager[None]:
    """Put the source's name before what is wrong with its files."""
    return told_of(f"mix.sources: {name_of(source)}")


def require_rows(sources: Sequence[Located], reports: Sequence[PartReport]) -> None:
    """Raises StageError for a source of which nothing is left, unless its rows are those of an evaluation."""
    for source in sources:
        own = [report for report in reports if report.source == source.name]
        dropped = sum((Counter(report.dropped) for report in own), Counter[str]())
        if any(report.kept for report in own) or any(dropped[reason] for reason in EVALUATED):
            continue
        why = reasons(dropped) or "it has none"
        raise StageError(
            f"mix.sources: {source.name}: none of its {dropped.total():,} rows can be used ({why}); "
            "check its settings, or leave it out"
        )


def reasons(dropped: Counter[str]) -> str:
    """Why rows went, in words, the most frequent reason first."""
    return ", ".join(f"{count:,} {words(reason)}" for reason, count in dropped.most_common())


def plan_jobs(sources: Sequence[Located]) -> list[Job]:
    """The chunks of all sources, numbered in the order of the sources, files and rows."""
    chunks = [(source, chunk) for source in sources for chunk in plan_chunks(source.resolved.files)]
    return [
        Job(number, source.settings, chunk, f"{source.resolved.sha256} {source.resolved.commit}")
        for number, (source, chunk) in enumerate(chunks)
    ]


def source_fingerprints(mix: Mix) -> dict[str, Any]:
    """What each source's data is, for the settings of the stage; rows of other stages are among its inputs."""
    prints = {}
    for source in mix.sources:
        if isinstance(source, DataSet) and stage_input(source.path) is None:
            with named(source):
                prints[name_of(source)] = fingerprint(source)
    return prints


def check_local(mix: Mix, run_dir: Path) -> None:
    """Raises as `locate` does for what can be seen without a download, and without the stages before."""
    for source in mix.sources:
        if not isinstance(source, DataSet) or source.revision is not None:
            continue
        if stage_input(source.path) is not None and not located(source.path, run_dir).exists():
            continue
        with named(source):
            check_columns(source, resolve(source, Path(), run_dir).files)
