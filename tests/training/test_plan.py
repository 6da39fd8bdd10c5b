"""The command: what it prints for the recipes, its exit codes, and its errors."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from training import plan

ONEDAY = Path("recipes/mistral-7b-oneday")
PLANNED = sorted(Path("recipes").glob("*/train*.yaml"))


def _recipe(folder: Path, **changes: Any) -> Path:
    """A copy of a recipe's train.yaml and data.yaml, with keys changed, or with None taken out."""
    folder.mkdir(parents=True)
    values = yaml.safe_load((ONEDAY / "train.yaml").read_text()) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    (folder / "train.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    (folder / "data.yaml").write_text((ONEDAY / "data.yaml").read_text())
    return folder


@pytest.mark.parametrize("path", PLANNED, ids=str)
def test_every_recipe_can_be_planned(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = plan.main([str(path), "--gpu", "h200"])
    captured = capsys.readouterr()
    assert code in (0, 1), captured.err
    assert "peak" in captured.out
    assert "Error" not in captured.err  # where the rows are mixed, a bar counts their tokens there


def test_a_plan_names_what_it_assumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main([str(ONEDAY), "--gpu", "h100"]) == 0
    text = capsys.readouterr().out
    assert "of them of rows is assumed" in text
    assert "of the peak, an assumption" in text
    assert "estimate: context" in text
    assert text.rstrip().splitlines()[-1].startswith("fits")


def test_what_does_not_fit_ends_with_1_and_its_advice_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heavy = {"micro_batch_size": 6, "liger_fused_linear_cross_entropy": None, "optimizer": "adamw_torch"}
    big = _recipe(tmp_path / "big", **heavy)
    assert plan.main([str(big), "--gpu", "rtx4090", "--tflops", "400"]) == 1
    assert "DOES NOT FIT" in capsys.readouterr().out
    assert plan.main([str(big), "--gpu", "rtx4090", "--tflops", "400", "--json"]) == 1
    advised = json.loads(capsys.readouterr().out)["smallest_change"]
    assert advised
    changed = _recipe(tmp_path / "changed", **heavy | advised)
    assert plan.main([str(changed), "--gpu", "rtx4090", "--tflops", "400"]) == 0


def test_a_slow_card_is_told_by_the_hours(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main([str(ONEDAY), "--memory-gb", "48", "--tflops", "20"]) == 1
    assert "hours of 24" in capsys.readouterr().out


def test_unknown_rows_end_with_1_and_the_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _recipe(tmp_path / "bare")
    (folder / "data.yaml").unlink()
    assert plan.main([str(folder), "--gpu", "h200"]) == 1
    text = capsys.readouterr().out
    assert "run the stage mix first" in text
    assert "| peak" in text


@pytest.mark.parametrize(
    ("changes", "options", "code", "message"),
    [
        ({}, ["--gpu", "rtx9999"], 1, "is not known; allowed: a10,"),
        ({"lora_r": None}, [], 2, "lora_r is required with adapter: qlora"),
        ({"sequence_len": "long"}, [], 2, "sequence_len: input should be a valid integer"),
        ({"base_model": "nobody/no-such-model"}, [], 1, "--model-config FILE"),
        ({}, ["--model-config", "recipes/quickstart/train.yaml"], 1, "no model config in JSON"),
        ({}, ["--measure", "4"], 1, "run the stage mix first"),
    ],
)
def test_errors_say_what_to_do(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    options: list[str],
    code: int,
    message: str,
) -> None:
    folder = _recipe(tmp_path / "wrong", **changes)
    assert plan.main([str(folder), "--out", str(tmp_path / "run"), *options]) == code
    assert message in capsys.readouterr().err


def test_a_folder_without_train_file_is_a_wrong_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main([str(tmp_path)]) == 2
    assert "no training file of a recipe" in capsys.readouterr().err


def two_trainings(folder: Path) -> Path:
    """A recipe with two trainings in turn of the same base model, with the budget of mistral-7b-oneday each."""
    recipe = _recipe(folder)
    (recipe / "train.yaml").rename(recipe / "train-1-part.yaml")
    values = yaml.safe_load((recipe / "train-1-part.yaml").read_text())
    again = values | {"base_model": f"runs/{folder.name}/05d_train_1/model"}
    (recipe / "train-2-whole.yaml").write_text(yaml.safe_dump(again, sort_keys=False))
    return recipe


def test_of_two_trainings_in_turn_both_are_planned_and_added_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = two_trainings(tmp_path / "two")
    one = plan.main([str(recipe / "train-1-part.yaml"), "--gpu", "h200", "--json"])
    hours = sum(json.loads(capsys.readouterr().out)["seconds"].values()) / 3600
    assert (one, plan.main([str(recipe), "--gpu", "h200"])) == (0, 0)
    text = capsys.readouterr().out
    assert text.count("| peak") == 2 and f"{recipe}/train-2-whole.yaml" in text
    assert text.rstrip().endswith(f"together: {2 * hours:.1f} hours of 24")


def test_two_trainings_that_fit_a_day_each_and_not_together_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, slow = two_trainings(tmp_path / "two"), ["--gpu", "h100", "--tflops", "200"]
    for name in ("train-1-part.yaml", "train-2-whole.yaml"):
        assert plan.main([str(recipe / name), *slow]) == 0
    assert plan.main([str(recipe), *slow]) == 1
    assert "together: DOES NOT FIT: " in capsys.readouterr().out.splitlines()[-1]


def test_unknown_hours_of_two_trainings_are_not_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = two_trainings(tmp_path / "two")
    (recipe / "data.yaml").unlink()
    assert plan.main([str(recipe), "--gpu", "h200"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "together: the hours are not known"


@pytest.mark.parametrize("option", [["--json"], ["--measure", "4"]])
def test_what_is_for_one_training_wants_it_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    recipe = two_trainings(tmp_path / "two")
    assert plan.main([str(recipe), *option]) == 1
    names = f"{recipe}/train-1-part.yaml or {recipe}/train-2-whole.yaml"
    assert f"{option[0]} is for one training, and {recipe} has two; name {names}" in capsys.readouterr().err


def test_trainings_in_turn_that_are_not_one_and_two_are_a_wrong_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = two_trainings(tmp_path / "two")
    (recipe / "train-1-part.yaml").unlink()
    assert plan.main([str(recipe)]) == 2
    assert "two trainings in turn need one train-1-NAME.yaml" in capsys.readouterr().err


def test_help_answers_without_the_heavy_libraries() -> None:
    check = "import sys; from training.plan import main; main(['--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Example: python -m training.plan" in done.stdout
