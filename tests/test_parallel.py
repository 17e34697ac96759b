"""Pieces of work that others do come back in their order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from maskdepth_tf import parallel


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
@pytest.mark.parametrize("num_threads", [0, 3])
def test_results_are_in_order(count, num_threads):
    threads = ThreadPoolExecutor(num_threads) if num_threads else None
    results = parallel.in_order(threads, lambda piece: piece**2, range(count))
    assert list(results) == [piece**2 for piece in range(count)]


def test_few_are_begun_ahead():
    taken = []

    def pieces():
        for piece in range(1000):
            taken.append(piece)
            yield piece

    with ThreadPoolExecutor(2) as threads:
        results = parallel.in_order(threads, str, pieces())
        assert [next(results), next(results)] == ["0", "1"]
    assert len(taken) == 66


def test_after_an_error_the_others_are_dropped():
    gate, begun = threading.Event(), []

    def work(piece):
        begun.append(piece)
        if piece == 1:
            raise ValueError("one")
        gate.wait(20 if piece > 1 else 0)

    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(ValueError, match="one"):
            list(parallel.in_order(threads, work, range(50)))
        gate.set()
    assert begun in ([0, 1], [0, 1, 2])
