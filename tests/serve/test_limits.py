import asyncio
import threading
import time

import pytest

from serve.limits import LONGEST_RETRY, Admission, TextThreads, deadline
from serve.refusals import Refused


def test_completions_beyond_the_places_get_503_with_a_time_to_retry() -> None:
    admission = Admission(places=3)
    with admission.hold(1), admission.hold(2), pytest.raises(Refused) as refused, admission.hold(1):
        pass
    assert (refused.value.status, refused.value.reason, refused.value.retry_after) == (503, "queue_full", 1)
    assert refused.value.response().headers["retry-after"] == "1"
    assert admission.in_flight == 0


def test_a_place_is_free_again_whatever_ends_the_request() -> None:
    admission = Admission(places=1)
    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error), admission.hold(1):
            raise error
    with admission.hold(1):
        assert admission.in_flight == 1


def test_the_time_to_retry_follows_what_requests_take(monkeypatch: pytest.MonkeyPatch) -> None:
    admission, now = Admission(places=1), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(100):
        with admission.hold(1):
            now += 7.5
    assert admission.retry_after == 8
    for _ in range(100):
        with admission.hold(1):
            now += 1000
    assert admission.retry_after == LONGEST_RETRY


def test_nothing_is_let_in_after_a_stop_and_what_is_in_goes_on() -> None:
    admission = Admission(places=5)
    with admission.hold(1):
        admission.stop()
        with pytest.raises(Refused) as refused, admission.hold(1):
            pass
        assert (refused.value.status, refused.value.reason) == (503, "stopping")
        assert admission.in_flight == 1


def test_work_in_threads_leaves_the_event_loop_free_and_more_than_the_places_are_refused() -> None:
    async def run() -> None:
        threads, done = TextThreads(threads=1, places=2), threading.Event()
        waiting = [asyncio.create_task(threads.run(done.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Refused) as refused:
            await threads.run(int, "5")
        assert (refused.value.status, refused.value.reason, refused.value.retry_after) == (503, "texts_full", 1)
        done.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await threads.run(int, "5") == 5
        threads.close()

    asyncio.run(run())


def test_errors_in_a_thread_come_to_the_caller_and_free_its_place() -> None:
    async def run() -> None:
        threads = TextThreads(threads=1, places=1)
        for _ in range(3):
            with pytest.raises(ValueError, match="invalid literal"):
                await threads.run(int, "x")
        assert threads.in_flight == 0
        threads.close()

    asyncio.run(run())


def test_what_is_over_its_deadline_is_cancelled_and_gets_504() -> None:
    cancelled = False

    async def run() -> None:
        nonlocal cancelled
        try:
            async with deadline(0.01):
                await asyncio.sleep(10)
        except Refused as refused:
            cancelled = (refused.status, refused.reason) == (504, "deadline")
        async with deadline(10):
            await asyncio.sleep(0)

    asyncio.run(run())
    assert cancelled
