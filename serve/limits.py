"""What keeps the server up under load: places for completions, threads for tokenisation, a deadline."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from serve.refusals import Refused

LONGEST_RETRY = 60  # seconds; a client that is told to wait for longer may take the server for dead
WEIGHT = 0.1  # of the newest request in the mean time that a request takes
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Admission:
    """Counts the completions that are worked on or wait. More than `places` get 503, and so does all after `stop`.

    `uploads`: the time limits of bodies that are still coming.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.in_flight = 0
        self.stopping = False
        self.uploads: set[asyncio.Timeout] = set()
        self._mean_seconds = 1.0

    def stop(self) -> None:
        """Refuse new requests; those that are in work go on."""
        self.stopping = True

    def end_uploads(self) -> None:
        """Stop, and wait for no body any longer. To be called in the event loop."""
        self.stop()
        for limit in self.uploads:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())

    def check_running(self) -> None:
        """Refused (503) once the server is told to stop."""
        if self.stopping:
            raise Refused(503, "stopping", "the server is stopping", self.retry_after)

    @property
    def retry_after(self) -> int:
        """Whole seconds after which a place should be free: as long as a request has taken of late."""
        return min(max(math.ceil(self._mean_seconds), 1), LONGEST_RETRY)

    @contextmanager
    def hold(self, completions: int) -> Iterator[None]:
        """Hold as many places. Refused (503) with a time to retry after if they are not free."""
        self.check_running()
        if self.in_flight + completions > self.places:
            message = f"{self.in_flight} of {self.places} places are taken; try again in {self.retry_after} s"
            raise Refused(503, "queue_full", message, self.retry_after)
        self.in_flight += completions
        started = time.monotonic()
        try:
            yield
        finally:
            self.in_flight -= completions
            self._mean_seconds += WEIGHT * (time.monotonic() - started - self._mean_seconds)


class TextThreads:
    """Threads that tokenise, so that a long text does not stall the event loop. More than `places` calls get 503."""

    def __init__(self, threads: int, places: int) -> None:
        self.places = places
        self.in_flight = 0
        self._pool = ThreadPoolExecutor(threads, "text")

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """The result of `work` in a thread. Refused (503) if too many calls wait already."""
        if self.in_flight >= self.places:
            raise Refused(503, "texts_full", f"{self.in_flight} texts are in work; try again in 1 s", retry_after=1)
        self.in_flight += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))
        finally:
            self.in_flight -= 1

    def close(self) -> None:
        """Let the threads end; work that has not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Cancel what is inside after so many seconds and refuse it (504)."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Refused(504, "deadline", f"the request took longer than the {seconds:g} s allowed") from None
