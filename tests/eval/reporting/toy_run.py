"""Toy runs for the tests of the report: two tasks, three rows each, as the stages before it leave them."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.config import Compare, Variant
from eval.report import report
from eval.scores import Interval
from oneday.files import sha256_file
from oneday.recipe import Recipe, load_recipe
from postprocess.ablation_record import Ablation, Gain, RuleFacts, RuleGain, SetResult

ROOT = Path(__file__).parents[3]
THREE = ("base_zero_shot", "base_few_shot", "tuned_zero_shot")
LOG = [
    {"step": 0, "eval_loss": "3.5"},
    {"step": 1, "loss": "3.0", "grad_norm": "1.0", "learning_rate": "2e-4"},
    {"step": 2, "loss": 2.0, "epoch": 1},
    {"step": 2, "eval_loss": 2.5},
    {"step": 2, "learning_rate": 0.0},
    {"step": 2, "train_runtime": "12.5", "train_loss": 2.5},
]
RUN = {
    "train_file": "train.yaml",
    "base_model": "some/model",
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T23:50:00Z",
    "ended_by": "deadline",
    "attempts": 2,
    "budget_seconds": 86400,
    "wall_seconds": 85800,
    "seconds": {"train": 80000, "evaluate": 3000, "save": 300, "other": 2500},
    "steps": 2,
    "epochs": 1.5,
    "tokens": 160000000,
    "supervised_tokens": 40000000,
    "tokens_per_second": 2000.4,
    "seconds_per_step": 16.4,
    "evaluations": 1,
    "seconds_per_evaluation": 300,
    "saves": 1,
    "seconds_per_save": 30,
    "peak_memory_gib": 18.25,
    "peak_memory_of": "cuda",
    "processes": 1,
    "last_learning_rate": 1e-5,
    "learning_rate_floor": 1e-5,
    "best_step": 2,
    "best_eval_loss": 0.75,
    "preflight": {},
    "hardware": {},
    "versions": {},
}


def toy_recipe(variants: Sequence[str] = THREE) -> Recipe:
    recipe = load_recipe(ROOT / "recipes/quickstart")
    models = [
        Variant(name=name, model="tuned" if "tuned" in name else "base", demonstrations=3 if "few" in name else 0)
        for name in variants
    ]
    compare = Compare(baseline=variants[0], candidate=variants[-1])
    return dataclasses.replace(
        recipe, eval_settings=recipe.eval.model_copy(update={"variants": models, "compare": compare})
    )


def toy_scores(variants: Sequence[str] = THREE, tasks: Sequence[str] = ("boolq", "xsum")) -> dict[str, Any]:
    values = {name: (number + 1) / 10 for number, name in enumerate(variants)}
    kinds = [("generation", "rouge_l_f") if name == "xsum" else ("exact_match", "accuracy") for name in tasks]
    pairs = [(name, variants[-1]) for name in variants if name != variants[-1]] or [(variants[0], variants[0])]
    return {
        "variants": list(variants),
        "confidence": 0.95,
        "resamples": 1000,
        "tasks": [
            {"task": task, "kind": kind, "metric": metric, "rows": 3, "scores": values}
            for task, (kind, metric) in zip(tasks, kinds, strict=True)
        ],
        "macro": {name: {"score": value, "low": value - 0.05, "high": value + 0.05} for name, value in values.items()},
        "differences": [
            {"baseline": old, "candidate": new, "score": values[new] - values[old], "low": -0.01, "high": 0.3}
            for old, new in pairs
        ],
    }


def toy_run(
    folder: Path, variants: Sequence[str] = THREE, tasks: Sequence[str] = ("boolq", "xsum"), text: str = "yes"
) -> Path:
    """A run folder as the stages before the report leave it."""
    scores = toy_scores(variants, tasks)
    rows = [
        {
            "variant": name,
            "task": task["task"],
            "id": f"{task['task']}-{number}",
            "input": f"{text} input",
            "answer": [f"{text} reference"],
            "raw": text,
            "prediction": text,
            "score": task["scores"][name],
        }
        for name in variants
        for task in scores["tasks"]
        for number in range(task["rows"])
    ]
    sampled = [
        {
            "task": name,
            "kind": "exact_match",
            "category": "Question Answering",
            "score": 0.5,
            "available": 9,
            "wrong": 5,
            "taken": 4,
            "dropped": {"answered_right": 4, "over_quota": 1},
            "rule": "up to 4",
        }
        for name in tasks
    ]
    write(folder / "04_sample/tasks.json", json.dumps(sampled))
    write(folder / "06_train/model/training_log.json", json.dumps(LOG))
    write(folder / "08_eval_score/scores.json", json.dumps(scores))
    write(folder / "08_eval_score/rows.jsonl", "\n".join(json.dumps(row) for row in rows))
    for stage in ("04_sample", "06_train", "08_eval_score"):
        write_report(folder / stage)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_report(folder: Path, config: dict[str, Any] | None = None) -> None:
    name = folder.name.partition("_")[2]
    files = [path for path in folder.rglob("*") if path.is_file()]
    versions = {"torch": "2.13.0"} if name == "train" else {}
    told = {
        "stage": name,
        "start": {"stage": name, "config": config or {}, "inputs": {}, "code": "0", "versions": versions},
        "counts": {"rows": 3},
        "dropped": {"input_too_long": 2, "never": 0},
        "details": {},
        "outputs": {path.relative_to(folder).as_posix(): sha256_file(path) for path in files},
        "seed": 42,
        "seconds": 61.0,
        "resumed": name == "train",
        "finished_at": "2026-01-01T00:00:00Z",
        "git_commit": "0123abc-dirty",
        "hardware": {
            "cpu": "Toy CPU",
            "processors": 2,
            "memory_gib": 8.0,
            "gpu": "Toy GPU" if name == "train" else None,
            "system": "Linux x86_64",
            "python": "3.11.7",
        },
    }
    write(folder / "report.json", json.dumps(told))


def page_of(folder: Path, variants: Sequence[str] = THREE) -> str:
    """The stage's page, without its files."""
    _, page = report(toy_recipe(variants), folder, folder / "09_report/report.html")
    return page.html


