"""An evaluation goes on with its own runs alone, and tells what went wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.helm.conf import RunEntry
from eval.helm.evaluation import (
    Evaluated,
    begin_or_go_on,
    bring_back,
    discard_faulty,
    evaluated_recipe,
    evaluation_faults,
    few_shown,
    finished_folders,
    named_data,
    set_aside,
)
from eval.helm.logs import timed_runs
from eval.helm.running import RUN_LOG, HelmRun, runs_folder
from oneday.recipe import load_recipe
from serve.model_choice import ModelChoice
from tests.conftest import RecipeFolder
from tests.eval.helm.recorded import LOG, RETRIED, write_whole_run

FIRST, SECOND = "simple_mcqa:model=neurips_local", "dyck_language_np=3:model=neurips_local"
BEGIN = "2026-01-02 03:04:05,000 INFO     "
SPECS = f"{BEGIN}    RunSpec(name='{FIRST}', x)\n{BEGIN}    RunSpec(name='{SECOND}', x)\n"
ENTRIES = [RunEntry(description="simple_mcqa"), RunEntry(description="dyck_language:num_parenthesis_pairs=3")]
WANTED = Evaluated(model="m", files={"base/model.safetensors": "1"}, serving={"precision": "float32"}, max_instances=2)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder with two runs that are right, and their log."""
    begin_or_go_on(tmp_path, WANTED, restart=False)
    for name in (FIRST, SECOND):
        write_whole_run(runs_folder(tmp_path) / name)
    (tmp_path / RUN_LOG).write_text(SPECS + LOG, encoding="utf-8")
    return tmp_path


def helm_run(work: Path, log: str = SPECS + LOG) -> HelmRun:
    (work / RUN_LOG).write_text(log, encoding="utf-8")
    return HelmRun(work / RUN_LOG, timed_runs(log))


def test_the_same_evaluation_goes_on_with_its_runs(work: Path) -> None:
    begin_or_go_on(work, WANTED, restart=False)
    assert discard_faulty(work) == []
    assert len(list(runs_folder(work).iterdir())) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("files", {"base/model.safetensors": "2"}), ("serving", None), ("max_instances", 3)],
)
def test_another_evaluation_is_refused_unless_it_begins_anew(work: Path, field: str, value: object) -> None:
    other = WANTED.model_copy(update={field: value})
    with pytest.raises(ValueError, match=rf"its {field} changed\. --restart removes"):
        begin_or_go_on(work, other, restart=False)
    begin_or_go_on(work, other, restart=True)
    assert not runs_folder(work).exists()
    begin_or_go_on(work, other, restart=False)


@pytest.mark.parametrize("files", [{"base/model.safetensors": "1"}, {}])
def test_a_models_path_counts_only_where_its_files_are_not_known(files: dict[str, str]) -> None:
    one, other = (WANTED.model_copy(update={"model": model, "files": files}) for model in ("a", "/here/a"))
    assert one.differences(other) == ([] if files else ["model"])


def test_runs_of_a_server_that_may_have_another_model_are_kept_elsewhere(work: Path) -> None:
    set_aside(work, ["simple_mcqa:x=1"])
    kept = begin_or_go_on(work, WANTED, restart=False, anew=True)
    assert kept is not None and sorted(path.name for path in kept.rglob("*model=neurips_local")) == [SECOND, FIRST]
    assert bring_back(work) == [] and list(runs_folder(work).iterdir()) == []
    assert begin_or_go_on(work, WANTED, restart=False, anew=True) is None


def test_a_file_that_an_entry_names_is_part_of_an_evaluation_and_other_files_may_come_to_it(work: Path) -> None:
    one, two = work / "one.jsonl", work / "benchmark_output/scenarios/custom_mcqa/two.jsonl"
    two.parent.mkdir(parents=True)
    for path in (one, two):
        path.write_text("first", encoding="utf-8")

    def go_on(path: str) -> None:
        data = named_data([RunEntry(description=f"custom_mcqa:path={path},num_train_instances=1"), *ENTRIES], work)
        begin_or_go_on(work, WANTED.model_copy(update={"data": data}), restart=False)

    go_on(str(one))
    go_on("two.jsonl")
    one.write_text("second", encoding="utf-8")
    go_on("two.jsonl")
    with pytest.raises(ValueError, match=r"its /\S+/one\.jsonl changed"):
        go_on(str(one))


AUGMENTED, OTHER_STAGE = "simple_mcqa:model=neurips_local,data_augmentation=canonical", "sam_sum:model=neurips_local"


def test_runs_of_the_same_scenarios_with_other_arguments_are_set_aside_until_they_are_planned(work: Path) -> None:
    write_whole_run(runs_folder(work) / AUGMENTED)
    write_whole_run(runs_folder(work) / OTHER_STAGE)
    assert set_aside(work, [AUGMENTED]) == [FIRST]
    assert sorted(path.name for path in runs_folder(work).iterdir()) == [SECOND, OTHER_STAGE, AUGMENTED]
    assert bring_back(work) == [FIRST]
    assert set_aside(work, [FIRST, SECOND]) == [AUGMENTED]
    write_whole_run(runs_folder(work) / AUGMENTED)
    assert bring_back(work) == [] and set_aside(work, [AUGMENTED]) == [FIRST]


def test_all_of_bbq_and_its_categories_do_not_stay_together(work: Path) -> None:
    for subject in ("all", "Age", "SES"):
        write_whole_run(runs_folder(work) / f"bbq:subject={subject},model=neurips_local")
    assert len(set_aside(work, ["bbq:subject=all,model=neurips_local"])) == 2
    assert len(list(runs_folder(work).iterdir())) == 3


