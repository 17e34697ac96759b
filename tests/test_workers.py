"""Processes that share work, what they hold, and how they end."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.threads import thread_pool
from maskdepth_tf import workers
from maskdepth_tf.errors import StateError


def twice(value):
    return 2 * value


def times(state, factor):
    return state * factor


def refuse(state):
    raise ValueError(f"no {state}")


def end_at_once(state):
    os.kill(os.getpid(), signal.SIGKILL)


def squares(state, items):
    return [item**2 for item in items]


def square(state, item):
    return item**2


def test_processes_make_their_state_once_and_do_jobs(capsys):
    with workers.pool(2, 7, twice) as pool:
        jobs = {(1,): 1, (2,): 3, (3,): 1}
        assert pool.run(times, jobs, "times", "numbers") == [14, 28, 42]
        chunks = pool.map_chunks(squares, range(200), "squares", "numbers")
        assert list(chunks) == [item**2 for item in range(200)]
    assert "times: 5 of 5 numbers" in capsys.readouterr().err


def test_a_state_that_cannot_be_made_is_an_error_of_all_work():
    with workers.pool(1, "memory", refuse) as pool:
        for _ in range(2):
            with pytest.raises(ValueError, match="no memory"):
                pool.submit(times, 1).result()


def test_a_worker_that_is_killed():
    with pytest.raises(StateError, match="ended from outside.*fewer --workers"):
        with workers.pool(1) as pool:
            pool.submit(end_at_once).result()


def test_work_needs_a_process_of_a_pool():
    with pytest.raises(RuntimeError, match="this process is none of a pool"):
        workers._work(square, 2)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1000])
def test_chunks_come_back_in_order(count, capsys):
    pool = workers.Pool(None)
    results = pool.map_chunks(squares, range(count), "squares", "numbers")
    assert list(results) == [item**2 for item in range(count)]
    assert f"squares: {count} of {count} numbers" in capsys.readouterr().err


def test_one_worker_is_no_other_process(capsys):
    with workers.pool_or_here(1, 7, twice) as pool:
        assert pool.submit(lambda state: (state, os.getpid())).result() == (
            14,
            os.getpid(),
        )
        assert pool.run(times, {(3,): 1, (1,): 1}, "times", "numbers") == [42, 14]
    assert "times: 2 of 2 numbers" in capsys.readouterr().err


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
@pytest.mark.parametrize("is_shared", [False, True])
def test_results_are_in_order(count, is_shared):
    with ThreadPoolExecutor(3) as threads:
        pool = workers.Pool(threads if is_shared else None)
        results = list(pool.in_order(square, range(count)))
    assert results == [piece**2 for piece in range(count)]


def test_few_are_begun_ahead():
    taken = []

    def pieces():
        for piece in range(1000):
            taken.append(piece)
            yield piece

    with thread_pool(2) as pool:
        results = pool.in_order(lambda state, piece: str(piece), pieces())
        assert [next(results), next(results)] == ["0", "1"]
    assert len(taken) == 66


def test_after_an_error_the_others_are_dropped():
    gate, begun = threading.Event(), []

    def work(state, piece):
        begun.append(piece)
        if piece == 1:
            raise ValueError("one")
        if piece > 1:
            gate.wait()

    with thread_pool(1) as pool:
        with pytest.raises(ValueError, match="one"):
            list(pool.in_order(work, range(50)))
        gate.set()
    assert begun in ([0, 1], [0, 1, 2])
