"""The processes of one training: which is the first, how all come to one decision, and how they end."""

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

PARENT = "ONEDAY_PARENT"  # set by who starts a process: the process to end with


class Refused(SystemExit):
    """A training that must not go on: ends the process with exit code 1 and the message, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Error: {message}")


def end_process(code: int) -> NoReturn:
    """End now. Exit handlers (trackers, logs) are run, but the interpreter is not taken apart.

    That would take five seconds with all that Axolotl imports, and more on a machine that is slow: time that a deadline
    or a SIGKILL behind a SIGTERM does not give.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def watch_parent() -> None:
    """End this process when the one that started it, and named itself in the environment, is gone.

    Nobody is left to stop an orphan.
    """
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while True:
            try:
                os.kill(int(parent), 0)
            except ProcessLookupError:
                os._exit(1)
            time.sleep(1)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def first_process() -> bool:
    """Whether this process does what is done once: rank 0 of all machines."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def first_on_machine() -> bool:
    """Whether this process does what is done once on each machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def agreed(values: Sequence[float]) -> list[float]:
    """The largest of each value over all processes, the same in each of them. All processes must call it together."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return list(values)
    import torch

    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    shared = torch.tensor(list(values), dtype=torch.float64, device=device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return [float(value) for value in shared.tolist()]
