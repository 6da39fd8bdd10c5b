"""The recipe inkuba-40m-oneday from parent to quantised student, on a small random model: run.py's whole order."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import run
from benchmarks.random_inkuba import make_random_inkuba
from compress.counts import count_parameters
from oneday.console import stage_main

RECIPE = Path(__file__).parents[2] / "recipes/inkuba-40m-oneday"
SIZES = {"vocabulary": 1200, "hidden_size": 128, "intermediate_size": 192, "layers": 4, "heads": 4}
WORDS = ["habari", "ya", "asubuhi", "leo", "tunaenda", "sokoni", "kununua", "ina", "kwana", "yau", "za", "mu", "kasuwa"]
CPU = {
    "bf16": False,
    "tf32": False,
    "optimizer": "adamw_torch",
    "micro_batch_size": 1,
    "sequence_len": 128,
    "logging_steps": 1,
}


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The recipe on toy rows, and a run folder in which it ran whole."""
    folder = tmp_path_factory.mktemp("road")
    sentences = [" ".join(WORDS[(start + step) % len(WORDS)] for step in range(9)) for start in range(60)]
    parent = make_random_inkuba(folder / "InkubaLM", texts=sentences, **SIZES)
    rows = folder / "rows.jsonl"
    lines = [{"question": text, "answer": "Chanya"} for text in sentences]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    recipe = Path(shutil.copytree(RECIPE, folder / RECIPE.name))
    for name in ("data.yaml", "zindi.yaml"):  # tests/test_buzuzu_mavi.py has a road with both
        (recipe / name).unlink()
    compress = with_rows(yaml.safe_load((recipe / "compress.yaml").read_text()), rows) | {"parent": str(parent)}
    compress["trim"]["vocabulary"] = 320
    compress["quantise"]["group_size"] = 32
    narrow = {"hidden_size": 64, "intermediate_size": 96, "attention_heads": 2, "key_value_heads": 2, "layers": 3}
    compress["prune"] |= narrow
    compress["prune"]["calibration"] |= {"sequences": 4, "tokens": 64}
    (recipe / "compress.yaml").write_text(yaml.safe_dump(compress))
    for name in ("train.yaml", "train-teacher.yaml"):
        values = with_rows(yaml.safe_load((recipe / name).read_text()), rows) | CPU | {"num_epochs": 1}
        del values["oneday_budget_hours"]
        (recipe / name).write_text(yaml.safe_dump(values))
    assert run.main([str(recipe), "--out", str(folder / "run")]) == 0
    return recipe, folder / "run"


def with_rows(value: Any, rows: Path) -> Any:
    """The settings with every file of the stage mix replaced by the toy rows."""
    if isinstance(value, dict):
        return {key: with_rows(item, rows) for key, item in value.items()}
    if isinstance(value, list):
        return [with_rows(item, rows) for item in value]
    return str(rows) if isinstance(value, str) and "/05_mix/" in value else value


@pytest.mark.slow
def test_each_stage_makes_the_model_that_the_next_one_takes(road: tuple[Path, Path]) -> None:
    _, out = road
    sizes = [count_parameters(out / name / "model").unique for name in ("05a_trim", "05b_teacher", "05c_prune")]
    assert sizes[0] == sizes[1] > sizes[2] == count_parameters(out / "06_train/model").unique
    trim, prune = (json.loads((out / name).read_text()) for name in ("05a_trim/trim.json", "05c_prune/prune.json"))
    assert (trim["fresh"], trim["tokens_after"], trim["unreachable_after"]) == (True, 320, 0)
    assert len(prune["layers"]) == 3 and {0, 3} <= set(prune["layers"])
    log = json.loads((out / "06_train/model/training_log.json").read_text())
    assert any("distill_loss" in entry for entry in log)
    assert not [path for path in out.rglob("parent") if path.is_dir()]  # the converted parent does not stay


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(road: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = road
    assert run.main([str(recipe), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for stage in ("validate", "trim", "teacher", "prune", "train"):
        assert f"{stage:<11} unchanged, skipped" in lines


@pytest.mark.slow
def test_the_student_is_quantised_and_what_it_costs_is_told(road: tuple[Path, Path]) -> None:
    import compress.quantise

    recipe, out = road
    assert stage_main(compress.quantise.STAGE, [str(recipe), "--out", str(out)]) == 0
    told = json.loads((out / "12_quantise/quantise.json").read_text())
    assert told["bytes_after"] < told["bytes_before"]
    assert abs(told["loss_after"] - told["loss_before"]) < 0.05
