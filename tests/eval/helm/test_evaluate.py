"""The command that evaluates a recipe, with a server that is real and HELM's commands as recorded."""

import json
import sys
from pathlib import Path

import pytest

from eval.helm.evaluate import main
from eval.helm.running import runs_folder
from eval.helm.served import ServerWatch
from tests.conftest import RecipeFolder
from tests.eval.helm.recorded import LOG, RETRIED, write_whole_run
from tests.eval.helm.test_evaluation import FIRST, SECOND, SPECS
from tests.eval.helm.test_running import environment

STALE = "simple_mcqa:model=neurips_local,data_augmentation=canonical"
ENTRIES = ("simple_mcqa", "dyck_language", "math:level=1")


@pytest.fixture
def arguments(tmp_path: Path, recipe: RecipeFolder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A recipe, and an environment whose helm-run prints LOG and whose Python reads conf files that are JSON."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    environment(tmp_path / "env", f"cat {tmp_path / 'seen.log'}")
    (tmp_path / "env/bin/python").write_text("#!/bin/sh\nexec cat $3\n", encoding="utf-8")
    (tmp_path / "env/bin/python").chmod(0o755)
    (tmp_path / "my.conf").write_text(
        json.dumps({"entries": [{"description": text} for text in ENTRIES]}), encoding="utf-8"
    )
    (tmp_path / "seen.log").write_text(SPECS + LOG, encoding="utf-8")
    options = {"--out": "run", "--helm-env": "env", "--conf": "my.conf"}
    return [str(recipe.path), *(word for name, value in options.items() for word in (name, str(tmp_path / value)))]


def test_an_evaluation_prints_its_scores_and_ends_well(
    tmp_path: Path, arguments: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "run/helm/tuned"
    assert main([*arguments, "--only-with-data", "--url", address, "--max-instances", "2"]) == 1
    told = capsys.readouterr()
    assert "no data     math:level=1 needs math/train.jsonl" in told.out
    assert f"{FIRST}: HELM did not finish it" in told.err and "2 faults" in told.err
    for name in (FIRST, SECOND, STALE):
        write_whole_run(runs_folder(work) / name)
    assert main([*arguments, "--only-with-data", "--url", address, "--max-instances", "2", "--resume"]) == 0
    told = capsys.readouterr()
    assert f"set aside   1 run of these scenarios with other arguments, such as {STALE}" in told.out
    assert sorted(path.name for path in runs_folder(work).iterdir()) == [SECOND, FIRST]
    assert f"python -m eval.rank tuned={runs_folder(work)}" in told.out and "0 failed requests" in told.out
    assert main([*arguments, "--only-with-data", "--url", address, "--max-instances", "3"]) == 1
    assert "its max_instances changed" in capsys.readouterr().err


def test_runs_of_a_servers_address_are_made_anew_unless_resumed(
    tmp_path: Path, arguments: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (FIRST, SECOND):
        write_whole_run(runs_folder(tmp_path / "run/helm/tuned") / name)
    (tmp_path / "run/helm/tuned/evaluation.json").write_text(
        json.dumps({"model": f"toy at {address}", "files": {}, "serving": None, "max_instances": 20}), encoding="utf-8"
    )
    assert main([*arguments, "--only-with-data", "--url", f"{address}/"]) == 1
    told = capsys.readouterr()
    assert "begun anew" in told.out and "the same command with --resume makes the faulty runs again" in told.err
    assert len(list((tmp_path / "run/helm/tuned/earlier").glob("*/oneday/*"))) == 2
    assert main([*arguments, "--url", address, "--resume", "--restart"]) == 1
    assert "give one" in capsys.readouterr().err


def test_a_helm_that_plans_nothing_leaves_what_was_set_aside_there(
    tmp_path: Path, arguments: list[str], address: str
) -> None:
    aside = tmp_path / "run/helm/tuned/benchmark_output/set_aside"
    write_whole_run(aside / STALE)
    (tmp_path / "run/helm/tuned/evaluation.json").write_text(
        json.dumps({"model": f"toy at {address}", "files": {}, "serving": None, "max_instances": 20}), encoding="utf-8"
    )
    (tmp_path / "seen.log").write_text("", encoding="utf-8")
    assert main([*arguments, "--only-with-data", "--url", address, "--resume"]) == 1
    assert [path.name for path in aside.iterdir()] == [STALE]


def test_a_server_that_is_gone_ends_the_evaluation_and_the_table_is_printed_all_the_same(
    tmp_path: Path,
    arguments: list[str],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("eval.helm.running.POLL", 0.05)
    monkeypatch.setattr("eval.helm.evaluate.ServerWatch", lambda url: ServerWatch(f"{url}/elsewhere"))
    (tmp_path / "env/bin/helm-run").write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    assert main([*arguments, "--only-with-data", "--url", address]) == 1
    told = capsys.readouterr()
    assert "| scenario" in told.out and "helm-run was ended: " in told.err and "/health answers 404" in told.err
    assert "the same command with --resume goes on" in told.err


def test_a_retried_request_is_a_fault_and_the_table_is_printed_all_the_same(
    tmp_path: Path, arguments: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seen.log").write_text(SPECS + LOG.replace("Done.", f"Done.\n{RETRIED}"), encoding="utf-8")
    assert main([*arguments, "--only-with-data", "--url", address]) == 1
    told = capsys.readouterr()
    assert "| scenario" in told.out and f"{SECOND}: failed or retried: Request failed" in told.err


def test_entries_without_data_stop_it_before_anything_runs(
    tmp_path: Path, arguments: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--url", address]) == 1
    assert "nothing was run: --data names" in capsys.readouterr().err
    (tmp_path / "my.conf").write_text('{"entries": [{"description": "math:level=1"}]}', encoding="utf-8")
    assert main([*arguments, "--url", address, "--only-with-data"]) == 1
    assert "no entry has its data" in capsys.readouterr().err
    assert main([*arguments, "--url", address, "--data", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is no folder" in capsys.readouterr().err
    assert not (tmp_path / "run/helm/tuned/evaluation.json").exists()


def test_without_helm_or_a_model_the_command_tells_what_makes_it(
    tmp_path: Path, arguments: list[str], recipe: RecipeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.use_model(tmp_path / "no-model")
    assert main(arguments) == 1
    assert "run.py" in capsys.readouterr().err
    assert main([*arguments, "--helm-env", str(tmp_path / "absent")]) == 1
    assert "makes .venv-helm" in capsys.readouterr().err


def test_a_dry_run_tells_what_would_run_and_what_lacks_and_writes_nothing(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--dry-run", "--model", "base"]) == 0
    told = capsys.readouterr().out
    assert "base model" in told and "simple_mcqa\n" in told and "no data     math:level=1" in told
    assert not (tmp_path / "run").exists()


def test_a_request_that_the_server_refused_is_a_fault(
    tmp_path: Path, arguments: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = f"import urllib.request as r; r.urlopen(r.Request('{address}/process', b'{{}}'))"
    script = f'cat {tmp_path / "seen.log"}\n{sys.executable} -c "{asks}" || true'
    (tmp_path / "env/bin/helm-run").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    assert main([*arguments, "--only-with-data", "--url", address]) == 1
    told = capsys.readouterr()
    assert "| scenario" in told.out and "the server answered 1 requests to /process with" in told.err
