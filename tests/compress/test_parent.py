"""The parent as a folder: local, in the hub's layout, or not to be had."""

from pathlib import Path

import pytest

from benchmarks.random_inkuba import make_random_inkuba
from compress.config import CompressConfig, Prune
from compress.counts import count_parameters
from compress.inkuba import is_hub_layout
from compress.parent import parent_folder

SIZES = {"vocabulary": 600, "hidden_size": 64, "intermediate_size": 96, "layers": 3, "heads": 4}


def settings(parent: str) -> CompressConfig:
    return CompressConfig(parent=parent, seed=1, prune=Prune(method="random", seed=1, hidden_size=32))


def test_a_local_model_is_taken_where_it_is(tiny_model_dir: Path, tmp_path: Path) -> None:
    assert parent_folder(settings(str(tiny_model_dir)), tmp_path / "work") == tiny_model_dir


def test_the_hubs_layout_is_converted_once(tmp_path: Path) -> None:
    hub = make_random_inkuba(tmp_path / "hub", **SIZES)
    converted = parent_folder(settings(str(hub)), tmp_path / "work")
    assert not is_hub_layout(converted)
    assert count_parameters(converted).unique == count_parameters(converted).stored
    written = (converted / "model.safetensors").stat().st_mtime_ns
    assert parent_folder(settings(str(hub)), tmp_path / "work") == converted
    assert (converted / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("parent", ["nobody/has-this-model", "not a / hub id"])
def test_a_parent_that_is_nowhere_is_told_with_what_to_do(parent: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder, and not to be had from the hub") as error:
        parent_folder(settings(parent), tmp_path)
    assert "HF_TOKEN" in str(error.value) and "local folder" in str(error.value)
