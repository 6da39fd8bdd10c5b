"""What Axolotl's schema is told about the GPU that a recipe is meant for, and what of a file that GPU cannot do.

A card is named by its CUDA compute capability, such as sm_89 (Ada: RTX 4090, L4) or sm_90 (Hopper: H100). No GPU is
asked: at the start of a training Axolotl reads the same values off the machine (axolotl/cli/config.py).
"""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

NAME = re.compile(r"sm_(\d{2,3})")
AMPERE, HOPPER = 80, 90
# The first generation that each needs: bfloat16 (NVIDIA), FlashAttention 2 and 3 (their README).
FIRST_WITH = {"flash_attention_2": AMPERE, "flash_attention_3": HOPPER}


def generation(compute_capability: str) -> int:
    """The number in sm_NN. Raises ValueError for anything else."""
    name = NAME.fullmatch(compute_capability)
    if name is None:
        raise ValueError(f"no compute capability: {compute_capability!r}; expected one such as sm_89 (RTX 4090)")
    return int(name[1])


def capabilities(values: Mapping[str, Any], compute_capability: str) -> dict[str, dict[str, Any]]:
    """The two keys of Axolotl's `validate_config` for a machine with such cards, as many as the file asks for."""
    number = generation(compute_capability)
    card = {
        "bf16": number >= AMPERE,
        "fp8": number >= HOPPER,  # as Axolotl has it, although Ada has units for it
        "tf32": number >= AMPERE,
        "n_gpu": gpus(values),
        "compute_capability": compute_capability,
    }
    return {"capabilities": card, "env_capabilities": {"torch_version": version("torch").split("+")[0]}}


def gpus(values: Mapping[str, Any]) -> int:
    """How many GPUs the file is for: Ray's workers, 2 as the least where it shards a model, else 1."""
    if values.get("use_ray") and isinstance(workers := values.get("ray_num_workers", 1), int):
        return workers
    return 2 if values.get("fsdp_config") or values.get("deepspeed") else 1


def card_faults(values: Mapping[str, Any], compute_capability: str) -> Iterator[tuple[str, str]]:
    """What such a card cannot do, and Axolotl at most warns of: key and message."""
    number = generation(compute_capability)
    if number < AMPERE:
        for key in ("bf16", "bfloat16"):
            if values.get(key) not in (None, False, "auto"):
                yield key, f"needs sm_{AMPERE} or newer (given: {compute_capability}); use fp16: true"
    attention = values.get("attn_implementation")
    least = FIRST_WITH.get(str(attention))
    if least is not None and number < least:
        message = f"{attention} needs sm_{least} or newer (given: {compute_capability}); sdpa runs on every card"
        yield "attn_implementation", message
