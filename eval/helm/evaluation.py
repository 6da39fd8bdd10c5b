"""An evaluation's work folder: what its runs are of, which of them may stay, and what is wrong with them.

HELM goes on with a suite by the names of its runs alone. They tell neither the model nor how many instances there were,
nor that a request was retried: all of that is kept here.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eval.helm.checks import refused, request_faults
from eval.helm.logs import demonstrations_lacking, failures_by_run, names_planned
from eval.helm.outputs import read_run
from eval.helm.running import OUTPUT, RUN_LOG, HelmRun, is_whole, runs_folder
from oneday.files import read_json, sha256_file, write_json
from oneday.models import model_files
from oneday.recipe import Recipe
from oneday.stage import StageError
from serve.model_choice import ModelChoice

STATE = "evaluation.json"
SHOWN = 3  # failed requests of a run
NOT_ANSWERS = {"batching", "limits"}  # blocks of serve.yaml that change no answer


class Evaluated(BaseModel):
    """What the runs of a work folder are of: the model by its files, what shapes its answers, and the runs' size."""

    model: str
    files: dict[str, str]
    serving: Any
    max_instances: int

    def differences(self, other: "Evaluated") -> list[str]:
        """The names of what is not the same."""
        return [name for name in type(self).model_fields if getattr(self, name) != getattr(other, name)]


def evaluated_recipe(recipe: Recipe, chosen: ModelChoice, max_instances: int) -> Evaluated:
    """An evaluation of a recipe's model, served as its serve.yaml and rules.yaml say."""
    files = {f"base/{name}": digest for name, digest in model_files(chosen.base_model).items()}
    if chosen.adapter is not None:
        files |= {f"adapter/{name}": digest for name, digest in model_files(str(chosen.adapter)).items()}
    rules = recipe.folder / "rules.yaml"
    if rules.is_file():
        files["rules.yaml"] = sha256_file(rules)
    serving = recipe.serve.model_dump(mode="json", exclude=NOT_ANSWERS)
    return Evaluated(model=str(chosen), files=files, serving=serving, max_instances=max_instances)


def begin_or_go_on(work: Path, wanted: Evaluated, restart: bool) -> None:
    """Set up the work folder. ValueError if its runs are of another model or size; `restart` removes them."""
    state = work / STATE
    if restart:
        state.unlink(missing_ok=True)
        shutil.rmtree(work / OUTPUT, ignore_errors=True)
    if runs_folder(work).is_dir():
        changed = read_json(state, Evaluated).differences(wanted) if state.is_file() else [f"{STATE}, which is gone"]
        if changed:
            raise ValueError(
                f"the runs in {work} are of another evaluation: its {', '.join(changed)} changed. --restart removes "
                "them and begins anew, --out names another folder"
            )
    write_json(state, wanted.model_dump(mode="json"))


def discard_faulty(work: Path) -> list[str]:
    """Remove the finished runs in which something went wrong, so that HELM makes them again; their names."""
    log = work / RUN_LOG
    failed = failures_by_run(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else {}
    faulty = []
    for folder in sorted(path for path in runs_folder(work).glob("*") if is_whole(path)):
        if folder.name in failed or _output_faults(folder):
            shutil.rmtree(folder)
            faulty.append(folder.name)
    return faulty


def _output_faults(folder: Path) -> list[str]:
    """What is wrong with a run by what HELM wrote of it."""
    if not is_whole(folder):
        return ["HELM did not finish it"]
    try:
        return request_faults(read_run(folder).states)
    except (StageError, ValueError) as error:
        return [str(error)]


def evaluation_faults(
    run: HelmRun, why: str | None, entries: int, work: Path, counted: Mapping[tuple[str, str], int]
) -> list[str]:
    """Everything that went wrong, by run: failed and retried requests, 0 instances, runs that are not finished."""
    log = run.log.read_text(encoding="utf-8", errors="replace")
    failed, planned = failures_by_run(log), names_planned(log)
    faults = [f"helm-run: {failure}" for failure in failed.pop("", [])[:SHOWN]]
    for name in planned:
        lines = [f"failed or retried: {failure}" for failure in failed.get(name, [])]
        more = [f"and {len(lines) - SHOWN} more such lines"] if len(lines) > SHOWN else []
        faults += [f"{name}: {fault}" for fault in (*lines[:SHOWN], *more, *_output_faults(runs_folder(work) / name))]
    if len(planned) < entries:
        faults.append(f"HELM planned {len(planned)} runs of {entries} entries")
    if why is not None and (not planned or not faults):
        faults.append(why)
    return [*faults, *refused(counted)]


def finished_folders(run: HelmRun, work: Path) -> Sequence[Path]:
    """The folders of the planned runs, finished or not, in their order."""
    return [runs_folder(work) / name for name in names_planned(run.log.read_text(encoding="utf-8", errors="replace"))]


def few_shown(run: HelmRun) -> list[str]:
    """Which runs show fewer demonstrations than they want, in a line for each number."""
    lacking = demonstrations_lacking(run.log.read_text(encoding="utf-8", errors="replace"))
    by_number: dict[str, list[str]] = {}
    for name, number in lacking.items():
        by_number.setdefault(number, []).append(name.removesuffix(",model=neurips_local"))
    return [f"Note: {number} demonstrations shown by {', '.join(names)}" for number, names in by_number.items()]