def tell_settings(folder: Path, variants: Sequence[str] = THREE) -> Path:
    """The same run folder, its reports with the settings that a page without a recipe needs."""
    recipe = toy_recipe(variants)
    chosen = {"compare": recipe.eval.compare.model_dump(), "bootstrap": recipe.eval.bootstrap.model_dump()}
    write_report(folder / "06_train", {"base_model": "some/model", "adapter": "lora", "lora_r": 8})
    write_report(folder / "07_generate", {"variants": [variant.model_dump() for variant in recipe.eval.variants]})
    write_report(folder / "08_eval_score", {"variants": list(variants), **chosen})
    return folder


def toy_ablation() -> Ablation:
    """One rule that pays on one set of answers."""
    gain = Gain(gain=0.1, low=0.05, high=0.15, texts=9, better=8, worse=0, verdict="pays")
    none, kept = (Interval(score=score, low=score - 0.05, high=score + 0.05) for score in (0.2, 0.3))
    rule = RuleGain(alone=gain, chain=gain, beside_kept=gain, by_task={"boolq": 0.1})
    answers = SetResult(
        name="tuned_zero_shot",
        rows=6,
        tasks=2,
        none=none,
        all=kept,
        kept=kept,
        all_gain=gain,
        kept_gain=gain,
        rules=[rule],
        served=[],
    )
    return Ablation(
        recipe="toy",
        rules_file="rules.yaml",
        confidence=0.95,
        resamples=1000,
        sets=[answers],
        dropped=[],
        notes=[],
        rules=[RuleFacts(rule="cut_at_blank_line", cases=["default"], kept=True, changes=[])],
    )
