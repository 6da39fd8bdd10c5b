"""A checkpoint that becomes the model."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.running.best_checkpoint import adopt_checkpoint
from training.running.processes import Refused


def checkpoint(model_dir: Path, step: int, **state: Any) -> Path:
    path = model_dir / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "optimizer.pt", "rng_state.pth"):
        (path / name).write_text(f"{name} of {step}")
    log = [{"step": step, "loss": 1.0}]
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": log} | state))
    return path


def test_the_last_checkpoint_becomes_the_model_without_what_only_training_needs(tmp_path: Path) -> None:
    for step in (9, 10):
        checkpoint(tmp_path, step)
    chosen, state = adopt_checkpoint(tmp_path, prefer_best=False)
    assert (chosen.name, state["global_step"]) == ("checkpoint-10", 10)
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names == {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "training_log.json"}
    assert (tmp_path / "adapter_model.safetensors").read_text() == "adapter_model.safetensors of 10"
    assert json.loads((tmp_path / "training_log.json").read_text()) == [{"step": 10, "loss": 1.0}]


def test_the_best_one_is_preferred_where_the_recipe_asks_for_it_wherever_the_run_was_moved(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, best_model_checkpoint="elsewhere/model/checkpoint-5")
    assert adopt_checkpoint(tmp_path, prefer_best=True)[0].name == "checkpoint-5"
    assert adopt_checkpoint(tmp_path, prefer_best=False)[0].name == "checkpoint-10"


def test_a_best_one_that_is_gone_is_replaced_by_the_last(tmp_path: Path) -> None:
    checkpoint(tmp_path, 10, best_model_checkpoint="checkpoint-5")
    assert adopt_checkpoint(tmp_path, prefer_best=True)[0].name == "checkpoint-10"


def test_without_a_checkpoint_that_holds_a_model_it_is_said_what_to_do(tmp_path: Path) -> None:
    (checkpoint(tmp_path, 5) / "adapter_model.safetensors").unlink()
    with pytest.raises(Refused, match=r"raise oneday_budget_hours .* or move that folder away"):
        adopt_checkpoint(tmp_path, prefer_best=True)
