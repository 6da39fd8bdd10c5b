"""HELM's stats.json and per_instance_stats.json -> a metric of a run, over all instances and for each.

The test split counts if the run has one, else the validation split, as in HELM's own tables.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from eval.ranking.scenario import HelmSource
from oneday.files import read_json

SPLITS = ("test", "valid")
SPEC, STATS, INSTANCES = "run_spec.json", "stats.json", "per_instance_stats.json"
FILES = (SPEC, "scenario.json", "scenario_state.json", STATS, INSTANCES)  # what helm-run writes at a run's end
OF_A_MODEL = re.compile(r"[:,]model(?:_deployment)?=")


class Perturbation(BaseModel):
    """What was done to an instance; `computed_on` 'worst' is over all variants of one."""

    name: str
    robustness: bool = False
    fairness: bool = False
    computed_on: str = "perturbed"


class StatName(BaseModel):
    """A statistic's name; with another split or perturbation it is another one."""

    name: str
    split: str | None = None
    perturbation: Perturbation | None = None


class Stat(BaseModel):
    """A statistic's values, added up."""

    name: StatName
    count: int
    sum: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean, or None if there is no value, or none that is a number."""
        return self.sum / self.count if self.count > 0 and math.isfinite(self.sum) else None


class InstanceStats(BaseModel):
    """The statistics of an instance, or of a perturbed variant of it, in one trial."""

    instance_id: str
    train_trial_index: int = 0
    stats: list[Stat]


class MetricSpecArguments(BaseModel):
    """A metric's arguments; some list the statistics that they give."""

    names: list[str] = []


class MetricSpec(BaseModel):
    """A metric that HELM computed."""

    args: MetricSpecArguments = MetricSpecArguments()


class RunSpec(BaseModel):
    """What a run was."""

    name: str
    metric_specs: list[MetricSpec]
    groups: list[str] = []


@dataclass(frozen=True)
class HelmRun:
    """A finished run. `title` is its name without the model's."""

    folder: Path
    spec: RunSpec
    title: str

    def statistics_names(self) -> set[str]:
        """The names of what HELM computed over all instances."""
        return {stat.name.name for stat in read_json(self.folder / STATS, list[Stat])}

    def statistics(self) -> "RunStatistics":
        """What HELM computed; megabytes for a large run."""
        return RunStatistics(
            read_json(self.folder / STATS, list[Stat]), read_json(self.folder / INSTANCES, list[InstanceStats])
        )


@dataclass(frozen=True)
class RunStatistics:
    """The statistics of a run: over all instances, and of each."""

    overall: list[Stat]
    rows: list[InstanceStats]

    def metric(self, source: HelmSource) -> tuple[float, dict[str, float]] | None:
        """The mean of the source's statistic, and its values by instance, if there are; None if it is absent."""
        for name in source.stats:
            for split in SPLITS:
                means = _means(self.overall, name, split, source)
                if means:
                    return sum(means) / len(means), self._instances(name, split, source)
        return None

    def _instances(self, name: str, split: str, source: HelmSource) -> dict[str, float]:
        """By instance: with a perturbation the worst of its variants; the mean over trials."""
        worst: dict[tuple[str, int], float] = {}
        for row in self.rows:
            key = (row.instance_id, row.train_trial_index)
            for stat in row.stats:
                own = (stat.name.name, stat.name.split) == (name, split) and _counts(stat.name, source)
                if own and (value := stat.mean) is not None:
                    worst[key] = min(value, worst.get(key, math.inf))
        trials: dict[str, list[float]] = defaultdict(list)
        for (instance, _), value in worst.items():
            trials[instance].append(value)
        return {instance: sum(values) / len(values) for instance, values in trials.items()}


def _means(stats: Iterable[Stat], name: str, split: str, source: HelmSource) -> list[float]:
    """The means of a run's statistic, one a sub-split."""

    def fits(perturbation: Perturbation | None) -> bool:
        if perturbation is None:
            return source.perturbation is None
        return perturbation.name == source.perturbation and perturbation.computed_on == "worst"

    own = [stat for stat in stats if stat.name.name == name and stat.name.split == split]
    return [stat.mean for stat in own if fits(stat.name.perturbation) and stat.mean is not None]


def _counts(name: StatName, source: HelmSource) -> bool:
    """Whether a variant of an instance is among those that the source is the worst of; the instance itself always."""
    if name.perturbation is None:
        return True
    if source.perturbation is None or name.perturbation.computed_on != "perturbed":
        return False
    return name.perturbation.robustness if source.perturbation == "robustness" else name.perturbation.fairness


def run_folders(suite: Path) -> list[Path]:
    """The folders of a suite's runs, finished or not: helm-run makes the folder first, and its files at the end."""
    folders = sorted(path for path in suite.glob("*") if path.is_dir())
    return [folder for folder in folders if (folder / SPEC).is_file() or OF_A_MODEL.search(folder.name)]


def read_runs(suite: Path) -> list[HelmRun]:
    """The runs of a suite's folder, by name. ValueError names a run that is unfinished, or there for two models."""
    runs: dict[str, HelmRun] = {}
    for folder in run_folders(suite):
        lacking = [name for name in FILES if not (folder / name).is_file()]
        if lacking:
            raise ValueError(
                f"{folder} lacks {', '.join(lacking)}: HELM did not finish this run. The command that began it goes on "
                "with it, `python -m eval.helm.evaluate RECIPE` or helm-run; or delete the folder to rank without it"
            )
        spec = read_json(folder / SPEC, RunSpec)
        run = HelmRun(folder, spec, without_model(spec.name))
        if run.title in runs:
            raise ValueError(f"{runs[run.title].folder} and {folder} are the same run of two models; an entry has one")
        runs[run.title] = run
    return list(runs.values())


def scenario_of(title: str) -> str:
    """The scenario of a run: 'mmlu:subject=anatomy' -> 'mmlu', 'dyck_language_np=3' -> 'dyck_language'."""
    return re.sub(r"_[^_=]+=.*", "", re.split("[:,]", title)[0])


def without_model(name: str) -> str:
    """A run's name without its model, so that the runs of several models have the same."""
    first, *arguments = re.split("[:,]", name)
    kept = [part for part in arguments if part and not part.startswith(("model=", "model_deployment="))]
    return f"{first}:{','.join(kept)}" if kept else first
