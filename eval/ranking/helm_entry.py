"""A folder of HELM's output -> an entry of a ranking.

    entry = read_helm_entry(Path("runs/mine/helm/benchmark_output/runs/SUITE"), "mine")

The folder may also be one above it, if a single suite is below. Several runs of a scenario, such as MMLU's subjects,
are averaged, each counting the same, as in HELM's tables; a run without a value is in no mean, but in `Entry.runs`. A
metric that some run has for the whole set alone, such as bias, is by instance in none.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from eval.ranking.challenge import ANNOUNCED, CHALLENGE
from eval.ranking.helm_stats import SPEC, HelmRun, read_runs, run_folders, scenario_of
from eval.ranking.notes import some
from eval.ranking.scenario import Entry, InstanceValues, MetricRuns, Scenario, ScenarioMetric
from eval.ranking.win_rates import DECIMALS
from oneday.files import read_json

ABOVE = ("runs", "benchmark_output/runs", "helm/tuned/benchmark_output/runs")  # where suites are looked for
SCHEMA = "schema.json"
AUGMENTED = re.compile("[:,]data_augmentation=")
ALL_SUBJECTS = re.compile("[:,]subject=all(?:,|$)")

Read = tuple[float, dict[str, float]] | None
"""A run's mean of a metric and its values by instance; None where it has none."""


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

    Without `scenarios` these are `helm_scenarios([folder])`. ValueError if there is no run, an unfinished one, or some
    that are not to be averaged: augmented with plain ones, all subjects with single ones.
    """
    wanted = helm_scenarios([folder]) if scenarios is None else scenarios
    suite = suite_folder(folder)
    found: dict[str, dict[str, dict[str, Read]]] = {}
    unused = []
    for run in read_runs(suite):
        own = [(s, metric) for s in wanted for metric in s.metrics if _is_of(run, s, metric)]
        if not own:
            unused.append(run.title)
            continue
        statistics = run.statistics()
        for scenario, metric in own:
            by_metric = found.setdefault(scenario.name, {})
            by_metric.setdefault(metric.name, {})[run.title] = statistics.metric(scenario.source(metric))
    for scenario_name, by_metric in found.items():
        for reads in by_metric.values():
            _check_alike(suite, scenario_name, list(reads))
    return _entry(name, found, tuple(unused))


def _entry(name: str, found: dict[str, dict[str, dict[str, Read]]], unused: tuple[str, ...]) -> Entry:
    """The entry of what was read, by scenario, metric and run."""
    values: dict[str, dict[str, float | None]] = {}
    instances: dict[str, dict[str, InstanceValues]] = {}
    runs: dict[str, dict[str, MetricRuns]] = {}
    for scenario, by_metric in found.items():
        for metric, reads in by_metric.items():
            known = {title: read for title, read in reads.items() if read is not None}
            runs.setdefault(scenario, {})[metric] = MetricRuns(tuple(reads), tuple(known))
            if known:
                mean = sum(mean for mean, _ in known.values()) / len(known)
                values.setdefault(scenario, {})[metric] = round(mean, DECIMALS)
            if known and all(by_instance for _, by_instance in known.values()):
                by_run = {title: by_instance for title, (_, by_instance) in known.items()}
                instances.setdefault(scenario, {})[metric] = by_run
    return Entry(name, values, instances, runs, unused)


def _check_alike(suite: Path, scenario: str, runs: Sequence[str]) -> None:
    """ValueError for runs of a scenario that must not be averaged, as some have what others have too."""
    for one, other, pattern in (
        ("augmented", "plain", AUGMENTED),
        ("all subjects at once", "single subjects", ALL_SUBJECTS),
    ):
        first = [run for run in runs if pattern.search(run)]
        rest = [run for run in runs if not pattern.search(run)]
        if first and rest:
            raise ValueError(
                f"{suite}: {scenario} has runs of two kinds, which no mean is to mix: {one} ({some(first)}) "
                f"and {other} ({some(rest)}). Delete the folders of one kind"
            )


def _is_of(run: HelmRun, scenario: Scenario, metric: ScenarioMetric) -> bool:
    return re.fullmatch(scenario.source(metric).runs, run.title) is not None


def helm_scenarios(folders: Iterable[Path], own: bool = False) -> tuple[Scenario, ...]:
    """The challenge's scenarios if any folder has a run of one; else, or with `own`, what there is, in no stage.

    The metric of a scenario that is there is the challenge's main one if it is of the challenge; else the main one in
    HELM's schema, which helm-summarize writes beside the runs, or the first that the run lists.
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
    """The first that the run has of: the challenge's, its scenario's main metric, its other groups', and its list's."""
    challenge = [
        stat
        for scenario in ANNOUNCED
        for metric in scenario.main
        if _is_of(run, scenario, metric)
        for stat in scenario.source(metric).stats
    ]
    groups = sorted(run.spec.groups, key=lambda group: group != scenario_of(run.title))
    listed = [name for spec in run.spec.metric_specs for name in spec.args.names]
    present = run.statistics_names()
    for name in [*challenge, *(main.get(group) for group in groups), *listed]:
        if name is not None and name in present:
            return name
    raise ValueError(f"{run.folder / SPEC} lists no metric by name; give read_helm_entry the scenarios to read")


def suite_folder(folder: Path) -> Path:
    """The folder with HELM's runs: this one or the single one below it. ValueError if there is none, or several."""
    if run_folders(folder):
        return folder
    below = [suite for above in ABOVE for suite in (folder / above).glob("*")]
    suites = sorted(suite for suite in below if not suite.is_symlink() and run_folders(suite))  # `latest` is a link
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
