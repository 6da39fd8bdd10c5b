"""Prediction on a Ray cluster: the same answers, also when a worker dies. A real cluster of two nodes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from data_prep.collect import STAGE as COLLECT
from data_prep.predict import predict_stage
from oneday.stage import StageError, execute
from serve.batch import BLANK_LINE, Group
from serve.cluster import answer_on_ray
from serve.engine import EngineChoice, load_engine

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytestmark = pytest.mark.slow

LOAD = partial(load_engine, batch_size=4)
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes, one processor each."""
    port = 6400 + os.getpid() % 500
    folder = tempfile.mkdtemp(prefix="ray")  # pytest's is too long for the names of Ray's sockets
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_MULTI_TENANCY": "1", "OMP_NUM_THREADS": "1"}
    # A head takes up the token that the user has for clusters of his own, a second node does not.
    environment = os.environ | settings | {"RAY_AUTH_MODE": "disabled"}
    small = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
    head = [*RAY, "start", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}", *small]
    node = [*RAY, "start", f"--address=127.0.0.1:{port}", *small]
    try:
        for command in (head, node):
            subprocess.run(command, check=True, env=environment, capture_output=True, timeout=180)
        yield f"127.0.0.1:{port}"
    finally:  # of a node that does not start, too: the head would go on
        subprocess.run([*RAY, "stop", "--force"], check=False, env=environment, capture_output=True, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def groups(task: int) -> list[Group]:
    ids = [f"{task}-{number}" for number in range(8)]
    prompts = [f"### Instruction:\nSay it.\n\n### Input:\n{task} of {id}\n\n### Response:\n" for id in ids]
    return [Group(f"task{task}", ids, prompts, 24)]


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::Worker" in part for part in process.info["cmdline"] or []):
            found.append(process)
    return found


def kill_one(killed: list[int] | None = None) -> None:
    """Kill the first worker that is seen at work."""
    for _ in range(1200):
        busy = [process for process in workers() if "answer" in " ".join(process.cmdline())]
        if busy:
            os.kill(busy[0].pid, signal.SIGKILL)
            if killed is not None:
                killed.append(busy[0].pid)
            return
        time.sleep(0.05)


def test_a_cluster_gives_what_one_process_gives_although_a_worker_is_killed(cluster: str, tiny_model_dir: Path) -> None:
    tasks = 30
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(killed,))
    killer.start()
    work = ((task, groups(task)) for task in range(tasks))
    found = dict(answer_on_ray(work, cluster, EngineChoice(), str(tiny_model_dir), LOAD))
    killer.join()
    assert killed
    assert sorted(found) == list(range(tasks))
    engine = LOAD(EngineChoice(), str(tiny_model_dir))
    for task in range(tasks):
        (group,) = groups(task)
        batches = engine.generate(group.prompts, group.max_new_tokens, BLANK_LINE)
        expected = {(group.name, group.ids[place]): text for batch in batches for place, text in batch}
        assert found[task] == expected


def test_an_address_without_a_cluster_is_named(tiny_model_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"--ray 127\.0\.0\.1:1: no Ray cluster answers there"):
        next(answer_on_ray(iter([("a", groups(1))]), "127.0.0.1:1", EngineChoice(), str(tiny_model_dir), LOAD))


def test_nothing_to_do_asks_no_cluster(tiny_model_dir: Path) -> None:
    assert list(answer_on_ray(iter([]), "127.0.0.1:1", EngineChoice(), str(tiny_model_dir), LOAD)) == []


def test_an_error_in_a_worker_is_told_with_its_cause(cluster: str) -> None:
    with pytest.raises(StageError, match=r"failed in the work on a: .*/nowhere"):
        next(answer_on_ray(iter([("a", groups(1))]), cluster, EngineChoice(), "/nowhere", LOAD))


def test_work_that_keeps_killing_its_worker_is_named(
    cluster: str, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.cluster.RETRIES", 0)
    killer = threading.Thread(target=kill_one)
    killer.start()
    work = ((task, groups(task)) for task in range(30))
    with pytest.raises(StageError, match=r"the work on \d+ has lost its worker 1 times"):
        list(answer_on_ray(work, cluster, EngineChoice(), str(tiny_model_dir), LOAD))
    killer.join()


def test_the_stage_predict_writes_the_same_files_with_a_cluster(
    cluster: str, recipe: "RecipeFolder", tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe.use_model(tiny_model_dir)
    recipe.edit(
        "data.yaml",
        collect__tasks=["piqa", "asdiv"],
        collect__max_instances_per_task=6,
        predict__max_new_tokens={"exact_match": 2, "generation": 5},
    )
    loaded = recipe.load()
    outputs = []
    for name, ray in (("here", None), ("cluster", cluster)):
        execute(COLLECT, loaded, tmp_path / name, announce=print)
        report = execute(predict_stage(EngineChoice(), ray), loaded, tmp_path / name, announce=print)
        assert report.counts["predictions"] == 12
        outputs.append(report.outputs)
    assert outputs[0] == outputs[1]
