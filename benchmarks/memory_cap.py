"""The benchmark's Axolotl plugin: caps PyTorch's memory before the model is loaded, logs each step with its tokens.

Named under `plugins` in the training files that `benchmarks.training_gpu` writes; the cap comes in the environment.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from oneday.files import write_json

GIB = 2**30
CAP = "ONEDAY_BENCHMARK_MEMORY_GIB"  # tells the plugin, in the training's process
STEPS_FILE = "benchmark.json"


@dataclass(frozen=True)
class StepLog:
    """What the plugin writes of a training, step by step; tokens are those of all micro-batches of the step."""

    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # of rows: what is not the padding token
    computed: list[int] = field(default_factory=list)  # padding included
    cap_share: float | None = None  # of the device's memory, what PyTorch might reserve
    allocator: str | None = None  # PYTORCH_ALLOC_CONF in the training's process


def __getattr__(name: str) -> Any:
    """The plugin's class, made when Axolotl asks for it: its base is slow to import."""
    if name == "MemoryCap":
        return _plugin_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _plugin_class() -> Any:
    from axolotl.integrations.base import BasePlugin
    from transformers import TrainerCallback

    class StepCallback(TrainerCallback):  # type: ignore[misc]  # transformers' class is untyped here
        """Closes each step of the log, and writes it at the end."""

        def __init__(self, steps: "StepCounter", folder: Path) -> None:
            self.steps, self.folder = steps, folder

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.steps.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.steps.end_step()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            write_json(self.folder / STEPS_FILE, asdict(self.steps.log))

    class MemoryCap(BasePlugin):  # type: ignore[misc]  # axolotl is untyped
        """Caps PyTorch's memory before the model is loaded; logs steps with their tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.steps = StepCounter()

        def pre_model_load(self, cfg: Any) -> None:
            import torch

            share = cap_memory(float(os.environ[CAP])) if CAP in os.environ and torch.cuda.is_available() else None
            log = replace(self.steps.log, cap_share=share, allocator=os.environ.get("PYTORCH_ALLOC_CONF"))
            self.steps.log = log

        def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[Any]:
            return [StepCallback(self.steps, Path(cfg.output_dir))]

        def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
            self.steps.watch(trainer)

    return MemoryCap


class StepCounter:
    """Counts the tokens of each step and takes its time. `log` is what was found."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now, self.log = now, StepLog()
        self.mark = 0.0
        self.tokens: Any = 0
        self.computed = 0

    def watch(self, trainer: Any) -> None:
        """See every batch that is trained on."""
        original, pad = trainer.training_step, trainer.processing_class.pad_token_id

        def counted(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self.tokens = self.tokens + (inputs["input_ids"] != pad).sum()  # stays where the batch is
            self.computed += inputs["input_ids"].numel()
            return original(model, inputs, *args, **kwargs)

        trainer.training_step = counted

    def begin(self) -> None:
        """The first step starts now."""
        self.mark = self.now()

    def end_step(self) -> None:
        """A step is done. Reading the count waits for the device, so that the time is that of finished work."""
        tokens = int(self.tokens)
        seconds, self.mark = self.now() - self.mark, self.now()
        self.log.seconds.append(seconds)
        self.log.tokens.append(tokens)
        self.log.computed.append(self.computed)
        self.tokens = self.computed = 0


def cap_memory(gib: float) -> float:
    """Let PyTorch reserve as much of the first device as a card of so many GiB would leave it; the share of the device.

    What is in use already, this process's CUDA context above all, is taken off. bitsandbytes' paged optimizer states
    are managed memory, which PyTorch does not count: they lie outside. Raises ValueError if nothing would be left.
    """
    import torch

    free, total = torch.cuda.mem_get_info(0)
    share = cap_share(gib, free, total, torch.cuda.memory_reserved(0))
    torch.cuda.set_per_process_memory_fraction(share, 0)
    print(f"benchmark: PyTorch may reserve {share * total / GIB:.2f} GiB of the {total / GIB:.2f} GiB", flush=True)
    return share


def cap_share(gib: float, free: int, total: int, reserved: int) -> float:
    """The share of a device of `total` bytes; `reserved` bytes of those in use are PyTorch's own."""
    left = gib * GIB - (total - free - reserved)
    if left <= 0:
        raise ValueError(f"a cap of {gib:g} GiB leaves nothing: {(total - free) / GIB:.2f} GiB are in use already")
    return min(1.0, left / total)
