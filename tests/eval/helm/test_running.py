"""HELM's commands and what their logs tell."""

from pathlib import Path

import pytest

from eval.helm.running import (
    PLUGIN,
    HelmEnvironment,
    _run,
    helm_variables,
    is_whole,
    run_conf,
    run_helm,
    summarize,
    tail,
)
from oneday.stage import StageError
from tests.eval.helm.recorded import LOG, RETRIED


def environment(folder: Path, script: str) -> HelmEnvironment:
    """An environment whose commands are a shell script."""
    (folder / "bin").mkdir(parents=True)
    for name in ("helm-run", "helm-summarize"):
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    return HelmEnvironment(folder)


def test_an_absent_environment_is_told_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make helm-smoke"):
        HelmEnvironment(tmp_path / ".venv-helm").command("helm-run")


def test_a_command_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    failing = environment(tmp_path / "env", "echo the reason\nexit 3")
    with pytest.raises(StageError, match=r"(?s)helm-run ended with exit code 3.*helm-run\.log.*the reason"):
        run_helm(["simple_mcqa:"], "http://127.0.0.1:9", tmp_path, failing, 1)
    with pytest.raises(StageError, match=r"(?s)helm-summarize ended with exit code 3.*the reason"):
        summarize(tmp_path, failing)


def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.helm.running.SECONDS", 0.2)
    hanging = environment(tmp_path / "env", "echo begun\nexec sleep 60")
    with pytest.raises(StageError, match="was ended after"):
        run_helm(["simple_mcqa:"], "http://127.0.0.1:9", tmp_path, hanging, 1)


def test_runs_are_announced_and_timed_and_the_command_has_its_settings(tmp_path: Path) -> None:
    (tmp_path / "seen.log").write_text(LOG, encoding="utf-8")
    script = 'echo "$@"; echo "url $HELM_HTTP_MODEL_BASE_URL"; cat seen.log'
    announced: list[str] = []
    given = environment(tmp_path / "env", script)
    run = run_helm(["one", "two"], "http://127.0.0.1:9/", tmp_path, given, 8, announce=announced.append)
    log = run.log.read_text(encoding="utf-8")
    assert "--run-entries one two --suite oneday --disable-cache --max-eval-instances 8 --num-threads 4" in log
    assert "url http://127.0.0.1:9" in log
    assert [line.split()[1] for line in announced] == ["[1/2]", "[2/2]"]
    assert [timed.seconds for timed in run.runs] == [10.5, 2.25]
    assert run.folder(tmp_path, run.runs[0]) == (
        tmp_path / "benchmark_output/runs/oneday/simple_mcqa:model=neurips_local"
    )


def test_the_server_is_never_asked_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    variables = helm_variables("http://127.0.0.1:8080", tmp_path)
    assert variables["NO_PROXY"] == variables["no_proxy"] == "example.org,127.0.0.1"
    assert "PYTHONPATH" not in variables


def test_the_tail_of_a_log_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert "absent" in tail(tmp_path / "no.log")
    (tmp_path / "empty.log").touch()
    assert "empty" in tail(tmp_path / "empty.log")
    (tmp_path / "long.log").write_text("\n".join(str(number) for number in range(100)), encoding="utf-8")
    assert tail(tmp_path / "long.log", lines=2) == "98\n99"


def test_a_conf_is_evaluated_with_the_plugin_and_goes_on_and_a_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / "seen.log").write_text(LOG, encoding="utf-8")
    given = environment(tmp_path / "env", 'echo "$@"; cat seen.log; exit 1')
    announced: list[str] = []
    run, why = run_conf(tmp_path / "my.conf", "http://127.0.0.1:9", tmp_path, given, 5, announced.append)
    log = run.log.read_text(encoding="utf-8")
    assert f"--conf-paths {tmp_path / 'my.conf'} --models-to-run neurips/local --plugins {PLUGIN}" in log
    assert "--skip-completed-runs" in log and "--max-eval-instances 5" in log
    assert why is not None and "exit code 1" in why
    assert [line.split()[1] for line in announced] == ["[1/2]", "[2/2]"]


def test_a_retry_is_announced_and_the_plan_is_told_before_the_first_run_ends(tmp_path: Path) -> None:
    begin = "2026-01-02 03:04:05,000 INFO         "
    (tmp_path / "seen.log").write_text(
        f"{begin}RunSpec(name='gsm:x=1', y)\n{LOG}{RETRIED}\nTraceback (most recent call last)\n", encoding="utf-8"
    )
    given = environment(tmp_path / "env", "cat seen.log")
    told: list[object] = []
    run_conf(tmp_path / "my.conf", "http://127.0.0.1:9", tmp_path, given, 5, told.append, planned=told.append)
    assert told[0] == ["gsm:x=1"] and str(told[1]).startswith("helm-run    [1/2]")
    assert "Request failed. Retrying" in str(told[-1])
    told.clear()
    run_helm(["one"], "http://127.0.0.1:9", tmp_path, given, 5, told.append)
    assert "Request failed. Retrying" in str(told[-1])


def test_a_line_is_in_the_log_while_helm_runs(tmp_path: Path) -> None:
    given = environment(tmp_path / "env", "echo one\necho two")
    seen: list[str] = []
    _run(
        [given.command("helm-run")],
        tmp_path / "log",
        tmp_path,
        helm_variables("", tmp_path),
        lambda line: seen.append((tmp_path / "log").read_text(encoding="utf-8")),
    )
    assert seen == ["one\n", "one\ntwo\n"]


def test_helm_is_ended_once_the_server_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.helm.running.POLL", 0.05)
    looks = iter([None, None, "no server at 9"])
    given = environment(tmp_path / "env", "echo begun\nexec sleep 60")
    _, why = run_conf(tmp_path / "my.conf", "http://127.0.0.1:9", tmp_path, given, 5, print, gone=lambda: next(looks))
    assert why == "helm-run was ended: no server at 9"


def test_a_run_is_whole_with_its_last_file_alone(tmp_path: Path) -> None:
    for name in ("run_spec", "scenario", "scenario_state", "stats"):
        (tmp_path / f"{name}.json").touch()
    assert not is_whole(tmp_path)
    (tmp_path / "per_instance_stats.json").touch()
    assert is_whole(tmp_path)
