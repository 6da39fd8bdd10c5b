"""Which checkpoints are resumed, and when a training counts as another one."""

from pathlib import Path
from typing import Any

import pytest

from training.running.checkpoints import (
    WHOLE,
    checkpoints,
    free_name,
    read_start,
    set_aside_broken_checkpoints,
    start_record,
    write_start,
)


def checkpoint(folder: Path, step: int, without: str = "") -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in WHOLE:
        if name != without:
            (path / name).write_text("{}")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    data = tmp_path / "train.jsonl"
    data.write_text('{"question": "q", "answer": "a"}\n')
    return {
        "base_model": "some/model",
        "learning_rate": 0.1,
        "output_dir": str(tmp_path / "model"),
        "datasets": [{"path": str(data), "ds_type": "json"}],
    }


@pytest.mark.parametrize("missing", WHOLE)
def test_a_checkpoint_without_one_of_its_files_is_set_aside(tmp_path: Path, missing: str) -> None:
    whole = checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, without=missing)
    (moved,) = set_aside_broken_checkpoints(tmp_path)
    assert moved.name == "broken-checkpoint-10"
    assert checkpoints(tmp_path) == [whole]


def test_a_checkpoint_whose_state_was_cut_off_is_set_aside(tmp_path: Path) -> None:
    (checkpoint(tmp_path, 5) / "trainer_state.json").write_text('{"global_step": ')
    assert len(set_aside_broken_checkpoints(tmp_path)) == 1
    assert checkpoints(tmp_path) == []


def test_setting_aside_twice_overwrites_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        checkpoint(tmp_path, 5, without="optimizer.pt")
        set_aside_broken_checkpoints(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken-checkpoint-5", "broken-checkpoint-5-2"]


def test_checkpoints_are_ordered_by_step_not_by_name(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        checkpoint(tmp_path, step)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-9", "checkpoint-10", "checkpoint-100"]


def test_moving_a_run_does_not_make_it_another_training(settings: dict[str, Any], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.jsonl"
    moved.write_bytes(Path(settings["datasets"][0]["path"]).read_bytes())
    there = settings | {"output_dir": "elsewhere", "datasets": [{"path": str(moved), "ds_type": "json"}]}
    assert start_record(there) == start_record(settings)


def test_tracking_a_run_does_not_make_it_another_training(settings: dict[str, Any]) -> None:
    tracked = {"use_tensorboard": True, "wandb_project": "mine", "hf_mlflow_log_artifacts": False, "use_trackio": True}
    assert start_record(settings | tracked) == start_record(settings)


def test_another_setting_or_other_data_makes_another_training(settings: dict[str, Any]) -> None:
    before = start_record(settings)
    assert start_record(settings | {"learning_rate": 0.2})["settings"] != before["settings"]
    assert start_record(settings | {"base_model": "other/model"})["base_model"] != before["base_model"]
    Path(settings["datasets"][0]["path"]).write_text('{"question": "q", "answer": "b"}\n')
    assert start_record(settings)["data"] != before["data"]


def test_a_start_record_reads_back_and_a_damaged_one_counts_as_none(settings: dict[str, Any], tmp_path: Path) -> None:
    record = start_record(settings)
    write_start(tmp_path, record, finished=True)
    assert read_start(tmp_path) == record | {"finished": True}
    (tmp_path / "oneday_start.json").write_text("{")
    assert read_start(tmp_path) is None


def test_free_name_counts_up(tmp_path: Path) -> None:
    assert free_name(tmp_path / "x") == tmp_path / "x"
    (tmp_path / "x").mkdir()
    assert free_name(tmp_path / "x") == tmp_path / "x-2"
