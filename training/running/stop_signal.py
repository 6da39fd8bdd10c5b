"""SIGTERM and Ctrl-C: remember them, so that the training saves a checkpoint and ends at the next moment it can."""

import ctypes
import signal
import sys
import threading
from types import FrameType
from typing import Literal

from training.running.clock import launching_process

PR_SET_PDEATHSIG = 1  # linux/prctl.h
ANSWERS = {
    "loading": "the training had not begun; nothing is lost",
    "training": "saving a checkpoint, then ending",
    "ending": "the trained model is being written; this ends by itself",
}


class StopSignal:
    """Which signal asked this process to stop, if one did. What it then does depends on the phase of the training."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.phase: Literal["loading", "training", "ending"] = "loading"

    def install(self) -> None:
        """Take over SIGTERM and SIGINT; Axolotl's handler for the latter saves no checkpoint and exits with 0.

        Where `accelerate launch` is the parent and dies of the signal, this process is told: it would go on alone.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # a Ray worker; Ray stops it
        signal.signal(signal.SIGTERM, self._remember)
        signal.signal(signal.SIGINT, self._remember)
        if launching_process() is not None and sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    @property
    def exit_code(self) -> int:
        """The exit code of a process that a signal ended, as shells count."""
        return 128 + (self.number or signal.SIGTERM)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            return
        self.number = number
        print(f"oneday: {signal.Signals(number).name}: {ANSWERS[self.phase]}", file=sys.stderr, flush=True)
        if self.phase == "loading":
            raise SystemExit(self.exit_code)
