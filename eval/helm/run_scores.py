"""What an evaluation's runs scored, from HELM's stats.json, as a table by scenario."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from eval.helm.running import is_whole
from eval.ranking.helm_stats import scenario_of
from eval.table import markdown_table
from oneday.files import read_json

SPLITS = ("test", "valid")  # TruthfulQA has no test split
METRICS = {
    "gsm": ("exact_match_indicator", "final_number_exact_match"),  # the challenge's, and HELM's own since
    "bbq": ("quasi_exact_match",),
    "dyck_language": ("exact_match_indicator",),
}
OTHERWISE = (
    "math_equiv_chain_of_thought",
    "math_equiv",
    "rouge_2",
    "f1_set_match",
    "exact_match",
    "exact_match_indicator",
    "bleu_4",
)  # the first


class _Perturbation(BaseModel):
    name: str
    computed_on: str = ""


class _Name(BaseModel):
    name: str
    split: str = ""
    perturbation: _Perturbation | None = None


class _Stat(BaseModel):
    name: _Name
    count: int
    sum: float = 0.0


@dataclass(frozen=True)
class RunScore:
    """A metric of one run: as it is, and of each instance's worst copy, which is itself if none is perturbed."""

    scenario: str
    metric: str
    value: float
    robustness: float | None
    fairness: float | None


def run_scores(folder: Path) -> list[RunScore]:
    """The metrics of a finished run that the table shows; none if HELM computed none of them."""
    stats = read_json(folder / "stats.json", list[_Stat])
    scenario = scenario_of(folder.name)
    by_metric = dict(_scores(scenario, stats))
    if scenario in METRICS:
        return [by_metric[metric] for metric in METRICS[scenario] if metric in by_metric]
    return [by_metric[metric] for metric in OTHERWISE if metric in by_metric][:1]


def _scores(scenario: str, stats: Sequence[_Stat]) -> Iterator[tuple[str, RunScore]]:
    for metric in {stat.name.name for stat in stats}:
        for split in SPLITS:
            of_split = [one for one in stats if one.name.name == metric and one.name.split == split and one.count > 0]
            means = {_kind(one.name.perturbation): one.sum / one.count for one in of_split}
            if "" in means:
                score = RunScore(scenario, metric, means[""], means.get("robustness"), means.get("fairness"))
                yield metric, score
                break


def _kind(perturbation: _Perturbation | None) -> str | None:
    """'' for no perturbation, 'robustness' or 'fairness' for the worst of that kind, None for a single perturbation."""
    if perturbation is None:
        return ""
    return perturbation.name if perturbation.computed_on == "worst" else None


def scores_table(folders: Sequence[Path]) -> str:
    """A row for each scenario and metric: the mean over its finished runs, and over their worst perturbed copies."""
    rows: dict[tuple[str, str], list[RunScore]] = {}
    for folder in filter(is_whole, folders):
        for score in run_scores(folder):
            rows.setdefault((score.scenario, score.metric), []).append(score)
    head = ("scenario", "runs", "metric", "mean", "robustness", "fairness")
    cells = []
    for (scenario, metric), scores in sorted(rows.items()):
        kinds = (
            [score.value for score in scores],
            [score.robustness for score in scores],
            [score.fairness for score in scores],
        )
        cells.append((scenario, str(len(scores)), metric, *(_mean(values) for values in kinds)))
    return markdown_table(head, cells)


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.3f}" if len(known) == len(values) else ""
