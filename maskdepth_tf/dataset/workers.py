"""Processes that share a long piece of work."""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from maskdepth_tf.dataset import progress
from maskdepth_tf.errors import StateError

CHUNK = 64
"""Items of one piece of work, in `map_chunks`."""
_AHEAD = 64


@contextlib.contextmanager
def pool(
    num_workers: int, prepare: Callable | None = None, arguments: tuple = ()
) -> Iterator[ProcessPoolExecutor]:
    """Starts processes, and ends them whatever happens.

    Args:
        num_workers: Processes.
        prepare: Called in each before its first piece of work.
        arguments: What `prepare` is given.

    Yields:
        The pool; work that is still waiting when the body ends is dropped.

    Raises:
        StateError: If a process was ended from outside.
    """
    # spawn: a fork of a process that runs TensorFlow's threads may hang.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(num_workers, context, _start, (prepare, arguments))
    try:
        yield executor
    except BrokenProcessPool as error:
        raise StateError(
            "a worker process was ended from outside, perhaps for want of memory; "
            "try fewer --workers"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def in_order(executor: Executor | None, work: Callable, pieces: Iterable) -> Iterator:
    """Results of all pieces of work, in their order, of which few wait in memory.

    Args:
        executor: Who does the work; this process if None.
        work: From a piece to its result.
        pieces: What is to be done.
    """
    if executor is None:
        yield from map(work, pieces)
        return
    begun: collections.deque = collections.deque()
    try:
        for piece in pieces:
            begun.append(executor.submit(work, piece))
            if len(begun) > _AHEAD:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        # After an error nobody wants the others.
        for future in begun:
            future.cancel()


def map_chunks(
    executor: ProcessPoolExecutor | None,
    work: Callable[..., list],
    items: Sequence,
    name: str,
    unit: str,
) -> Iterator:
    """Results of all items, in their order, with progress on stderr.

    Args:
        executor: Who does the work; this process if None.
        work: From a few items to as many results.
        items: What is to be done.
        name: What is being done.
        unit: What an item is called, in the plural.

    Yields:
        One result an item.
    """
    chunks = [items[i : i + CHUNK] for i in range(0, len(items), CHUNK)]
    with progress.track(name, len(items), unit) as advance:
        for results in in_order(executor, work, chunks):
            yield from results
            advance(len(results))


@contextlib.contextmanager
def pool_or_none(
    num_workers: int, prepare: Callable, arguments: tuple = ()
) -> Iterator[ProcessPoolExecutor | None]:
    """As `pool`; None for one worker, who need not be another process."""
    if num_workers == 1:
        prepare(*arguments)
        yield None
        return
    with pool(num_workers, prepare, arguments) as executor:
        yield executor


def _start(prepare, arguments) -> None:
    # Ctrl-C reaches the whole group; the main process alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # TensorFlow, should the work need it: one core a process, and no part of a GPU.
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if prepare is not None:
        prepare(*arguments)


def _end_with_parent() -> None:
    """Ends a worker whose main process was killed; it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