def test_runs_of_which_nothing_is_known_are_refused(work: Path) -> None:
    (work / "evaluation.json").unlink()
    with pytest.raises(ValueError, match=r"evaluation\.json, which is gone"):
        begin_or_go_on(work, WANTED, restart=False)


def test_an_adapter_or_rules_that_change_are_another_evaluation(
    tmp_path: Path, recipe: RecipeFolder, tiny_model_dir: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"one")
    choice = ModelChoice(str(tiny_model_dir), adapter, "toy")

    def now() -> Evaluated:
        return evaluated_recipe(load_recipe(recipe.path), choice, 2)

    before = now()
    assert before.differences(now()) == []
    (adapter / "adapter_model.safetensors").write_bytes(b"other")
    assert before.differences(now()) == ["files"]
    before = now()
    (recipe.path / "rules.yaml").write_text("default: [cut_at_blank_line]\n", encoding="utf-8")
    assert before.differences(now()) == ["files"]


SPOIL: dict[str, Callable[[Path], object]] = {
    "retried": lambda work: helm_run(work, SPECS + LOG.replace("Done.", f"Done.\n{RETRIED}")),
    "no instances": lambda work: (runs_folder(work) / SECOND / "scenario_state.json").write_text(
        json.dumps({"request_states": []}), encoding="utf-8"
    ),
    "damaged": lambda work: (runs_folder(work) / SECOND / "per_instance_stats.json").write_text("[", encoding="utf-8"),
}


@pytest.mark.parametrize("how", SPOIL)
def test_a_run_in_which_something_went_wrong_is_made_again(work: Path, how: str) -> None:
    SPOIL[how](work)
    assert discard_faulty(work) == [SECOND]
    assert [path.name for path in runs_folder(work).iterdir()] == [FIRST]


def test_runs_that_are_right_have_no_fault(work: Path) -> None:
    counted = {("/process", "200"): 4, ("/metrics", "200"): 1}
    assert evaluation_faults(helm_run(work), None, ENTRIES, work, counted) == []
    assert [path.name for path in finished_folders(helm_run(work), work)] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (SPECS + LOG.replace("Done.", f"Done.\n{RETRIED}"), f"{SECOND}: failed or retried: Request failed"),
        (RETRIED + "\n" + SPECS + LOG, "helm-run: Request failed"),
        (SPECS.splitlines()[0] + "\n" + LOG, "HELM planned no run of dyck_language:num_parenthesis_pairs=3"),
    ],
)
def test_what_a_log_tells_is_a_fault(work: Path, log: str, told: str) -> None:
    (fault,) = evaluation_faults(helm_run(work, log), None, ENTRIES, work, {})
    assert fault.startswith(told)


def test_unfinished_and_empty_runs_and_refused_requests_are_faults(work: Path) -> None:
    (runs_folder(work) / FIRST / "stats.json").unlink()
    (runs_folder(work) / SECOND / "scenario_state.json").write_text('{"request_states": []}', encoding="utf-8")
    found = evaluation_faults(helm_run(work), "helm-run ended with 1", ENTRIES, work, {("/process", "500"): 1})
    assert found == [
        f"{FIRST}: HELM did not finish it",
        f"{SECOND}: 0 instances were evaluated",
        "the server answered 1 requests to /process with 500",
    ]


def test_a_run_of_helm_that_planned_nothing_is_told_with_its_reason(work: Path) -> None:
    found = evaluation_faults(
        helm_run(work, ""), "helm-run ended with exit code 1: no such scenario", ENTRIES, work, {}
    )
    assert found == [
        "HELM planned no run of simple_mcqa",
        "HELM planned no run of dyck_language:num_parenthesis_pairs=3",
        "helm-run ended with exit code 1: no such scenario",
    ]


def test_a_lost_entry_is_told_though_another_became_several_runs(work: Path) -> None:
    task = "big_bench:max_train_instances=big_bench_few_shot_setting,subtask=,task"
    names = [f"big_bench:task=operators,max_train_instances={number},model=neurips_local" for number in range(4)]
    for name in names:
        write_whole_run(runs_folder(work) / name)
    log = "".join(f"{BEGIN}    RunSpec(name='{name}', x)\n" for name in names) + LOG
    entries = [RunEntry(description=f"{task}={name}") for name in ("operators", "winowhy", "a", "b", "c")]
    assert evaluation_faults(helm_run(work, log), None, entries[:1], work, {}) == []
    found = evaluation_faults(helm_run(work, log), None, entries, work, {})
    assert found[0] == f"HELM planned no run of {task}=winowhy" and found[3:] == ["and 1 more such entries"]


def test_an_entry_that_helm_calls_otherwise_is_not_lost(work: Path) -> None:
    renamed = [RunEntry(description="billsum_brackets"), ENTRIES[0]]
    assert evaluation_faults(helm_run(work), None, renamed, work, {}) == []


def test_many_failed_requests_of_a_run_are_counted(work: Path) -> None:
    log = SPECS + LOG.replace("Done.", "Done.\n" + "\n".join([RETRIED] * 9))
    found = evaluation_faults(helm_run(work, log), None, ENTRIES, work, {})
    assert len(found) == 4 and found[-1] == f"{SECOND}: and 6 more such lines"


def test_runs_that_show_too_little_are_told(work: Path) -> None:
    warning = "2026-01-02 03:04:06,200 WARNING        only 1 training instances, wanted 5"
    log = SPECS + LOG.replace("Looking in path: prod_env", "").replace("[nltk_data]", f"{warning}\n[nltk_data]")
    assert few_shown(helm_run(work, log)) == [f"Note: 1 of 5 demonstrations shown by {FIRST}"]
