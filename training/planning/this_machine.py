"""The device that a training on this machine gets: the names of its graphics cards, and the `Card` that a plan is for.

The names come from `nvidia-smi` and are CUDA's: PyTorch would open a context on the card, and that takes memory.
"""

import os
import shutil
import subprocess

from training.planning.cards import CARDS, CPU, Card, find_card
from training.planning.measure import same_card

PATIENCE = 10.0  # seconds; a driver that is asleep takes some


def may_have_gpus() -> bool:
    """Whether there may be a card for a process here: known at once, as no driver is asked."""
    return shutil.which("nvidia-smi") is not None and _chosen() != []


def visible_gpus() -> list[str]:
    """The names of the cards that a process may use here; none without an NVIDIA driver.

    Raises ValueError if the driver hangs, or CUDA_VISIBLE_DEVICES names a card that is not there.
    """
    if not may_have_gpus():
        return []
    asked = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"nvidia-smi gave no answer in {PATIENCE:g} s") from error
    if told.returncode != 0:
        return []
    cards = [line.split(", ", 2) for line in told.stdout.splitlines() if line.count(", ") >= 2]
    chosen = _chosen()
    return [name for _, _, name in cards] if chosen is None else [_named(one, cards) for one in chosen]


def _chosen() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES names; None where it is not set."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return None
    return [one.strip() for one in wanted.split(",") if one.strip() not in ("", "-1")]


def _named(wanted: str, cards: list[list[str]]) -> str:
    for index, uuid, name in cards:
        if wanted == index or (wanted.startswith("GPU-") and uuid.startswith(wanted)):
            return name
    there = ", ".join(index for index, _, _ in cards) or "none"
    raise ValueError(f"CUDA_VISIBLE_DEVICES names {wanted}, which nvidia-smi does not list (there: {there})")


def card_of(gpus: list[str]) -> Card:
    """The card of this name, or the processor without one. Raises ValueError for an unknown card, or for two kinds."""
    if not gpus:
        return find_card(CPU, None, None)
    if len(set(gpus)) > 1:
        raise ValueError(f"a plan is for cards of one kind, and here are {' and '.join(sorted(set(gpus)))}")
    for card in CARDS.values():
        if same_card(card, gpus[0]):
            return card
    raise ValueError(f"the plan does not know the card {gpus[0]}; known: {', '.join(sorted(CARDS))}")
