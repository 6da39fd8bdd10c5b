"""From the challenge's files to a submission, by a small random model through the real command."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eval import submit
from eval.competition_files import read_competition
from eval.questions import Answered
from eval.submission import read_submission
from eval.submit import main, responses_of
from serve.transformers_engine import LoadedModel, load_model
from tests.eval.challenge import FILES, many_rows, trained, without_targets, write_files, write_recipe

BLANK = {name: without_targets(rows) for name, rows in zip(("Sentiment", "XNLI", "MT"), FILES.values(), strict=True)}


def command(folder: Path, model: Path, *options: str) -> tuple[list[str], Path]:
    """The command line on a recipe, files and a run folder below `folder`, and the file that it writes."""
    if not (folder / "recipe").is_dir():
        write_recipe(folder / "recipe", model)
        write_files(folder / "files", **BLANK)
        trained(folder / "run", model)
    out = folder / "submission.csv"
    places = ["--test-dir", str(folder / "files"), "--out", str(out), "--run", str(folder / "run")]
    return [str(folder / "recipe"), *places, *options], out


def test_a_model_answers_the_files(tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, out = command(tmp_path, tiny_model_dir)
    assert main(arguments) == 0
    responses = read_submission(out, read_competition(tmp_path / "files"))
    assert len(responses) == 6 and all(responses.values())
    assert "6 rows (2 sentiment, 2 entailment, 2 translation), every ID once, none blank" in capsys.readouterr().out


def test_a_run_that_was_cut_off_goes_on_and_gives_the_same(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, out = command(tmp_path, tiny_model_dir)
    assert main(arguments) == 0
    whole = out.read_bytes()
    (work,) = (tmp_path / "run/submit").iterdir()
    labels = (work / "labels.jsonl").read_bytes()
    (work / "translations.jsonl").unlink()
    out.unlink()
    assert main(arguments) == 0
    assert out.read_bytes() == whole and (work / "labels.jsonl").read_bytes() == labels

    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded, though every row has its answer")

    monkeypatch.setattr("serve.transformers_engine.load_model", no_model)
    assert main(arguments) == 0


def test_another_model_starts_afresh(tmp_path: Path, tiny_model_dir: Path) -> None:
    arguments, _ = command(tmp_path, tiny_model_dir)
    assert main(arguments) == 0
    assert main([*arguments, "--model", "untuned"]) == 0
    assert {path.name.split("-")[0] for path in (tmp_path / "run/submit").iterdir()} == {"tuned", "untuned"}
    weights = tmp_path / "run/06_train/model/generation_config.json"
    weights.write_text(json.dumps({**json.loads(weights.read_text()), "max_length": 99}), encoding="utf-8")
    assert main(arguments) == 0
    assert len(list((tmp_path / "run/submit").iterdir())) == 3


def test_a_dry_run_changes_nothing(tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, out = command(tmp_path, tiny_model_dir, "--dry-run")
    assert main(arguments) == 0
    assert "6 rows would be answered by the tuned model" in capsys.readouterr().out
    assert not out.exists() and not (tmp_path / "run/submit").exists()


def test_a_model_that_is_not_trained_yet_is_told(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, out = command(tmp_path, tiny_model_dir)
    shutil.rmtree(tmp_path / "run/06_train")
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert "06_train/report.json is absent: the stage has not finished" in told
    run = f"python run.py {tmp_path / 'recipe'} --out {tmp_path / 'run'}"
    assert f"make the tuned model first: {run}" in told
    assert not out.exists() and not (tmp_path / "run/submit").exists()
    assert main([*arguments, "--dry-run"]) == 0
    assert f"make the tuned model first: {run}" in capsys.readouterr().out


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_a_folder_in_the_place_of_the_submission_is_told_before_any_work(
    option: list[str], tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, out = command(tmp_path, tiny_model_dir, *option)
    out.mkdir()
    assert main(arguments) == 1
    message = f"--out {out} is a folder; name the file to write, such as {out / 'submission.csv'}"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run/submit").exists() and not list(out.iterdir())


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_a_recipe_without_zindi_settings_is_told_before_the_files_are_read(
    option: list[str], tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, _ = command(tmp_path, tiny_model_dir, *option)
    (tmp_path / "recipe/zindi.yaml").unlink()
    (tmp_path / "files/MTTest.csv").unlink()
    assert main(arguments) == 2
    assert "zindi.yaml: no such file, and what is to be run needs it" in capsys.readouterr().err


def test_the_model_answers_in_float32(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, _ = command(tmp_path, tiny_model_dir)
    asked: list[str | None] = []

    def load(folder: str, adapter: Path | None = None, dtype: Any = None) -> LoadedModel:
        asked.append(dtype)
        return load_model(folder, adapter, dtype)

    monkeypatch.setattr("serve.transformers_engine.load_model", load)
    assert main(arguments) == 0
    assert asked == ["float32"]


def test_other_libraries_start_afresh(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    given = ([], recipe.zindi.decoding, recipe.rules, str(tiny_model_dir), None)
    before = submit.fingerprint(*given)
    assert submit.fingerprint(*given) == before
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"another {name}")
    assert submit.fingerprint(*given) != before


def test_a_submission_is_checked_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_files(tmp_path / "files", **BLANK)
    path = tmp_path / "s.csv"
    path.write_text("ID,Response\nx,1\n", encoding="utf-8")
    assert main(["--check", str(path), "--test-dir", str(files)]) == 1
    assert f"{path}:2: the ID 'x' is in none of" in capsys.readouterr().err
    lines = [f"{row.id},{'sawa' if row.kind == 'translation' else 1}" for row in read_competition(files)]
    path.write_text("\n".join(["ID,Response", *lines]), encoding="utf-8")
    assert main(["--check", str(path), "--test-dir", str(files)]) == 0
    assert "6 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r"], "--out, --test-dir is missing"),
        (["--test-dir", "d", "--out", "o"], "RECIPE is missing"),
        (["--check", "s"], "--test-dir is missing"),
        (["r", "--check", "s", "--test-dir", "d", "--out", "o"], "--out, RECIPE cannot go with --check"),
        (["r", "--test-dir", "d", "--out", "o", "--model", "base"], "--model base: choose one of untuned, tuned"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_help_says_what_out_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "not the run folder, which is --run" in " ".join(capsys.readouterr().out.split())


def test_a_blank_translation_becomes_the_english_input_and_is_counted(tmp_path: Path) -> None:
    rows = read_competition(write_files(tmp_path))
    answers = ["Korau", "Chanya", "neutral", "contradiction", " \n", "barka\nda  safiya"]
    answered = [
        Answered(kind=row.kind, language=row.language, id=row.id, prompt="", generated=answer, answer=answer)
        for row, answer in zip(rows, answers, strict=True)
    ]
    responses, copied = responses_of(rows, answered)
    assert list(responses.values()) == ["2", "0", "1", "2", "good morning", "barka da safiya"]
    assert copied == 1


def test_the_names_of_the_models_are_those_of_the_settings() -> None:
    assert submit.MODELS == ("untuned", "tuned")


@pytest.mark.slow
def test_900_rows_killed_on_the_way_give_the_same_file_as_in_one_go(tmp_path: Path, tiny_model_dir: Path) -> None:
    arguments, out = command(tmp_path, tiny_model_dir)
    write_files(tmp_path / "files", **many_rows(150))
    process = subprocess.Popen([sys.executable, "-m", "eval.submit", *arguments], cwd=Path(__file__).parents[2])
    while process.poll() is None and not list(tmp_path.glob("run/submit/*/translations.jsonl")):
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert not out.exists()
    assert main(arguments) == 0
    resumed = out.read_bytes()
    shutil.rmtree(tmp_path / "run/submit")
    assert main(arguments) == 0
    assert out.read_bytes() == resumed
    assert len(resumed.decode().splitlines()) == 901
