"""The graphics cards that a training can be planned for: memory, speed, bandwidth. Name -> `Card`, or an error.

Speeds are the makers' peaks for dense matrices (half of what is advertised with sparsity); what of them a training
reaches is in `hours`. Memory is what the card is sold with; what its driver keeps back is in `memory`.
"""

import time
from dataclasses import dataclass, replace

from oneday import machine

CPU = "cpu"


@dataclass(frozen=True)
class Card:
    """One device. TFLOP/s: `bf16` accumulates in float32, `fp32` is without tensor cores. `bandwidth` is in GB/s."""

    name: str
    memory_gib: float
    bf16: float
    fp32: float
    bandwidth: float
    source: str
    device_name: str = ""  # how CUDA's own name of the device ends, to match a measurement

    @property
    def is_cpu(self) -> bool:
        """Whether this is the machine's processor."""
        return self.name == CPU


AMPERE = "NVIDIA Ampere GA102 architecture white paper"
ADA = "NVIDIA Ada GPU architecture white paper"
BLACKWELL = "NVIDIA RTX Blackwell GPU architecture white paper"
# Cards with GDDR6 and error correction, which is on by default and takes a sixteenth of the memory sold.
CHECKED = 15 / 16
A100, H100 = "NVIDIA A100 data sheet", "NVIDIA H100 data sheet"
CARDS = {
    card.name: card
    for card in (
        Card("rtx3090", 24, 71.0, 35.6, 936, AMPERE, "RTX 3090"),
        Card("rtx4080", 16, 97.5, 48.7, 717, ADA, "RTX 4080"),
        Card("rtx4090", 24, 165.2, 82.6, 1008, ADA, "RTX 4090"),
        Card("rtx5090", 32, 209.5, 104.8, 1792, BLACKWELL, "RTX 5090"),
        Card("a10", 24 * CHECKED, 125.0, 31.2, 600, "NVIDIA A10 data sheet", "A10"),
        Card("a6000", 48, 154.8, 38.7, 768, "NVIDIA RTX A6000 data sheet", "RTX A6000"),
        Card("l4", 24 * CHECKED, 121.0, 30.3, 300, "NVIDIA L4 data sheet", "L4"),
        Card("l40s", 48 * CHECKED, 362.0, 91.6, 864, "NVIDIA L40S data sheet", "L40S"),
        Card("a100-40gb", 40, 312.0, 19.5, 1555, A100, "A100-SXM4-40GB"),
        Card("a100-80gb", 80, 312.0, 19.5, 2039, A100, "A100-SXM4-80GB"),
        Card("h100", 80, 989.0, 67.0, 3350, f"{H100} (SXM)", "H100 80GB HBM3"),
        Card("h100-pcie", 80, 756.0, 51.0, 2000, f"{H100} (PCIe)", "H100 PCIe"),
        Card("h200", 141, 989.0, 67.0, 4800, "NVIDIA H200 data sheet (SXM)", "H200"),
    )
}


def find_card(name: str | None, memory_gb: float | None, tflops: float | None) -> Card:
    """The named card with memory (GiB) and speed (TFLOP/s) replaced where given; without a name both must be given.

    `cpu` is this machine, its speed measured. Raises ValueError that lists the cards.
    """
    for option, value in (("--memory-gb", memory_gb), ("--tflops", tflops)):
        if value is not None and value <= 0:
            raise ValueError(f"{option} must be above 0 (given: {value:g})")
    if name is None:
        if memory_gb is None or tflops is None:
            raise ValueError(f"name a card with --gpu ({_allowed()}), or give both --memory-gb and --tflops")
        return Card("as given", memory_gb, tflops, tflops, 0, "the command line")
    if name == CPU:
        card = _this_processor(tflops)
    elif name in CARDS:
        card = CARDS[name]
    else:
        message = f"--gpu {name} is not known; allowed: {_allowed()}. For another, give --memory-gb and --tflops"
        raise ValueError(message)
    if memory_gb is not None:
        card = replace(card, memory_gib=memory_gb)
    return card if tflops is None else replace(card, bf16=tflops, fp32=tflops)


def _allowed() -> str:
    return ", ".join([*sorted(CARDS), CPU])


def _this_processor(tflops: float | None) -> Card:
    """The processor of this machine: its memory, and the speed of one matrix product in float32."""
    speed = _measured_tflops() if tflops is None else tflops
    memory = float(machine.describe()["memory_gib"])
    return Card(CPU, memory, speed, speed, 0, "measured on this machine")


def _measured_tflops(size: int = 1024, rounds: int = 5) -> float:
    """TFLOP/s of the fastest of a few products of two square matrices in float32."""
    import torch

    one, other = torch.rand(size, size), torch.rand(size, size)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        torch.mm(one, other)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times) / 1e12
