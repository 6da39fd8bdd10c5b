"""The stage zindi on a toy run, and the command's three forms."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from compress.counts import count_parameters
from eval.size_aware import model_size
from eval.zindi import STAGE, main
from eval.zindi_scores import read_zindi_scores
from oneday.files import sha256_file, write_jsonl
from oneday.stage import StageError, execute, starting_point
from tests.eval.challenge import trained, write_files, write_recipe, write_report
from tests.eval.test_zindi_scoring import some_answers

FORMULA = ["--score", "0.496534562", "--parameters", "50480128", "--parameter-size", "421939200"]


def run_folder(folder: Path, model: Path) -> Path:
    """A run folder with a trained model and both models' answers, as their stages leave them."""
    run_dir = trained(folder / "run", model)
    files = [path for path in (run_dir / "06_train/model").iterdir() if path.is_file()]
    write_report(run_dir / "06_train", {f"model/{path.name}": sha256_file(path) for path in files})
    outputs = {}
    for name, right in (("untuned", 0.1), ("tuned", 0.9)):
        path = run_dir / f"07_answer/{name}.jsonl"
        write_jsonl(path, some_answers(right, seed=len(name), rows=12))
        outputs[path.name] = sha256_file(path)
    write_report(run_dir / "07_answer", outputs)
    return run_dir


def test_the_stage_scores_both_models_and_prints_the_tables(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    run_dir = run_folder(tmp_path, tiny_model_dir)
    assert main([str(recipe.folder), "--out", str(run_dir)]) == 0
    scores = read_zindi_scores(run_dir / "08_zindi/scores.json")
    size = count_parameters(tiny_model_dir).unique
    assert scores.models == ["untuned", "tuned"]
    assert {model: final.size for model, final in scores.finals.items()} == {"untuned": size, "tuned": size}
    assert scores.score_differences[0].low > 0
    report = json.loads((run_dir / "08_zindi/report.json").read_text(encoding="utf-8"))
    assert report["counts"] == {"rows": 6 * 12 + 3 * 10, "tasks": 6}
    assert (run_dir / "08_zindi/scores.md").read_text(encoding="utf-8").strip() in capsys.readouterr().out
    assert main([str(recipe.folder), "--out", str(run_dir)]) == 0
    assert "unchanged, skipped" in capsys.readouterr().out


def test_the_same_start_gives_the_same_bytes(tmp_path: Path, tiny_model_dir: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    written = []
    for name in ("first", "second"):
        run_dir = run_folder(tmp_path / name, tiny_model_dir)
        execute(STAGE, recipe, run_dir, announce=lambda _: None)
        written.append((run_dir / "08_zindi/scores.json").read_bytes())
    assert written[0] == written[1]


def test_the_stage_wants_the_answers_first(tmp_path: Path, tiny_model_dir: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    with pytest.raises(StageError, match="run the stage 'answer' first"):
        starting_point(STAGE, recipe, tmp_path / "run")


def test_a_dry_run_prints_the_plan_alone(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    assert main([str(recipe.folder), "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert capsys.readouterr().out.strip() == "zindi       would run after the stages before it"


def test_an_adapter_is_counted_beside_its_base_model(tmp_path: Path, tiny_model_dir: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    with pytest.raises(FileNotFoundError, match="holds no adapter; run the stage 'train'"):
        model_size(tiny_model_dir, adapter)
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(7)}, adapter / "adapter_model.safetensors")
    assert model_size(tiny_model_dir, adapter) == model_size(tiny_model_dir) + 22


def test_the_formula_alone_says_what_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(FORMULA) == 0
    out = capsys.readouterr().out
    assert out == "0.466832  (s 0.496534562, 50,480,128 parameters, PARAM_SIZE 421,939,200)\n"


def test_the_formula_takes_the_size_from_a_model(tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--score", "1", "--model-dir", str(tiny_model_dir), "--parameter-size", "1000000"]) == 0
    size = model_size(tiny_model_dir)
    assert capsys.readouterr().out.startswith(f"{1 - size / 2_000_000:.6f}  (s 1.0, {size:,} parameters")


@pytest.mark.parametrize("sized", [[], ["--parameters", "210969600", "--parameter-size", "421939200"]])
def test_a_submission_is_scored_without_a_recipe(
    sized: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_files(tmp_path / "files")
    path = tmp_path / "submission.csv"
    answers = {"f3c74c7b_sentiment_test__hausa": "0", "1b2c3d4e_sentiment_test__swahili": "1"}
    answers |= {"0a0a0a0a_test_xnli_hau": "2", "0b0b0b0b_test_xnli_swa": "0"}
    answers |= {"d054836f_test__mt_eng-swa": "habari za asubuhi", "d054836a_test__mt_eng-hau": "barka da safiya"}
    lines = [f"ID_{id},{answer}" for id, answer in answers.items()]
    path.write_text("\n".join(["ID,Response", *lines]), encoding="utf-8")
    assert main(["--submission", str(path), "--test-dir", str(files), *sized]) == 0
    out = capsys.readouterr().out
    assert re.search(r"\| submission +\| +210,969,600 \| 1\.000.*\| 0\.750", out) if sized else "must be named" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "RECIPE is missing"),
        (["r", *FORMULA], "RECIPE cannot go with --score"),
        (["--submission", "s"], "--test-dir is missing beside --submission"),
        (["--submission", "s", "--test-dir", "d", "--out", "o"], "--out cannot go with --submission"),
        (["--submission", "s", "--test-dir", "d", "--parameters", "5"], "both the model's size and --parameter-size"),
        (
            ["--submission", "s", "--test-dir", "d", "--parameter-size", "5"],
            "both the model's size and --parameter-size",
        ),
        (["--score", "0.5", "--parameters", "5"], "--parameter-size is missing beside --score"),
        (["--score", "0.5", "--parameter-size", "5"], "both the model's size and --parameter-size"),
        ([*FORMULA, "--model-dir", "m"], "--model-dir and --parameters both say how large the model is"),
        (["--parameters", "5"], "--parameters cannot go with a recipe"),
        (["--score", "1.5", "--parameters", "5", "--parameter-size", "5"], "1.5 is not in the range"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_recipe_without_zindi_settings_is_told(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe", tiny_model_dir)
    (recipe.folder / "zindi.yaml").unlink()
    (recipe.folder / "eval.yaml").touch()
    assert main([str(recipe.folder), "--out", str(tmp_path / "run")]) == 2
    assert "eval.yaml" in capsys.readouterr().err
