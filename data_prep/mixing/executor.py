"""Make the parts: in processes of this machine, or as a Ray Data pipeline on a cluster. Equal parts either way.

Ray, because prediction can run on the same cluster. Every machine needs this project, and the run folder and the data
at the same paths (a shared file system). datatrove would want its own readers and a second engine.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from data_prep.mixing.context import Context, Job
from data_prep.mixing.part import PartReport, make_part
from oneday.console import progress
from oneday.parallel import map_processes
from oneday.ray_cluster import connect
from oneday.stage import StageError

# A worker is one process; the libraries' own threads would only get into each other's way.
ONE_THREAD = {
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def make_parts(context: Context, jobs: Sequence[Job], workers: int | None, ray: str | None) -> list[PartReport]:
    """All parts, in the order of their numbers. `workers`: processes here (None: one a processor)."""
    with progress(len(jobs), "mix", "part") as bar:
        reports = []
        made = _on_ray(context, jobs, ray) if ray is not None else _here(context, jobs, workers)
        for report in made:
            reports.append(report)
            bar.update()
    return sorted(reports, key=lambda report: report.number)


def _here(context: Context, jobs: Sequence[Job], workers: int | None) -> Iterator[PartReport]:
    with _environment(ONE_THREAD):
        yield from map_processes(partial(make_part, context), jobs, workers)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _on_ray(context: Context, jobs: Sequence[Job], address: str) -> Iterator[PartReport]:
    ray = connect(address, env_vars=ONE_THREAD)
    try:
        from ray.data import DataContext, from_items

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        DataContext.get_current().enable_progress_bars = False
        # A block a job: the unit that Ray hands out, and does again where a worker dies.
        data = from_items([{"job": number} for number in range(len(jobs))], override_num_blocks=len(jobs))
        for row in data.map(partial(_make, context, jobs)).iter_rows():
            if row["error"]:
                raise StageError(f"a worker of the cluster failed on {jobs[row['job']].chunk.path}: {row['error']}")
            yield PartReport.model_validate_json(row["report"])
    except ray.exceptions.RayError as error:
        raise StageError(
            f"the cluster could not do the work ({str(error).strip().splitlines()[-1]}); every machine needs this "
            "project, and the run folder and the data at the same paths. What is finished stays"
        ) from error
    finally:
        ray.shutdown()


def _make(context: Context, jobs: Sequence[Job], row: dict[str, Any]) -> dict[str, Any]:
    """One part, made by a worker of the cluster. Ray would bury what is wrong with a file in its own account."""
    try:
        report = make_part(context, jobs[row["job"]]).model_dump_json()
    except (OSError, ValueError) as error:
        return {"job": row["job"], "report": "", "error": f"{type(error).__name__}: {error}"}
    return {"job": row["job"], "report": report, "error": ""}
