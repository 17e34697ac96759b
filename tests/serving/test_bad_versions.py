"""Versions that cannot be used, alone and under load; swaps under load."""

import contextlib
import os
import shutil
import threading
import time

import numpy as np
import pytest

from maskdepth_tf.serving.models import Spec
from tests.support import bad_versions, servers
from tests.support.bad_versions import BAD

SWAPS, REQUESTS = 3, 20
"""Of versions, and of requests between two; `benchmarks/serving_faults.py` has more."""

UNDER_LOAD = ["empty", "damaged data", "unknown operation", "manifest: half", "NaN"]
"""Bad versions that fail at different steps of loading."""


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_version_leaves_the_old_one(models, put, capsys, kind):
    change, message = BAD[kind]
    put(1)
    models.poll()
    put(2, change)
    models.poll()
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (
        1,
        {2: "END", 1: "AVAILABLE"},
    )
    (status,) = models.statuses(Spec("shift", 2))
    assert status.code == "FAILED_PRECONDITION"
    assert message in status.message
    assert len(status.message.splitlines()) == 1
    # Said once, and not tried again while nothing changes.
    assert capsys.readouterr().err.count("version 2 of shift is not served") == 1


def test_a_bad_version_is_tried_again_once_it_changes(models, put):
    put(1)
    put(2, BAD["no index"][0])
    models.poll()
    assert servers.answer(models) == 1
    shutil.rmtree(put.folder / "2")
    put(2)
    models.poll()
    assert servers.answer(models) == 2


@pytest.mark.parametrize(
    "name", ["2.tmp", "-2", "2.0", "0x2", "\u0662", "9" * 25, "9" * 255, str(2**63)]
)
def test_folders_that_are_no_versions(models, put, name):
    put(1)
    put(2)
    os.rename(put.folder / "2", put.folder / name)
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (1, {1: "AVAILABLE"})


def test_zeros_before_a_number(models, put):
    put(1)
    os.rename(put.folder / "1", put.folder / "001")
    put(2, BAD["no index"][0])
    os.rename(put.folder / "2", put.folder / "00")
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (1, {1: "AVAILABLE"})


@pytest.mark.parametrize("target", [None, "nothing", "2", "1/saved_model.pb"])
def test_files_and_links_that_are_no_versions(models, put, target):
    put(1)
    models.poll()
    if target is None:
        (put.folder / "2").write_bytes(b"")
    else:
        (put.folder / "2").symlink_to(put.folder / target)
    put(3, BAD["no index"][0])
    models.poll()
    # What lies beside it is seen.
    assert (servers.answer(models), servers.states(models)) == (
        1,
        {3: "END", 1: "AVAILABLE"},
    )


def test_the_next_best_is_served_at_the_start(models, put):
    put(1)
    put(2, BAD["truncated data"][0])
    models.poll()
    assert servers.answer(models) == 1
    # All are bad now; what is loaded goes on.
    shutil.rmtree(put.folder / "1")
    models.poll()
    assert servers.answer(models) == 1


def test_a_version_that_is_copied_slowly(models, put, shift_versions):
    put(1)
    models.poll()
    target = put.folder / "2"
    for path in sorted(shift_versions.joinpath("2").rglob("*")):
        copy = target / path.relative_to(shift_versions / "2")
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        else:
            models.poll()
            assert servers.answer(models) == 1
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    models.poll()
    assert servers.answer(models) == 2


def test_manifest_and_warm_up_of_a_good_version(models, put):
    put(1, bad_versions.all_of(bad_versions.warm_up_x(1), bad_versions.write_manifest))
    models.poll()
    assert servers.answer(models) == 1


def ask_until(running, stop, replies):
    while not stop.is_set():
        asked = time.monotonic()
        status, reply = running.predict({"instances": [[0, 1000], [2000, 3000]]})
        replies.append((asked, status, reply))


@contextlib.contextmanager
def asked_all_the_time(running, clients=4):
    """Clients that ask without a pause; yields times and replies."""
    stop, replies = threading.Event(), []
    threads = [
        threading.Thread(target=ask_until, args=[running, stop, replies])
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield replies
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def version_of(status, reply):
    """The one version that all rows of a reply are of."""
    assert status == 200, reply
    rows = np.array(reply["predictions"]) - [[0, 1000], [2000, 3000]]
    (version,) = set(rows.reshape(-1).tolist())
    return version


def test_swaps_under_load(put):
    swapped = []
    put(1)
    with servers.running(str(put.folder)) as running:
        models = running.service.models
        with asked_all_the_time(running) as replies:
            for number in range(1, SWAPS + 2):
                if number > 1:
                    put(number)
                servers.until(lambda n=number: models.available() == {"shift": [n]})
                swapped.append(time.monotonic())
                enough = len(replies) + REQUESTS
                servers.until(lambda n=enough: len(replies) >= n)
    assert len(replies) >= (SWAPS + 1) * REQUESTS
    for asked, status, reply in replies:
        # What is asked once the old version is gone is answered by the new one.
        newest = sum(at < asked for at in swapped)
        assert max(1, newest) <= version_of(status, reply) <= SWAPS + 1
    assert {version_of(*entry[1:]) for entry in replies} == set(range(1, SWAPS + 2))


def test_bad_versions_under_load(put, capsys):
    put(1)
    with servers.running(str(put.folder)) as running:
        with asked_all_the_time(running) as replies:
            for number, kind in enumerate(UNDER_LOAD, 2):
                put(number, BAD[kind][0])
            ended = {number: "END" for number in range(2, len(UNDER_LOAD) + 2)}
            expected = ended | {1: "AVAILABLE"}
            servers.until(lambda: servers.states(running.service.models) == expected)
    assert {version_of(*entry[1:]) for entry in replies} == {1}
    assert capsys.readouterr().err.count("is not served") == len(UNDER_LOAD)
