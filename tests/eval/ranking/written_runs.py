"""Small folders of HELM's output, with the files of a run in the shape in which helm-run writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORST = {"robustness": ("robustness", True, False), "fairness": ("fairness", False, True)}
TYPOS = {"name": "typos", "robustness": True, "fairness": False, "computed_on": "perturbed", "prob": 0.05}
DIALECT = {"name": "dialect", "robustness": False, "fairness": True, "computed_on": "perturbed"}


def stat(name: str, values: Sequence[float], split: str = "test", perturbation: Any = None) -> dict[str, Any]:
    """A statistic of some values, as HELM writes it."""
    full_name: dict[str, Any] = {"name": name, "split": split}
    if perturbation is not None:
        full_name["perturbation"] = perturbation
    written: dict[str, Any] = {"name": full_name, "count": len(values), "sum": sum(values), "sum_squared": 0.0}
    if values:
        written |= {"min": min(values), "max": max(values), "mean": sum(values) / len(values)}
    return written


def worst(kind: str) -> dict[str, Any]:
    """The name of the worst of all variants of a kind."""
    name, robustness, fairness = WORST[kind]
    return {"name": name, "robustness": robustness, "fairness": fairness, "computed_on": "worst"}


def write_run(
    suite: Path,
    name: str,
    scores: Mapping[str, float],
    metric: str = "exact_match",
    split: str = "test",
    perturbed: Mapping[str, Mapping[str, float]] | None = None,
    more: Sequence[dict[str, Any]] = (),
    groups: Sequence[str] = (),
) -> Path:
    """A run with a score of each instance; `perturbed` has those under 'typos' and 'dialect', `more` other stats."""
    folder = suite / name
    folder.mkdir(parents=True)
    spec = {"name": name, "groups": list(groups), "metric_specs": [{"class_name": "m", "args": {"names": [metric]}}]}
    rows = [
        {"instance_id": key, "train_trial_index": 0, "stats": [stat(metric, [score], split)]}
        for key, score in scores.items()
    ]
    stats = [*([stat(metric, [sum(scores.values()) / len(scores)], split)] if scores else []), *more]
    variants = perturbed or {}
    for variant, kind, description in (("typos", "robustness", TYPOS), ("dialect", "fairness", DIALECT)):
        if variant in variants:
            own = variants[variant]
            rows += [
                {
                    "instance_id": key,
                    "train_trial_index": 0,
                    "perturbation": description,
                    "stats": [stat(metric, [score], split, description)],
                }
                for key, score in own.items()
            ]
            least = [min(scores[key], own.get(key, 1.0)) for key in scores]
            stats.append(stat(metric, [sum(least) / len(least)], split, worst(kind)))
    written = {"run_spec": spec, "scenario": {}, "scenario_state": {}, "stats": stats, "per_instance_stats": rows}
    for file, content in written.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    return folder
