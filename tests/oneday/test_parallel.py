"""Processes end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import sys, time
from oneday.parallel import map_processes
from pathlib import Path

def work(path):
    import os
    Path(path).write_text(str(os.getpid()))
    time.sleep(120)

if __name__ == "__main__":
    list(map_processes(work, [sys.argv[1] + str(n) for n in range(2)], 2))
"""


@pytest.mark.slow
def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "pid")], env=environment)
    files = [tmp_path / f"pid{n}" for n in range(2)]
    deadline = time.monotonic() + 60
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workers = [int(file.read_text()) for file in files]
    while any(psutil.pid_exists(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.2)
