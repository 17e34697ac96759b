"""Processes that share a long piece of work, and how far it is.

All of them hold the same state, such as a composer or an open data set: each makes it
once, before its first piece of work, and every piece of work gets it first.
"""

import collections
import contextlib
import functools
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cv2
from rich import console, progress

from maskdepth_tf import startup
from maskdepth_tf.errors import StateError

CHUNK = 64
"""Items of one piece of work, in `Pool.map_chunks`."""
LOG_SECONDS = 10.0
"""Time between two lines of progress where stderr is no terminal [s]."""
_AHEAD = 64


class Pool:
    """Those who do the work.

    Args:
        executor: Processes of `pool`, or threads; None for this thread alone.
        state: What the work gets first; the processes of `pool` have their own.
    """

    def __init__(self, executor: Executor | None, state: Any = None) -> None:
        self._executor, self._state = executor, state

    def submit(self, work: Callable, *arguments: Any) -> Future:
        """Begins `work(state, *arguments)`; without an executor, also ends it."""
        if isinstance(self._executor, ProcessPoolExecutor):
            return self._executor.submit(_work, work, *arguments)
        if self._executor is not None:
            return self._executor.submit(work, self._state, *arguments)
        future: Future = Future()
        future.set_result(work(self._state, *arguments))
        return future

    def in_order(self, work: Callable, pieces: Iterable) -> Iterator:
        """Does `work(state, piece)` for all pieces.

        Yields:
            The results in the pieces' order; few of them wait in memory.
        """
        ahead = 0 if self._executor is None else _AHEAD
        begun: collections.deque[Future] = collections.deque()
        try:
            for piece in pieces:
                begun.append(self.submit(work, piece))
                if len(begun) > ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            # After an error nobody wants the others.
            for future in begun:
                future.cancel()

    def map_chunks(
        self, work: Callable[..., list], items: Sequence, name: str, unit: str
    ) -> Iterator:
        """Does work that takes a few items at once, with progress on stderr.

        Args:
            work: From the state and a few items to as many results.
            items: What is to be done.
            name: What is being done.
            unit: What an item is called, in the plural.

        Yields:
            One result an item, in their order.
        """
        chunks = [items[i : i + CHUNK] for i in range(0, len(items), CHUNK)]
        with track(name, len(items), unit) as advance:
            for results in self.in_order(work, chunks):
                yield from results
                advance(len(results))

    def run(self, work: Callable, jobs: Mapping[tuple, int], name: str, unit: str):
        """Does all jobs, in any order, with progress on stderr.

        Args:
            work: Called with the state and the arguments of each job.
            jobs: Arguments of each job -> how many items it makes.
            name: What is being done.
            unit: What an item is called, in the plural.

        Returns:
            Results, in the jobs' order.
        """
        with track(name, sum(jobs.values()), unit) as advance:
            if self._executor is None:
                results = []
                for job, count in jobs.items():
                    results.append(work(self._state, *job))
                    advance(count)
                return results
            counts = {self.submit(work, *job): jobs[job] for job in jobs}
            for future in as_completed(counts):
                future.result()
                advance(counts[future])
            return [future.result() for future in counts]


def _as_it_is(state) -> Any:
    return state


@contextlib.contextmanager
def pool(
    num_workers: int, state: Any = None, prepare: Callable = _as_it_is
) -> Iterator[Pool]:
    """Starts processes, and ends them whatever happens.

    Args:
        num_workers: Processes.
        state: What they hold; it is pickled.
        prepare: Makes of it what the work gets, in each process before its first
            piece of work; an error that it raises is that of all work.

    Yields:
        The pool; work that is still waiting when the body ends is dropped.

    Raises:
        StateError: If a process was ended from outside.
    """
    # spawn: a fork of a process that runs TensorFlow's threads may hang.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(num_workers, context, _start, (state, prepare))
    try:
        yield Pool(executor)
    except BrokenProcessPool as error:
        raise StateError(
            "a worker process was ended from outside, perhaps for want of memory; "
            "try fewer --workers"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def pool_or_here(
    num_workers: int, state: Any = None, prepare: Callable = _as_it_is
) -> contextlib.AbstractContextManager[Pool]:
    """Starts processes as `pool` does; one worker is this process itself."""
    if num_workers == 1:
        return contextlib.nullcontext(Pool(None, prepare(state)))
    return pool(num_workers, state, prepare)


def with_tensorflow(state: Any) -> Any:
    """Loads TensorFlow into this process, for `pool` to prepare it; the same state."""
    startup.load_tensorflow()
    return state


_state: Callable | None = None
"""Returns the state of this process, if it is one of `pool`'s."""


def _start(state, prepare) -> None:
    """Prepares a process of `pool`."""
    # Ctrl-C reaches the whole group; the main process alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # One core a process, and no part of a GPU, should the work need TensorFlow.
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    cv2.setNumThreads(1)
    global _state
    _state = functools.cache(functools.partial(prepare, state))


def _work(work, *arguments) -> Any:
    if _state is None:
        raise RuntimeError("this process is none of a pool")
    return work(_state(), *arguments)


def _end_with_parent() -> None:
    """Ends a worker whose main process was killed; it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def track(name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """Shows progress on stderr while the body runs, with rate and time left.

    In a terminal it is a bar; in a log, a line now and then and one at the end.

    Args:
        name: What is being done.
        total: Items to do; None if nobody knows.
        unit: What an item is called, in the plural.

    Yields:
        A function that takes the number of items done since its last call.
    """
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn(f"{unit}, {{task.fields[rate]:.0f}}/s"),
        progress.TimeRemainingColumn(),
    )
    is_log = not sys.stderr.isatty()
    start = last = time.monotonic()
    done, rate = 0, 0.0

    def report() -> None:
        left, of = "no time known", "" if total is None else f" of {total}"
        if rate and total is not None:
            left = f"{max(0, total - done) / rate:.0f} s left"
        line = f"{name}: {done}{of} {unit}, {rate:.0f}/s, {left}"
        print(line, file=sys.stderr, flush=True)

    def advance(count: int) -> None:
        nonlocal done, rate, last
        now = time.monotonic()
        done += count
        rate = done / max(now - start, 1e-9)
        bar.update(task, completed=done, rate=rate)
        if is_log and now - last >= LOG_SECONDS:
            last = now
            report()

    console_of_bar = console.Console(stderr=True)
    with progress.Progress(*columns, console=console_of_bar, disable=is_log) as bar:
        task = bar.add_task(name, total=total, rate=rate)
        yield advance
    if is_log:
        report()


@contextlib.contextmanager
def track_in_json(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Tells progress on stdout while the body runs, for machines, as `track` does.

    A line about each second and one at the end: a JSON object with `event`, `done`,
    `total`, `rate` (a second) and `seconds_left`; null is what nobody knows.
    """
    start = last = time.monotonic()
    done = 0

    def report() -> None:
        rate = done / max(time.monotonic() - start, 1e-9)
        left = None if total is None or not rate else max(0, total - done) / rate
        told = {"event": name, "done": done, "total": total, "rate": round(rate, 3)}
        told["seconds_left"] = left if left is None else round(left, 1)
        print(json.dumps(told), flush=True)

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= 1:
            last = now
            report()

    yield advance
    report()
