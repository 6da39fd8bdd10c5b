"""Which device a plan is for, as `nvidia-smi` tells it: here a script in its place, in the driver's own format."""

import os
from pathlib import Path

import pytest

from training.planning import this_machine
from training.planning.this_machine import card_of, visible_gpus

TWO = "0, GPU-aaaa1111, NVIDIA H100 80GB HBM3\n1, GPU-bbbb2222, NVIDIA L4\n"


@pytest.fixture(autouse=True)
def _no_cards_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def with_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int = 0) -> None:
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{says}END\nexit {code}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_without_a_driver_there_is_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    card = card_of([])
    assert card.is_cpu and card.fp32 > 0 and card.memory_gib > 0


def test_a_driver_that_fails_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, "NVIDIA-SMI has failed\n", code=9)
    assert visible_gpus() == []


def test_a_driver_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\nexec sleep 20\n", encoding="utf-8")
    monkeypatch.setattr(this_machine, "PATIENCE", 0.2)
    with pytest.raises(ValueError, match=r"nvidia-smi gave no answer in 0\.2 s"):
        visible_gpus()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (None, ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]),
        ("1", ["NVIDIA L4"]),
        ("GPU-aaaa", ["NVIDIA H100 80GB HBM3"]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_cards_are_those_that_cuda_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, names: list[str]
) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == names


def test_a_card_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(ValueError, match=r"names 7, which nvidia-smi does not list \(there: 0, 1\)"):
        visible_gpus()


def test_a_card_is_found_by_cudas_name() -> None:
    assert card_of(["NVIDIA H100 80GB HBM3"] * 2).name == "h100"
    assert card_of(["NVIDIA GeForce RTX 4090"]).name == "rtx4090"


def test_other_cards_and_mixed_ones_are_refused() -> None:
    with pytest.raises(ValueError, match=r"does not know the card NVIDIA T4; known: .*rtx4090"):
        card_of(["NVIDIA T4"])
    with pytest.raises(ValueError, match="cards of one kind, and here are NVIDIA A10 and NVIDIA L4"):
        card_of(["NVIDIA L4", "NVIDIA A10"])
