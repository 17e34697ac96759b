"""Batches: who gets which rows, who fails, and what waits for how long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.running.batching import (
    NUM_WORKERS,
    Batcher,
    Limits,
    read_config,
)
from maskdepth_tf.serving.saved_model import SavedModel
from tests.support import servers
from tests.support.servers import PATIENCE


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return SavedModel(str(servers.write_version(tmp_path_factory.mktemp("m"), 1, 100)))


class Watched:
    """A model that notes the inputs of each run, and waits until it may run."""

    def __init__(self, model):
        self.model, self.runs, self.gate = model, [], threading.Event()
        self.signature = model.signature
        self.has_independent_rows = model.has_independent_rows

    def run(self, name, arrays):
        self.runs.append(next(iter(arrays.values())))
        self.gate.wait(PATIENCE)
        return self.model.run(name, arrays)


@pytest.fixture
def watched(model):
    return Watched(model)


@pytest.fixture
def make_batcher():
    batchers = []

    def make(*arguments, **limits):
        batchers.append(Batcher(Limits(**limits), *arguments))
        return batchers[-1]

    yield make
    for batcher in batchers:
        batcher.close()


def rows(*numbers):
    return {"x": np.array([[n, -n] for n in numbers], np.float32)}


def soon():
    return time.monotonic() + PATIENCE


def occupy(batcher, model):
    """Keeps all workers busy until the gate opens."""
    held = []
    for _ in range(NUM_WORKERS):
        held.append(batcher.submit(model, "total", rows(0), soon()))
        servers.until(lambda: not batcher.waiting())
    model.runs.clear()
    return held


def test_what_waits_runs_together(watched, make_batcher):
    observed = []
    batcher = make_batcher(observed.append)
    occupy(batcher, watched)
    observed.clear()
    requests = [rows(1), rows(2, 3), rows(4, 5)]
    futures = [batcher.submit(watched, "serving_default", r, soon()) for r in requests]
    watched.gate.set()
    for request, future in zip(requests, futures, strict=True):
        np.testing.assert_array_equal(future.result(PATIENCE)["y"], request["x"] + 100)
    # Five rows run as eight, the last one repeated.
    assert observed == [5]
    (batch,) = watched.runs
    np.testing.assert_array_equal(batch[:, 0], [1, 2, 3, 4, 5, 5, 5, 5])


def test_no_batch_is_larger_than_allowed(watched, make_batcher):
    batcher = make_batcher(max_batch_size=3, sizes=(2, 3))
    occupy(batcher, watched)
    futures = [
        batcher.submit(watched, "serving_default", rows(n), soon()) for n in range(5)
    ]
    watched.gate.set()
    for number, future in enumerate(futures):
        assert future.result(PATIENCE)["y"][0, 0] == number + 100
    assert sorted(len(batch) for batch in watched.runs) == [2, 3]


def test_an_incomplete_batch_waits_for_more(watched, make_batcher):
    watched.gate.set()
    batcher = make_batcher(delay=PATIENCE, max_batch_size=2)
    first = batcher.submit(watched, "serving_default", rows(1), soon())
    servers.until(lambda: not batcher.waiting())
    assert watched.runs == []
    second = batcher.submit(watched, "serving_default", rows(2), soon())
    answers = [future.result(PATIENCE)["y"][0, 0] for future in (first, second)]
    assert answers == [101, 102]
    assert len(watched.runs) == 1


def test_an_incomplete_batch_waits_no_longer_than_allowed(watched, make_batcher):
    watched.gate.set()
    batcher = make_batcher(delay=0.05, max_batch_size=2)
    alone = batcher.submit(watched, "serving_default", rows(1), soon())
    assert alone.result(PATIENCE)["y"][0, 0] == 101


def test_what_does_not_fit_together_runs_apart(watched, make_batcher):
    batcher = make_batcher()
    occupy(batcher, watched)
    text = {"text": np.array([b"a"], object)}
    futures = [
        batcher.submit(watched, "serving_default", rows(1), soon()),
        batcher.submit(watched, "echo", text, soon()),
        # Its output has no rows: nobody else's may come in.
        batcher.submit(watched, "total", rows(1, 2), soon()),
        batcher.submit(watched, "total", rows(4), soon()),
    ]
    watched.gate.set()
    assert futures[1].result(PATIENCE)["text"].tolist() == [b"a"]
    assert futures[2].result(PATIENCE)["total"] == 0
    assert len(watched.runs) >= 4


def test_only_the_bad_one_fails(watched, make_batcher):
    batcher = make_batcher()
    occupy(batcher, watched)
    texts = [b"a", b"bad", b"c", b"d"]
    futures = [
        batcher.submit(watched, "echo", {"text": np.array([t], object)}, soon())
        for t in texts
    ]
    watched.gate.set()
    for text, future in zip(texts, futures, strict=True):
        if text == b"bad":
            with pytest.raises(ServingError, match="a bad text") as caught:
                future.result(PATIENCE)
            assert caught.value.code == "INVALID_ARGUMENT"
        else:
            assert future.result(PATIENCE)["text"].tolist() == [text]
    # All of them together, then each alone.
    assert [len(batch) for batch in watched.runs] == [4, 1, 1, 1, 1]


def test_a_full_queue_refuses(watched, make_batcher):
    batcher = make_batcher(max_queue=3)
    occupy(batcher, watched)
    futures = [
        batcher.submit(watched, "serving_default", rows(n), soon()) for n in range(3)
    ]
    with pytest.raises(
        ServingError, match="the queue is full: 3 requests wait"
    ) as caught:
        batcher.submit(watched, "serving_default", rows(4), soon())
    assert (caught.value.code, caught.value.http_status) == ("RESOURCE_EXHAUSTED", 503)
    watched.gate.set()
    assert [future.result(PATIENCE)["y"][0, 0] for future in futures] == [100, 101, 102]
    again = batcher.submit(watched, "serving_default", rows(4), soon())
    assert again.result(PATIENCE)["y"][0, 0] == 104


def test_what_comes_too_late_does_not_run(watched, make_batcher):
    batcher = make_batcher()
    occupy(batcher, watched)
    late = [
        batcher.submit(watched, "serving_default", rows(n), time.monotonic())
        for n in range(10)
    ]
    given_up = batcher.submit(watched, "serving_default", rows(20), soon())
    assert given_up.cancel()
    alive = batcher.submit(watched, "serving_default", rows(30), soon())
    watched.gate.set()
    assert alive.result(PATIENCE)["y"][0, 0] == 130
    for future in late:
        with pytest.raises(ServingError, match="the deadline passed in the queue"):
            future.result(PATIENCE)
    assert [batch[:, 0].tolist() for batch in watched.runs] == [[30]]


def test_requests_that_no_batch_holds(model, make_batcher):
    batcher = make_batcher(max_batch_size=2)
    two = {"x": np.zeros((2, 2), np.float32), "number": np.zeros(1, np.int32)}
    for name, arrays, message in (
        ("serving_default", rows(1, 2, 3), "must have at most 2 rows. Received: 3"),
        ("two", two, r"must have the same rows. Received: \[1, 2\]"),
    ):
        with pytest.raises(ServingError, match=message):
            batcher.submit(model, name, arrays, soon())


def test_outputs_must_have_the_rows_of_the_inputs(model, make_batcher):
    class Short(Watched):
        def run(self, name, arrays):
            return {"y": arrays["x"][:-1]}

    future = make_batcher().submit(Short(model), "serving_default", rows(1), soon())
    with pytest.raises(ServingError, match="must have a row for each row"):
        future.result(PATIENCE)


def test_failures_of_other_kinds(model, make_batcher):
    class Failing(Watched):
        def __init__(self, model, error):
            super().__init__(model)
            self.error = error

        def run(self, name, arrays):
            raise self.error

    batcher = make_batcher()
    for error, code in (
        (MemoryError(), "RESOURCE_EXHAUSTED"),
        (KeyError("a"), "INTERNAL"),
    ):
        failing = Failing(model, error)
        future = batcher.submit(failing, "serving_default", rows(1), soon())
        assert future.exception(PATIENCE).code == code


def test_everybody_gets_the_own_rows(model, make_batcher):
    batcher = make_batcher(delay=0.002)
    rng = np.random.default_rng(0)
    requests = [rng.normal(size=(n, 2)).astype(np.float32) for n in (1, 2, 3) * 100]

    def ask(x):
        future = batcher.submit(model, "serving_default", {"x": x}, soon())
        return future.result(PATIENCE)

    with ThreadPoolExecutor(16) as threads:
        for x, answer in zip(requests, threads.map(ask, requests), strict=True):
            np.testing.assert_array_equal(answer["y"], x + np.float32(100))


def test_closing_gives_up_what_waits(watched, make_batcher):
    batcher = make_batcher()
    occupy(batcher, watched)
    waiting = batcher.submit(watched, "serving_default", rows(1), soon())
    # Whoever waits hears of it while the workers are still busy.
    waiting.add_done_callback(lambda _: watched.gate.set())
    batcher.close()
    assert waiting.cancelled()
    with pytest.raises(ServingError, match="the server is shutting down"):
        batcher.submit(watched, "serving_default", rows(1), soon())


def test_config(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text(
        "# allowed_batch_sizes: 64\n"
        "max_batch_size { value: 8 }\nbatch_timeout_micros { value: 0 }\n"
        "allowed_batch_sizes: 4\nallowed_batch_sizes : 8 allowed_batch_sizes:1"
    )
    assert read_config(str(path)) == (8, (1, 4, 8))
    path.write_text("")
    assert read_config(str(path)) == (None, ())
