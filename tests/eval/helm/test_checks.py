"""Every fault that the smoke run must find, put into a run that is right."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.helm.checks import log_faults, run_faults, server_faults, summary_faults
from eval.helm.entries import Entry
from eval.helm.logs import timed_runs
from eval.helm.outputs import read_run
from eval.helm.running import HelmRun
from tests.eval.helm.recorded import LOG, RETRIED, generated, state, stats, write_run

ENTRY = Entry("mcqa", "simple_mcqa:", "exact_match", instances=2, requests=2)
SEPARATE = Entry("scored", "custom_mcqa:", "exact_match", instances=1, requests=2, zero_shot=True, separate=True)
ANSWERED = {("/process", "200"): 4, ("/tokenize", "200"): 12, ("/decode", "200"): 2, ("/metrics", "200"): 1}
Spoil = Callable[[list[Any], list[Any]], object]


def faults(folder: Path, states: list[Any], rows: list[Any], entry: Entry = ENTRY, seconds: float = 9.0) -> list[str]:
    return run_faults(entry, read_run(write_run(folder / "run", states, rows)), seconds)


def completion(states: list[Any]) -> Any:
    return states[0]["result"]["completions"][0]


def set_stat(rows: list[Any], place: int, **values: float) -> None:
    rows[0]["stats"][place].update(values)


def test_a_run_that_is_right_has_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, *generated()) == []


def test_a_run_of_scored_options_that_is_right_has_no_fault(tmp_path: Path) -> None:
    states = [state(0, option, [("One", 0.0), (" two", -1.0)]) for option in range(2)]
    row = stats(0, num_prompt_tokens=(4, 2), num_completion_tokens=(4, 2), inference_runtime=(1, 2), exact_match=(1, 1))
    assert faults(tmp_path, states, [row], SEPARATE) == []
    states[1]["request"]["prompt"] = "Another"
    assert "does not begin with the prompt" in faults(tmp_path, states, [row], SEPARATE)[0]


SPOILT: dict[str, tuple[Spoil, str]] = {
    "no instance": (lambda states, rows: (states.clear(), rows.clear()), "0 instances were evaluated, 2 must be"),
    "a request less": (lambda states, rows: states.pop(), "1 requests, 2 must be"),
    "cut": (lambda states, rows: states[0].update(prompt_truncated=True), "1 of 2 prompts were cut, none must be"),
    "failed": (lambda states, rows: states[0]["result"].update(success=False), "counts the request as failed"),
    "token id as time": (lambda states, rows: states[0]["result"].update(request_time=271.0), "must be seconds"),
    "no time": (lambda states, rows: states[0]["result"].update(request_time=0.0), "must be seconds"),
    "infinite": (lambda states, rows: completion(states).update(logprob=float("-inf")), "not finite"),
    "not a number": (lambda states, rows: completion(states)["tokens"][0].update(logprob=float("nan")), "not finite"),
    "above 0": (lambda states, rows: completion(states)["tokens"][0].update(logprob=0.5), "not finite or above 0"),
    "sum": (lambda states, rows: completion(states).update(logprob=-9.0), "the tokens' add up to -2.0"),
    "other text": (lambda states, rows: completion(states).update(text=" A"), "its tokens join to 6 others"),
    "too many tokens": (lambda states, rows: states[0]["request"].update(max_tokens=1), "max_new_tokens was 1"),
    "stop": (lambda states, rows: states[0]["request"].update(stop_sequences=["ma"]), "holds one of the stop"),
    "no statistic": (lambda states, rows: rows[0]["stats"].pop(0), "no whole num_prompt_tokens"),
    "half a statistic": (lambda states, rows: set_stat(rows, 2, count=0), "no whole inference_runtime"),
    "completion tokens": (lambda states, rows: set_stat(rows, 1, sum=3), "num_completion_tokens is 3.0"),
    "no prompt tokens": (lambda states, rows: set_stat(rows, 0, sum=0), "does not fit the window"),
    "too long": (lambda states, rows: set_stat(rows, 0, sum=2044), "does not fit the window of 2048"),
    "no metric": (lambda states, rows: [row["stats"].pop() for row in rows], "HELM computed no exact_match"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_fault_is_found(tmp_path: Path, name: str) -> None:
    states, rows = generated()
    spoil, told = SPOILT[name]
    spoil(states, rows)
    found = faults(tmp_path, states, rows)
    assert any(told in fault for fault in found), found
    assert all(fault.startswith("mcqa: ") for fault in found)


def test_a_prompt_that_fills_the_window_is_right(tmp_path: Path) -> None:
    states, rows = generated()
    set_stat(rows, 0, sum=2043)  # and five new tokens
    assert faults(tmp_path, states, rows) == []


def test_prompts_that_were_to_be_cut_but_were_not_are_told(tmp_path: Path) -> None:
    entry = Entry("long", "custom_mcqa:", "exact_match", instances=2, requests=2, truncated=True)
    assert "0 of 2 prompts were cut, all must be" in faults(tmp_path, *generated(), entry)[0]


def test_times_that_add_up_to_more_than_the_threads_had_are_told(tmp_path: Path) -> None:
    states, rows = generated()
    many = [states[0] for _ in range(20)]
    entry = Entry("mcqa", "simple_mcqa:", "exact_match", instances=2, requests=20)
    assert any(
        "add up to 10.0 s, but 4 threads took 2.0 s" in fault for fault in faults(tmp_path, many, rows, entry, 2.0)
    )


def test_many_faults_of_a_run_are_counted(tmp_path: Path) -> None:
    states = [state(0, None, [(" A", 0.5)]) for _ in range(9)]
    found = faults(tmp_path, states, [])
    assert len(found) == 6 and found[-1].endswith("more")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (f"{LOG}{RETRIED}\n", "tells of a failed request: Request failed. Retrying (attempt #2)"),
        (LOG.replace("produced 2", "produced 3"), "2 entries, but HELM planned 3 runs and began 2"),
        ("", "planned None runs and began 0"),
    ],
)
def test_a_log_with_a_retry_or_without_a_run_is_told(tmp_path: Path, log: str, told: str) -> None:
    (tmp_path / "helm-run.log").write_text(log, encoding="utf-8")
    found = log_faults(HelmRun(tmp_path / "helm-run.log", timed_runs(log)), [ENTRY, ENTRY])
    assert len(found) == 1 and told in found[0]


def test_a_log_that_is_right_has_no_fault(tmp_path: Path) -> None:
    (tmp_path / "helm-run.log").write_text(LOG, encoding="utf-8")
    assert log_faults(HelmRun(tmp_path / "helm-run.log", timed_runs(LOG)), [ENTRY, ENTRY]) == []


def test_a_server_that_answered_just_what_helm_needs_has_no_fault() -> None:
    assert server_faults(ANSWERED, [ENTRY, SEPARATE]) == []


@pytest.mark.parametrize(
    ("path", "status", "more", "told"),
    [
        ("/process", "500", 1, "answered 1 requests to /process with 500"),
        ("/tokenize", "422", 2, "answered 2 requests to /tokenize with 422"),
        ("other", "404", 1, "answered 1 requests to other with 404"),
        ("/process", "200", 1, "answered 5 requests to /process, HELM needs 4"),
        ("/process", "200", -1, "answered 3 requests to /process, HELM needs 4"),
        ("/tokenize", "200", 40, "answered 52 requests to /tokenize, HELM needs 12"),
        ("/decode", "200", -2, "answered 0 requests to /decode, HELM needs 2"),
    ],
)
def test_failed_and_repeated_requests_are_told(path: str, status: str, more: int, told: str) -> None:
    counted = dict(ANSWERED)
    counted[path, status] = counted.get((path, status), 0) + more
    assert any(told in fault for fault in server_faults(counted, [ENTRY, SEPARATE]))


def summary(folder: Path, runs: list[str], rows: list[Any]) -> Path:
    (folder / "groups").mkdir()
    listed = [{"run_path": name, "run_spec": {"name": name}, "stats": []} for name in runs]
    (folder / "runs.json").write_text(json.dumps(listed), encoding="utf-8")
    (folder / "groups/dyck.json").write_text(json.dumps([{"title": "", "rows": rows}]), encoding="utf-8")
    return folder


def test_a_summary_with_every_run_and_group_has_no_fault(tmp_path: Path) -> None:
    assert summary_faults(summary(tmp_path, ["one", "two"], [[{"value": "Local"}]]), ["one", "two"], ["dyck"]) == []


def test_a_summary_that_leaves_something_out_is_told(tmp_path: Path) -> None:
    assert "wrote no" in summary_faults(tmp_path, ["one"], [])[0]
    folder = summary(tmp_path, ["one"], [])
    assert summary_faults(folder, ["one", "two"], []) == ["helm-summarize left out the run two"]
    found = summary_faults(folder, ["one"], ["dyck", "absent"])
    assert len(found) == 2 and all("wrote no row" in fault for fault in found)
