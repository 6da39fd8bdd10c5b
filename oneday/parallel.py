"""Spread work over the processors: one function, many items, results in the order of the items."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from oneday.machine import processors
from oneday.stage import StageError

Item = TypeVar("Item")
Result = TypeVar("Result")
FEW = 4  # below this many items, starting processes takes longer than the work


def map_processes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int | None = None
) -> Iterator[Result]:
    """`work(item)` for each item, in order, in as many processes as there are processors.

    `work` must be a module's function (or a `functools.partial` of one) and the results small: both travel between
    processes. An exception of `work` ends the whole; items that have not started are given up.
    """
    count = min(processors() if workers is None else workers, len(items))
    if count < 2 or (workers is None and len(items) < FEW):
        yield from map(work, items)
        return
    started: dict[str, Any] = {"initializer": _start, "initargs": (os.getpid(),)}
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), **started) as pool:
        try:
            yield from pool.map(work, items)
        except BrokenProcessPool as error:
            raise StageError(
                "a process was ended from outside, most likely because the memory was full; free some, or allow fewer "
                "processors (taskset -c 0 python ...), and run again"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start(parent: int) -> None:
    """Make a process end with its parent: Ctrl-C is for the parent alone, and a killed parent cannot end the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
