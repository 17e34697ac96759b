"""Processes that share work, and how they end."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from maskdepth_tf.dataset import workers
from maskdepth_tf.errors import StateError

_given: list[int] = []


def take(value):
    _given.append(value)


def given_times(factor):
    return _given[0] * factor


def end_at_once():
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_are_prepared():
    with workers.pool(2, take, (7,)) as pool:
        assert list(pool.map(given_times, [1, 2, 3])) == [7, 14, 21]


def squares(items):
    return [item**2 for item in items]


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1000])
def test_chunks_come_back_in_order(count, capsys):
    results = workers.map_chunks(None, squares, range(count), "squares", "numbers")
    assert list(results) == [item**2 for item in range(count)]
    assert f"squares: {count} of {count} numbers" in capsys.readouterr().err


def test_chunks_of_a_pool_come_back_in_order():
    with workers.pool_or_none(2, take, (7,)) as pool:
        results = workers.map_chunks(pool, squares, range(1000), "squares", "numbers")
        assert list(results) == [item**2 for item in range(1000)]


def test_one_worker_is_no_other_process():
    _given.clear()
    with workers.pool_or_none(1, take, (7,)) as pool:
        assert (pool, _given) == (None, [7])


def test_a_worker_that_is_killed():
    with pytest.raises(StateError, match="ended from outside.*fewer --workers"):
        with workers.pool(1) as pool:
            pool.submit(end_at_once).result()


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
@pytest.mark.parametrize("is_shared", [False, True])
def test_results_are_in_order(count, is_shared):
    with ThreadPoolExecutor(3) as threads:
        executor = threads if is_shared else None
        results = workers.in_order(executor, lambda piece: piece**2, range(count))
        assert list(results) == [piece**2 for piece in range(count)]


def test_few_are_begun_ahead():
    taken = []

    def pieces():
        for piece in range(1000):
            taken.append(piece)
            yield piece

    with ThreadPoolExecutor(2) as threads:
        results = workers.in_order(threads, str, pieces())
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
            list(workers.in_order(threads, work, range(50)))
        gate.set()
    assert begun in ([0, 1], [0, 1, 2])
