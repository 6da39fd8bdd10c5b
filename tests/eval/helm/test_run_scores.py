"""The scores of an evaluation's runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.helm.run_scores import RunScore, run_scores, scores_table
from tests.eval.helm.recorded import write_whole_run


def stat(metric: str, total: float, count: int = 1, split: str = "test", **perturbation: Any) -> Any:
    named: dict[str, Any] = {"name": metric, "split": split}
    return {"name": named | ({"perturbation": perturbation} if perturbation else {}), "sum": total, "count": count}


def write_stats(folder: Path, *stats: Any) -> Path:
    write_whole_run(folder)
    (folder / "stats.json").write_text(json.dumps(stats), encoding="utf-8")
    return folder


def test_a_run_scores_its_metric_as_it_is_and_of_the_worst_copies(tmp_path: Path) -> None:
    run = write_stats(
        tmp_path / "mmlu:subject=law,model=neurips_local",
        stat("exact_match", 0.9, name="typos", computed_on="perturbed"),
        stat("exact_match", 0.6, count=2),
        stat("exact_match", 0.2, name="robustness", computed_on="worst"),
        stat("exact_match", 0.1, name="fairness", computed_on="worst"),
        stat("exact_match", 0.8, split="valid"),
        stat("rouge_2", 0.0, count=0),
    )
    assert run_scores(run) == [RunScore("mmlu", "exact_match", 0.3, 0.2, 0.1)]


def test_gsm8k_has_the_challenges_metric_and_helms_own(tmp_path: Path) -> None:
    stats = (stat("final_number_exact_match", 0.5), stat("exact_match_indicator", 0.25), stat("exact_match", 1.0))
    scores = run_scores(write_stats(tmp_path / "gsm:model=neurips_local", *stats))
    assert [(score.metric, score.value) for score in scores] == [
        ("exact_match_indicator", 0.25),
        ("final_number_exact_match", 0.5),
    ]


@pytest.mark.parametrize("name", ["dyck_language_np=3:model=neurips_local", "other:model=neurips_local"])
def test_brackets_and_other_scenarios_have_the_indicator_of_an_exact_match(tmp_path: Path, name: str) -> None:
    (score,) = run_scores(write_stats(tmp_path / name, stat("exact_match_indicator", 0.5)))
    assert (score.scenario, score.value) == (name.partition(":")[0].partition("_np")[0], 0.5)


@pytest.mark.parametrize("name", ["custom_mcqa,path=x.jsonl:model=neurips_local", "truthful_qa:task=mc_single"])
def test_a_run_without_a_test_split_scores_on_the_other(tmp_path: Path, name: str) -> None:
    (score,) = run_scores(write_stats(tmp_path / name, stat("exact_match", 0.5, split="valid")))
    assert (score.value, score.robustness) == (0.5, None)


def test_the_table_averages_a_scenarios_finished_runs_and_leaves_out_the_others(tmp_path: Path) -> None:
    folders = [
        write_stats(tmp_path / "mmlu:subject=law", stat("exact_match", 0.5)),
        write_stats(tmp_path / "mmlu:subject=art", stat("exact_match", 1.0)),
        write_stats(tmp_path / "odd", stat("num_instances", 3)),
        tmp_path / "gsm",
    ]
    lines = scores_table(folders).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["mmlu", "2", "exact_match", "0.750", "", ""]
    assert len(lines) == 3
