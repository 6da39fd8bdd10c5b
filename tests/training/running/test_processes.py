"""One decision for all processes of a training."""

import subprocess
import sys
from pathlib import Path

import pytest

from training.running.processes import Refused, agreed, first_process


def test_alone_a_process_agrees_with_itself() -> None:
    assert agreed([1, 0.25]) == [1, 0.25]


def test_the_first_process_is_rank_0_of_all_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not first_process()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert first_process()
    monkeypatch.setenv("RANK", "8")  # the first of the second machine
    assert not first_process()


def test_a_refusal_ends_the_process_with_code_1_and_the_message_alone() -> None:
    code = "from training.running.processes import Refused; raise Refused('the reason')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: the reason\n")
    assert isinstance(Refused("x"), SystemExit)


@pytest.mark.slow
def test_two_processes_agree_on_the_largest_of_each(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        "import sys, torch.distributed as dist\n"
        "from pathlib import Path\n"
        "from training.running.processes import agreed\n"
        "dist.init_process_group('gloo')\n"
        "rank = dist.get_rank()\n"
        "Path(sys.argv[1], f'{rank}.txt').write_text(str(agreed([float(rank == 1), 0.5 - rank])))\n"
        "dist.destroy_process_group()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    done = subprocess.run(
        [*command, str(script), str(tmp_path)], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)] == ["[1.0, 0.5]"] * 2
