"""An evaluation goes on with its own runs alone, and tells what went wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.helm.evaluation import (
    Evaluated,
    begin_or_go_on,
    discard_faulty,
    evaluated_recipe,
    evaluation_faults,
    few_shown,
    finished_folders,
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
    [("model", "other"), ("files", {"base/model.safetensors": "2"}), ("serving", None), ("max_instances", 3)],
)
def test_another_evaluation_is_refused_unless_it_begins_anew(work: Path, field: str, value: object) -> None:
    other = WANTED.model_copy(update={field: value})
    with pytest.raises(ValueError, match=rf"its {field} changed\. --restart removes"):
        begin_or_go_on(work, other, restart=False)
    begin_or_go_on(work, other, restart=True)
    assert not runs_folder(work).exists()
    begin_or_go_on(work, other, restart=False)


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
    assert evaluation_faults(helm_run(work), None, 2, work, counted) == []
    assert [path.name for path in finished_folders(helm_run(work), work)] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (SPECS + LOG.replace("Done.", f"Done.\n{RETRIED}"), f"{SECOND}: failed or retried: Request failed"),
        (RETRIED + "\n" + SPECS + LOG, "helm-run: Request failed"),
        (SPECS.splitlines()[0] + "\n" + LOG, "HELM planned 1 runs of 2 entries"),
    ],
)
def test_what_a_log_tells_is_a_fault(work: Path, log: str, told: str) -> None:
    (fault,) = evaluation_faults(helm_run(work, log), None, 2, work, {})
    assert fault.startswith(told)


def test_unfinished_and_empty_runs_and_refused_requests_are_faults(work: Path) -> None:
    (runs_folder(work) / FIRST / "stats.json").unlink()
    (runs_folder(work) / SECOND / "scenario_state.json").write_text('{"request_states": []}', encoding="utf-8")
    found = evaluation_faults(helm_run(work), "helm-run ended with 1", 2, work, {("/process", "500"): 1})
    assert found == [
        f"{FIRST}: HELM did not finish it",
        f"{SECOND}: 0 instances were evaluated",
        "the server answered 1 requests to /process with 500",
    ]


def test_a_run_of_helm_that_planned_nothing_is_told_with_its_reason(work: Path) -> None:
    found = evaluation_faults(helm_run(work, ""), "helm-run ended with exit code 1: no such scenario", 2, work, {})
    assert found == ["HELM planned 0 runs of 2 entries", "helm-run ended with exit code 1: no such scenario"]


def test_many_failed_requests_of_a_run_are_counted(work: Path) -> None:
    log = SPECS + LOG.replace("Done.", "Done.\n" + "\n".join([RETRIED] * 9))
    found = evaluation_faults(helm_run(work, log), None, 2, work, {})
    assert len(found) == 4 and found[-1] == f"{SECOND}: and 6 more such lines"


def test_runs_that_show_too_little_are_told(work: Path) -> None:
    warning = "2026-01-02 03:04:06,200 WARNING        only 1 training instances, wanted 5"
    log = SPECS + LOG.replace("Looking in path: prod_env", "").replace("[nltk_data]", f"{warning}\n[nltk_data]")
    assert few_shown(helm_run(work, log)) == [f"Note: 1 of 5 demonstrations shown by {FIRST}"]
