"""HELM's conf files and the descriptions in them."""

from collections import Counter
from pathlib import Path

import pytest

from eval.helm.conf import CONF_FILES, Description, RunEntry, is_of, read_conf, write_conf
from eval.helm.running import HelmEnvironment

HELM = HelmEnvironment(Path(__file__).parents[3] / ".venv-helm")
with_helm = pytest.mark.skipif(not HELM.folder.is_dir(), reason="no .venv-helm, which `make helm-smoke` makes")


@pytest.mark.parametrize("text", ["gsm", "bbq:subject=all", "big_bench:task=operators,subtask=", "math:a=b=c,d=1"])
def test_a_description_is_the_same_once_read(text: str) -> None:
    assert str(Description.read(text)) == text


def test_a_colon_without_arguments_is_left_out() -> None:
    assert str(Description.read("gsm:")) == "gsm"


@pytest.mark.parametrize("text", ["", ":a=b", "bbq:all", "bbq:subject=all,model"])
def test_a_description_of_another_form_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="must be NAME or NAME:KEY=VALUE"):
        Description.read(text)


def test_an_entry_changes_an_argument_or_loses_its_perturbations() -> None:
    entry = RunEntry(description="mmlu:subject=law,data_augmentation=canonical", priority=2)
    assert entry.plain() == RunEntry(description="mmlu:subject=law", priority=2)
    assert entry.with_arguments(subject="art").description == "mmlu:subject=art,data_augmentation=canonical"


BIG_BENCH = "big_bench:max_train_instances=big_bench_few_shot_setting,task=operators,subtask="


@pytest.mark.parametrize(
    ("name", "description", "own"),
    [
        ("big_bench:task=operators,max_train_instances=3,model=neurips_local", BIG_BENCH, True),
        ("big_bench:task=winowhy,max_train_instances=3,model=neurips_local", BIG_BENCH, False),
        ("bbq:subject=Age,method=multiple_choice_joint,model=neurips_local", "bbq:subject=all", False),
        ("math:subject=algebra,level=5,model=neurips_local", "math:subject=algebra,level=1", False),
        ("gsm:model=neurips_local", "gsm", True),
        ("gsm:model=neurips_local", "gsm:model=text", True),
        ("gsm:model=neurips_local", "gsm:model=neurips/other", False),
        ("custom_mcqa,path=_a_b.jsonl,method=joint:model=neurips_local", "custom_mcqa:path=/a/b.jsonl", True),
        ("dyck_language_np=3:model=neurips_local", "dyck_language:num_parenthesis_pairs=3", True),
    ],
)
def test_a_run_is_an_entrys_if_the_arguments_of_both_agree(name: str, description: str, own: bool) -> None:
    assert is_of(name, RunEntry(description=description)) is own


@with_helm
def test_the_challenges_entries_are_read_as_helm_reads_them() -> None:
    by_stage = {
        stage: Counter(entry.parts.scenario for entry in read_conf(path, HELM)) for stage, path in CONF_FILES.items()
    }
    ethics = ("commonsense", "deontology", "justice", "utilitarianism", "virtue")
    assert by_stage["open"] == {"big_bench": 29, "mmlu": 55} | dict.fromkeys(
        ("truthful_qa", "cnn_dailymail", "gsm", "bbq"), 1
    )
    assert by_stage["hidden"] == {"sam_sum": 1, "corr2cause": 1, "math": 28} | {f"ethics_{part}": 1 for part in ethics}
    for path in CONF_FILES.values():
        told = {entry.description for entry in read_conf(path, HELM)}
        assert len(told) == path.read_text(encoding="utf-8").count("description:")


@with_helm
def test_entries_are_written_so_that_they_read_the_same(tmp_path: Path) -> None:
    entries = [RunEntry(description="gsm:", priority=1), RunEntry(description="bbq:subject=all", groups=["mine"])]
    write_conf(tmp_path / "my.conf", entries)
    assert read_conf(tmp_path / "my.conf", HELM) == [RunEntry(description="gsm", priority=1), entries[1]]


@with_helm
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("entries: [{description: ", "not in HELM's form"),
        ("runs: []", "entries: Field required"),
        ("entries: [{description: gsm, model: mine}]", r"entries\.0\.model: Extra inputs"),
        ('entries: [{description: "bbq:all"}]', "'bbq:all' is no description"),
    ],
)
def test_a_conf_file_of_another_form_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "my.conf").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"my\.conf.*{told}"):
        read_conf(tmp_path / "my.conf", HELM)


def test_an_absent_conf_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.conf is absent"):
        read_conf(tmp_path / "no.conf", HELM)
