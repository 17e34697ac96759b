"""Work that others do while this process waits for it."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")
_AHEAD = 64


def in_order(
    executor: Executor | None,
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
) -> Iterator[Result]:
    """Results of all pieces of work, in their order, of which few wait in memory.

    Args:
        executor: Who does the work; this thread if None.
        work: From a piece to its result.
        pieces: What is to be done.
    """
    if executor is None:
        yield from map(work, pieces)
        return
    begun: collections.deque[Future[Result]] = collections.deque()
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
