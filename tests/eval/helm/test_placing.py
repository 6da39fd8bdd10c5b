"""Which data a run entry needs, and where they go."""

import json
from pathlib import Path

import pytest

from eval.helm.conf import Description, RunEntry
from eval.helm.placing import BBQ, PERTURBATIONS, PUNKT, needs, place, sort_entries
from eval.helm.running import OUTPUT, HelmEnvironment
from tests.eval.helm.test_conversions import TRUTHFUL, jsonl


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Data of some of the scenarios."""
    folder = tmp_path / "data"
    for name in ("gsm8k/train", "gsm8k/test", "bbq/Age", "bbq/SES", "corr2cause/train", "corr2cause/test"):
        jsonl(folder / f"{name}.jsonl", {"input": "Premise", "label": 1})
    jsonl(folder / "truthful_qa/generation.jsonl", TRUTHFUL)
    jsonl(folder / "sam_sum/train.jsonl", {"dialogue": "A: Hm.", "summary": "Hm"})
    jsonl(folder / "big_bench/operators/task.json", {"metrics": ["exact_str_match"]})
    jsonl(folder / "big_bench/stories/plain/task.json", {"metrics": ["bleu"]})
    return folder


def entries(*descriptions: str) -> list[RunEntry]:
    return [RunEntry(description=text) for text in descriptions]


def test_entries_with_their_data_are_ready_and_others_tell_what_they_lack(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ready = entries("gsm", "truthful_qa:task=mc_single", "bbq:subject=SES", "corr2cause", "synthetic_reasoning:mode=x")
    helm = HelmEnvironment(tmp_path / "env")
    lacking = entries("bbq:subject=Age,data_augmentation=canonical", "math:level=1", "mmlu:subject=law", "sam_sum")
    found = sort_entries([*ready, *lacking], data, None, helm, only_with_data=False)
    assert found.ready == ready
    told = {name: faults[0] for name, faults in found.lacking.items()}
    assert all(name in told["bbq"] for name in (*PERTURBATIONS, "en_core_web_sm")) and "Age.jsonl" not in told["bbq"]
    assert told["math"] == "math:level=1 needs math/train.jsonl, math/test.jsonl"
    assert "mmlu/dev/law_dev.csv, mmlu/val/law_val.csv, mmlu/test/law_test.csv" in told["mmlu"]
    assert "punkt_tab" in told["sam_sum"] and "sam_sum/" not in told["sam_sum"]


def test_where_there_is_a_network_helm_downloads_what_it_can(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    helm = HelmEnvironment(tmp_path / "env")
    asked = entries("bbq:subject=all", "mmlu:subject=law,data_augmentation=canonical", "ethics_virtue", "math:level=1")
    found = sort_entries([*asked, *entries("summarization_cnndm")], None, None, helm, only_with_data=False)
    assert found.ready == asked[:2]
    assert "torch" in found.lacking["summarization_cnndm"][0]
    assert sort_entries(asked, None, None, helm, only_with_data=True).ready == []


def test_bbq_in_part_is_run_by_category_if_only_data_that_are_there_are_wanted(tmp_path: Path, data: Path) -> None:
    helm = HelmEnvironment(tmp_path / "env")
    found = sort_entries(entries("bbq:subject=all"), data, None, helm, only_with_data=True)
    assert [entry.description for entry in found.ready] == ["bbq:subject=Age", "bbq:subject=SES"]
    assert found.notes == ["bbq:subject=all is run as 2 of its 11 categories, one by one"] and not found.lacking
    for name in BBQ:
        jsonl(data / f"bbq/{name}.jsonl", {})
    assert sort_entries(entries("bbq:subject=all"), data, None, helm, only_with_data=True).notes == []


def test_punkt_is_needed_for_bleu_and_bias_and_found_in_helms_environment(tmp_path: Path, data: Path) -> None:
    helm = HelmEnvironment(tmp_path / "env")
    asked = entries("big_bench:task=operators,subtask=", "big_bench:task=stories,subtask=plain", "sam_sum")
    assert sort_entries(asked, data, None, helm, only_with_data=True).ready == asked[:1]
    (tmp_path / "env" / PUNKT).mkdir(parents=True)
    assert sort_entries(asked, data, None, helm, only_with_data=True).ready == asked


def test_data_are_placed_where_helm_looks_and_are_then_there_without_the_folder(tmp_path: Path, data: Path) -> None:
    work, helm = tmp_path / "work", HelmEnvironment(tmp_path / "env")
    asked = entries("gsm", "truthful_qa:task=mc_single", "corr2cause", "big_bench:task=operators,subtask=")
    place(asked, data, work)
    scenarios = work / OUTPUT / "scenarios"
    assert (scenarios / "gsm/gsm_data_test").read_bytes() == (data / "gsm8k/test.jsonl").read_bytes()
    assert (scenarios / "truthful_qa/data/TruthfulQA.csv").read_text(encoding="utf-8").startswith("Type,Category")
    rows = (scenarios / "corr2cause/instances.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["split"] for row in rows] == ["train", "test"]
    assert sort_entries(asked, None, work, helm, only_with_data=True).ready == asked
    place(asked, data, work)  # the same data again


def test_other_data_than_those_placed_are_refused(tmp_path: Path, data: Path) -> None:
    place(entries("gsm"), data, tmp_path / "work")
    jsonl(data / "gsm8k/test.jsonl", {"question": "another"})
    with pytest.raises(ValueError, match=r"gsm_data_test was made of other data.*--restart"):
        place(entries("gsm"), data, tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*.new"))


def test_perturbations_folders_are_placed_whole(tmp_path: Path, data: Path) -> None:
    for name in PERTURBATIONS[:3]:
        jsonl(data / name, {})
    for name in PERTURBATIONS[3:]:
        jsonl(data / name / "index", {})
    place(entries("gsm:data_augmentation=canonical"), data, tmp_path / "work")
    assert all((tmp_path / "work" / OUTPUT / name).exists() for name in PERTURBATIONS)
    assert (tmp_path / "work" / OUTPUT / PERTURBATIONS[3] / "index").is_file()


def test_one_subject_placed_stops_helm_from_downloading_the_others(tmp_path: Path) -> None:
    description = Description.read("mmlu:subject=law")
    assert all(need.downloads for need in needs(description, None))
    (tmp_path / "mmlu").mkdir()
    assert not any(need.downloads for need in needs(description, tmp_path))
