"""The NVIDIA device and the packages that a training needs: nvidia-smi's word, the peak of memory, what is absent."""

import importlib.util
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory_cap import GIB
from oneday.config import Document
from oneday.stage import StageError

if TYPE_CHECKING:
    from training.planning.cards import Card

IDLE = 1.0  # GiB that other programs may hold of the device, at the most
NEEDED = ("accelerate", "axolotl", "bitsandbytes", "datasets", "mistral_common", "peft", "safetensors", "sentencepiece")
ALSO_NEEDED = ("tokenizers", "torch", "transformers", "triton")
LIGER_PACKAGE = "liger_kernel"
# What needs neither the flash-attn package nor its kernel from the hub. No row here reaches the window of 4,096.
WITHOUT_FLASH: dict[str, Any] = {
    "attn_implementation": "sdpa",
    "overrides_of_model_config": {"sliding_window": None},
}
DISK = 30 * GIB  # the weights, and the checkpoints of one training


@dataclass(frozen=True)
class Gpu:
    """What nvidia-smi says of the device. GiB."""

    name: str
    driver: str
    memory_gib: float
    used_gib: float


def absent_packages(recipes: Sequence[Document]) -> list[str]:
    """What the trainings import and this Python does not have."""
    liger = any("LigerPlugin" in str(name) for recipe in recipes for name in recipe.values.get("plugins", []))
    names = sorted([*NEEDED, *ALSO_NEEDED, *([LIGER_PACKAGE] if liger else [])])
    return [name for name in names if importlib.util.find_spec(name) is None]


def has_flash_attention() -> bool:
    """Whether the flash-attn package, or its kernel in the hub's cache, can be loaded."""
    if importlib.util.find_spec("flash_attn") is not None:
        return True
    if importlib.util.find_spec("axolotl") is None or importlib.util.find_spec("kernels") is None:
        return False
    from axolotl.monkeypatch.attention.fa2_hub_kernel import is_fa2_hub_kernel_available

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the hub is out of reach
        return bool(is_fa2_hub_kernel_available())


def attention_keys(recipes: Sequence[Document], flash: bool) -> dict[str, Any]:
    """The keys to change in all recipes, if one of them wants a flash attention that is not there."""
    wanted = any("flash" in str(recipe.values.get("attn_implementation")) for recipe in recipes)
    return dict(WITHOUT_FLASH) if wanted and not flash else {}


def require_cuda(recipes: Sequence[Document]) -> None:
    """Raises StageError, in one line, if there is no CUDA device, a package is absent or the disk is full."""
    absent = absent_packages(recipes)
    lacks = f"; also absent: the packages {', '.join(absent)}" if absent else ""
    if "torch" in absent or not _has_cuda():
        raise StageError(
            "no CUDA device: this needs an NVIDIA GPU that PyTorch can use, of the Ampere generation or newer and with "
            f"24 GiB or more{lacks}. Nothing was measured; --dry-run shows what would run"
        )
    if absent:
        raise StageError(f"absent: the packages {', '.join(absent)}. Nothing was measured; install them first")


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def read_gpu() -> Gpu:
    """The device as nvidia-smi sees it. Raises StageError if nvidia-smi does not answer."""
    query = "--query-gpu=name,driver_version,memory.total,memory.used"
    try:
        answer = subprocess.run([*_smi(), query], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise StageError(f"nvidia-smi does not answer, and the device's memory is read with it: {error}") from error
    name, driver, total, used = (part.strip() for part in answer.strip().splitlines()[0].split(","))
    return Gpu(name, driver, float(total) / 1024, float(used) / 1024)


def _smi() -> list[str]:
    """nvidia-smi for the device that PyTorch calls the first; numbers are MiB."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] or "0"
    return ["nvidia-smi", f"--id={device}", "--format=csv,noheader,nounits"]


@contextmanager
def watched_memory(path: Path, enabled: bool) -> Iterator[Callable[[], float | None]]:
    """Write the memory in use on the device to a file five times a second; yields the function that reads the peak.

    GiB, of all that is on the device: context, paged optimizer states and other programs too.
    """
    if not enabled:
        yield lambda: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        process = subprocess.Popen([*_smi(), "--query-gpu=memory.used", "--loop-ms=200"], stdout=file)
        try:
            yield lambda: peak_of(path.read_text())
        finally:
            process.terminate()
            process.wait()


def peak_of(text: str) -> float | None:
    """The largest of the whole lines, MiB -> GiB; None if there is none."""
    values = [float(line) for line in text.splitlines() if line.strip().isdigit()]
    return max(values) / 1024 if values else None


def card_for(gpu: Gpu | None, name: str | None) -> "Card | None":
    """The card that the plan is asked about: the named one, else the one at hand; None without either.

    Raises ValueError if the name is not known, or the device's is not and none is given.
    """
    from training.planning.cards import CARDS, find_card
    from training.planning.measure import same_card

    if name is not None:
        return find_card(name, None, None)
    if gpu is None:
        return None
    for card in CARDS.values():
        if same_card(card, gpu.name):
            return card
    raise ValueError(f"the plan knows no card {gpu.name!r}; name the nearest with --gpu ({', '.join(sorted(CARDS))})")


def idle_gpu(out: Path) -> Gpu:
    """The device. Raises StageError if other programs hold much of it, or the disk has no room for the weights."""
    gpu = read_gpu()
    if gpu.used_gib > IDLE:
        raise StageError(f"{gpu.used_gib:.1f} GiB of {gpu.name} are in use; nothing was measured: end what runs there")
    there = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.exists())
    weights = out / "model" / "model.safetensors.index.json"
    if not weights.is_file() and shutil.disk_usage(there).free < DISK:
        raise StageError(f"{out}: weights and checkpoints need {DISK / GIB:.0f} GiB of disk; name another --out")
    return gpu
