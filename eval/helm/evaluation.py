"""An evaluation's work folder: what its runs are of, which of them may stay, and what is wrong with them.

HELM goes on with a suite by the names of its runs alone. They tell neither the model nor how many instances there were,
nor that a request was retried: all of that is kept here.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eval.helm.checks import refused, request_faults
from eval.helm.conf import RunEntry, is_of
from eval.helm.logs import demonstrations_lacking, failures_by_run, names_planned
from eval.helm.outputs import read_run
from eval.helm.running import OUTPUT, RUN_LOG, SCENARIOS, HelmRun, is_whole, runs_folder
from eval.ranking.helm_stats import scenario_of
from oneday.files import read_json, sha256_file, write_json
from oneday.models import model_files
from oneday.recipe import Recipe
from oneday.stage import StageError
from serve.model_choice import ModelChoice

STATE = "evaluation.json"
ASIDE, EARLIER = f"{OUTPUT}/set_aside", "earlier"  # where runs are that are not in the suite
SHOWN = 3  # failed requests of a run
NOT_ANSWERS = {"batching", "limits"}  # blocks of serve.yaml that change no answer


class Evaluated(BaseModel):
    """What the runs of a work folder are of: the model by its files, what shapes its answers, and the runs' size.

    `model` counts where its files are not known. `data`: the hashes of the files that entries name by their paths.
    """

    model: str
    files: dict[str, str]
    serving: Any
    max_instances: int
    data: dict[str, str] = {}

    def differences(self, other: "Evaluated") -> list[str]:
        """The names of what is not the same; of the data, files that both have."""
        compared = [*(() if self.files and other.files else ("model",)), "files", "serving", "max_instances"]
        data = [path for path, digest in self.data.items() if other.data.get(path, digest) != digest]
        return [*(name for name in compared if getattr(self, name) != getattr(other, name)), *data]


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


def named_data(entries: Sequence[RunEntry], work: Path) -> dict[str, str]:
    """The hashes of the files that entries name by `path=`, which HELM looks for below its scenario's folder."""
    parts = [entry.parts for entry in entries]
    paths = {work / SCENARIOS / one.scenario / one.arguments["path"] for one in parts if "path" in one.arguments}
    return {str(path.absolute()): sha256_file(path) for path in sorted(paths) if path.is_file()}


def begin_or_go_on(work: Path, wanted: Evaluated, restart: bool, anew: bool = False) -> Path | None:
    """Set up the work folder. ValueError if its runs are of another model or size; `restart` removes them.

    With `anew`, the runs that are there are moved into a folder, which is returned.
    """
    state = work / STATE
    if restart:
        state.unlink(missing_ok=True)
        shutil.rmtree(work / OUTPUT, ignore_errors=True)
    kept: Path | None = None
    if any(any(folder.glob("*")) for folder in (runs_folder(work), work / ASIDE)):
        changed = read_json(state, Evaluated).differences(wanted) if state.is_file() else [f"{STATE}, which is gone"]
        if changed:
            raise ValueError(
                f"the runs in {work} are of another evaluation: its {', '.join(changed)} changed. --restart removes "
                "them and begins anew, --out names another folder"
            )
        if anew:
            kept = _keep(work)
        else:
            wanted = wanted.model_copy(update={"data": read_json(state, Evaluated).data | wanted.data})
    write_json(state, wanted.model_dump(mode="json"))
    return kept


def _keep(work: Path) -> Path:
    """Move all runs, those set aside too, into a folder named by the time."""
    kept = work / EARLIER / time.strftime("%Y%m%d-%H%M%S")
    kept.mkdir(parents=True)
    for folder in (runs_folder(work), work / ASIDE):
        if folder.is_dir():
            folder.rename(kept / folder.name)
    return kept


def set_aside(work: Path, planned: Sequence[str]) -> list[str]:
    """Move what is not planned out of the suite, if it is of a planned run's scenario; the names.

    So a ranking averages over the runs of one plan: not over MMLU with perturbed copies and without, nor over all of
    BBQ and its categories. Other scenarios stay, such as those of the other stage.
    """
    scenarios = {scenario_of(name) for name in planned}
    there = sorted(path.name for path in runs_folder(work).glob("*") if path.is_dir())
    stale = [name for name in there if name not in planned and scenario_of(name) in scenarios]
    move_aside(work, stale)
    return stale


def move_aside(work: Path, names: Sequence[str]) -> None:
    """Move runs out of the suite."""
    for name in names:
        (work / ASIDE).mkdir(parents=True, exist_ok=True)
        (runs_folder(work) / name).rename(work / ASIDE / name)


def bring_back(work: Path) -> list[str]:
    """Move the runs that were set aside into the suite again, where HELM finds those that are planned; their names."""
    runs_folder(work).mkdir(parents=True, exist_ok=True)
    back = []
    for folder in sorted((work / ASIDE).glob("*")):
        if (runs_folder(work) / folder.name).exists():
            shutil.rmtree(folder)
        else:
            folder.rename(runs_folder(work) / folder.name)
            back.append(folder.name)
    return back


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
    run: HelmRun, why: str | None, entries: Sequence[RunEntry], work: Path, counted: Mapping[tuple[str, str], int]
) -> list[str]:
    """Everything that went wrong, by run: failed and retried requests, 0 instances, unfinished runs, lost entries."""
    log = run.log.read_text(encoding="utf-8", errors="replace")
    failed, planned = failures_by_run(log), names_planned(log)
    faults = [f"helm-run: {failure}" for failure in failed.pop("", [])[:SHOWN]]
    for name in planned:
        lines = [f"failed or retried: {failure}" for failure in failed.get(name, [])]
        more = [f"and {len(lines) - SHOWN} more such lines"] if len(lines) > SHOWN else []
        faults += [f"{name}: {fault}" for fault in (*lines[:SHOWN], *more, *_output_faults(runs_folder(work) / name))]
    faults += _lost(entries, planned)
    if why is not None and (not planned or not faults):
        faults.append(why)
    return [*faults, *refused(counted)]


def _lost(entries: Sequence[RunEntry], planned: Sequence[str]) -> list[str]:
    """The entries that HELM made no run of; none while as many runs are of no entry, since HELM renames a few."""
    lost = [entry for entry in entries if not any(is_of(name, entry) for name in planned)]
    renamed = [name for name in planned if not any(is_of(name, entry) for entry in entries)]
    if len(lost) <= len(renamed):
        return []
    more = [f"and {len(lost) - SHOWN} more such entries"] if len(lost) > SHOWN else []
    return [*(f"HELM planned no run of {entry.description}" for entry in lost[:SHOWN]), *more]


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
