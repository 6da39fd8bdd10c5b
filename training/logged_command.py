"""Run a long command with its output in a log file, and show the log's end when it fails."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from oneday.console import library_environment
from oneday.stage import StageError
from training.running.processes import PARENT


def run_logged(command: Sequence[str], log: Path, watch: Callable[[], object], what: str) -> None:
    """Run a command with its output in a log file; on Ctrl-C it is stopped with all that it started.

    `watch` is called every half second. Raises StageError with the end of the log if it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | library_environment() | {PARENT: str(os.getpid()), "AXOLOTL_LOG_LEVEL": "INFO"}
    with log.open("w", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    watch()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        advice = "Once the cause is mended, run the same command again."
        raise StageError(failure(what, process.returncode, log, advice))


def failure(what: str, code: int, log: Path, advice: str) -> str:
    """What is known about a failed command, the last lines of its log included."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    last = "\n".join(f"  | {line}" for line in text.splitlines()[-12:])
    if "No space left on device" in text or shutil.disk_usage(log.parent).free < 2**20:
        reason = "no space left on the disk"  # which may have cut the log off too
    elif code < 0:
        reason = f"it was ended by {signal.Signals(-code).name} (out of memory, if nobody sent it)"
    else:
        reason = f"exit code {code}"
    return f"{what} failed: {reason}. The end of {log}:\n{last}\n{advice}"
