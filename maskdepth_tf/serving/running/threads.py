"""Threads that work for an event loop, and for which the process does not wait."""

import asyncio
import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """A few daemon threads: work that never ends must not hold up the process's end.

    Args:
        count: How many there are.
        name: Theirs.
    """

    def __init__(self, count: int, name: str) -> None:
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._begun: dict[int, float] = {}
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True, name=name).start()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls a function in a thread and returns its result.

        Raises:
            Exception: What it raised; a RuntimeError for a StopIteration, which no
                future can carry.
        """
        future: Future = Future()
        with self._lock:
            self._pending += 1
        self._queue.put((future, function, arguments))
        return await asyncio.wrap_future(future)

    def pending(self) -> int:
        """Calls that wait or run, also those that nobody waits for any more."""
        return self._pending

    def are_held(self, seconds: float) -> bool:
        """Whether all threads have been in the same call for longer than this."""
        with self._lock:
            begun = list(self._begun.values())
        is_full = len(begun) == self._count
        return is_full and time.monotonic() - max(begun) > seconds

    def close(self) -> None:
        """Ends the threads, each after the call that it is in."""
        for _ in range(self._count):
            self._queue.put(None)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            future, function, arguments = task
            settle = None
            try:
                if future.set_running_or_notify_cancel():
                    settle = self._run(future, function, arguments)
            finally:
                with self._lock:
                    self._pending -= 1
            # Not before: whoever waits may count on its place at once.
            if settle:
                settle()

    def _run(self, future, function, arguments) -> Callable[[], None]:
        """Calls the function; answers with what tells the future."""
        own = threading.get_ident()
        with self._lock:
            self._begun[own] = time.monotonic()
        try:
            return functools.partial(future.set_result, function(*arguments))
        except StopIteration as error:
            failure = RuntimeError(f"StopIteration: {error}")
            return functools.partial(future.set_exception, failure)
        except BaseException as error:
            return functools.partial(future.set_exception, error)
        finally:
            with self._lock:
                del self._begun[own]
