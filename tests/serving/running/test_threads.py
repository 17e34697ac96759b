"""Work in threads: counted until it ends, whoever waits, and of any kind of failure."""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from maskdepth_tf.serving.running.threads import Threads
from tests.support import servers
from tests.support.servers import PATIENCE


@pytest.fixture
def threads():
    made = Threads(2, "tested")
    yield made
    made.close()


def test_results_and_failures(threads):
    def fail(error):
        raise error

    async def main():
        assert await threads.call(divmod, 7, 2) == (3, 1)
        for error in (KeyError("a"), ValueError("b"), MemoryError(), SystemExit(3)):
            with pytest.raises(type(error)):
                await threads.call(fail, error)
        # No future carries it; a generator makes the same of it.
        with pytest.raises(RuntimeError, match="StopIteration: 5"):
            await threads.call(fail, StopIteration(5))

    asyncio.run(main())
    servers.until(lambda: threads.pending() == 0)


def test_a_result_is_told_when_its_place_is_free(threads, monkeypatch):
    """Told before, one request would take two places of a queue."""
    told = []

    class Watched(Future):
        def set_result(self, result):
            told.append((result, threads.pending()))
            super().set_result(result)

        def set_exception(self, exception):
            told.append((type(exception), threads.pending()))
            super().set_exception(exception)

    monkeypatch.setattr("maskdepth_tf.serving.running.threads.Future", Watched)

    async def main():
        assert await threads.call(abs, -3) == 3
        with pytest.raises(TypeError):
            await threads.call(abs, "a")

    asyncio.run(main())
    assert told == [(3, 0), (TypeError, 0)]


def test_work_counts_until_it_ends_though_nobody_waits(threads):
    gate, begun = threading.Event(), threading.Semaphore(0)

    def wait():
        begun.release()
        return gate.wait(PATIENCE)

    async def main():
        tasks = [asyncio.create_task(threads.call(wait)) for _ in range(5)]
        for _ in range(2):
            assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE)
        assert threads.pending() == 5
        assert threads.are_held(0)
        assert not threads.are_held(PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
    assert threads.pending() == 5
    gate.set()
    # What had not begun does not any more.
    servers.until(lambda: threads.pending() == 0)
    assert not begun.acquire(blocking=False)
    assert not threads.are_held(0)


def test_one_free_thread_is_enough(threads):
    gate = threading.Event()

    async def main():
        held = asyncio.create_task(threads.call(gate.wait, PATIENCE))
        assert await threads.call(abs, -1) == 1
        assert not threads.are_held(0)
        gate.set()
        await held

    asyncio.run(main())
