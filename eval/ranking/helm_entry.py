"""A folder of HELM's output -> an entry of a ranking.

    entry = read_helm_entry(Path("runs/mine/helm/benchmark_output/runs/SUITE"), "mine")

The folder may also be one above it, if a single suite is below. Several runs of a scenario, such as MMLU's subjects,
are averaged, each counting the same, as in HELM's tables. A metric that some run has for the whole set alone, such as
bias, is by instance in none.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from eval.ranking.challenge import CHALLENGE
from eval.ranking.helm_stats import SPEC, HelmRun, read_runs, scenario_of
from eval.ranking.scenario import Entry, InstanceValues, Scenario, ScenarioMetric
from oneday.files import read_json

ABOVE = ("runs", "benchmark_output/runs", "helm/tuned/benchmark_output/runs")  # where suites are looked for
SCHEMA = "schema.json"


class _Environment(BaseModel):
    main_name: str | None = None


class _Group(BaseModel):
    name: str
    environment: _Environment = _Environment()


class _MetricField(BaseModel):
    name: str
    lower_is_better: bool | None = None


class _Schema(BaseModel):
    """What helm-summarize writes of HELM's scenarios and metrics."""

    metrics: list[_MetricField] = []
    run_groups: list[_Group] = []


def read_helm_entry(folder: Path, name: str, scenarios: Sequence[Scenario] | None = None) -> Entry:
    """The entry that HELM evaluated in the folder, with values by instance.

    Without `scenarios` these are `helm_scenarios([folder])`. ValueError if there is no run, or an unfinished one.
    """
    wanted = helm_scenarios([folder]) if scenarios is None else scenarios
    found: dict[tuple[str, str], list[tuple[str, float, dict[str, float]]]] = {}
    titles: dict[str, list[str]] = {}
    unused = []
    for run in read_runs(suite_folder(folder)):
        own = [(s, metric) for s in wanted for metric in s.metrics if _is_of(run, s, metric)]
        if not own:
            unused.append(run.title)
            continue
        statistics = run.statistics()
        for scenario_name in dict.fromkeys(scenario.name for scenario, _ in own):
            titles.setdefault(scenario_name, []).append(run.title)
        for scenario, metric in own:
            if (read := statistics.metric(scenario.source(metric))) is not None:
                found.setdefault((scenario.name, metric.name), []).append((run.title, *read))
    values: dict[str, dict[str, float | None]] = {}
    instances: dict[str, dict[str, InstanceValues]] = {}
    for (scenario_name, metric_name), runs in found.items():
        values.setdefault(scenario_name, {})[metric_name] = sum(mean for _, mean, _ in runs) / len(runs)
        if all(by_instance for _, _, by_instance in runs):
            by_run = {title: by_instance for title, _, by_instance in runs}
            instances.setdefault(scenario_name, {})[metric_name] = by_run
    return Entry(name, values, instances, {name: tuple(own) for name, own in titles.items()}, tuple(unused))


def _is_of(run: HelmRun, scenario: Scenario, metric: ScenarioMetric) -> bool:
    return re.fullmatch(scenario.source(metric).runs, run.title) is not None


def helm_scenarios(folders: Iterable[Path], own: bool = False) -> tuple[Scenario, ...]:
    """The challenge's scenarios if any folder has a run of one; else, or with `own`, what there is, in no stage.

    The metric of another scenario is the main one in HELM's schema, which helm-summarize writes beside the runs, or
    the first that the run lists.
    """
    suites = [suite_folder(folder) for folder in folders]
    runs = [run for suite in suites for run in read_runs(suite)]
    if not own and any(
        _is_of(run, scenario, metric) for run in runs for scenario in CHALLENGE for metric in scenario.metrics
    ):
        return CHALLENGE
    schemas = [read_json(suite / SCHEMA, _Schema) for suite in suites if (suite / SCHEMA).is_file()]
    main = {group.name: group.environment.main_name for schema in schemas for group in schema.run_groups}
    lower = {field.name for schema in schemas for field in schema.metrics if field.lower_is_better}
    scenarios: dict[str, Scenario] = {}
    for run in sorted(runs, key=lambda run: run.title):
        name = _main_metric(run, main)
        metric = ScenarioMetric(name, higher_is_better=name not in lower)
        scenario = scenario_of(run.title)
        scenarios.setdefault(scenario, Scenario(scenario, None, (metric,)))
    return tuple(scenarios.values())


def _main_metric(run: HelmRun, main: dict[str, str | None]) -> str:
    """The first that the run has of: its scenario's main metric, its other groups', and those that it lists."""
    groups = sorted(run.spec.groups, key=lambda group: group != scenario_of(run.title))
    listed = [name for spec in run.spec.metric_specs for name in spec.args.names]
    present = run.statistics_names()
    for name in [*(main.get(group) for group in groups), *listed]:
        if name is not None and name in present:
            return name
    raise ValueError(f"{run.folder / SPEC} lists no metric by name; give read_helm_entry the scenarios to read")


def suite_folder(folder: Path) -> Path:
    """The folder with HELM's runs: this one or the single one below it. ValueError if there is none, or several."""
    if any(folder.glob(f"*/{SPEC}")):
        return folder
    found = {spec.parent.parent for above in ABOVE for spec in (folder / above).glob(f"*/*/{SPEC}")}
    suites = sorted(suite for suite in found if not suite.is_symlink())  # HELM links `latest` to a suite
    if len(suites) == 1:
        return suites[0]
    if suites:
        raise ValueError(f"{folder} has several suites of HELM; name one of them: {', '.join(map(str, suites))}")
    absent = "" if folder.is_dir() else "; there is no such folder"
    places = ", ".join(f"{above}/SUITE" for above in ABOVE)
    raise ValueError(
        f"{folder} has no runs of HELM{absent}. A run is a folder with {SPEC}, here or in {places}; "
        "`python -m eval.helm.evaluate RECIPE` makes them"
    )
