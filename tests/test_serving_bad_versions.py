"""Versions that cannot be used, alone and under load; swaps under load."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from maskdepth_tf.serving import proto_tensors
from maskdepth_tf.serving.models import Spec
from tests import servers

SWAPS = int(os.environ.get("SERVING_SWAPS", "5"))
REQUESTS = int(os.environ.get("SERVING_REQUESTS", "20"))
"""Of them, between two swaps, at least."""


def keep_part(version):
    shutil.rmtree(version / "variables")


def truncate(version):
    path = version / "variables" / "variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-1])


def damage(version):
    path = version / "variables" / "variables.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def write_manifest(version, change=False):
    names = [path for path in version.rglob("*") if path.is_file()]
    sums = {
        str(path.relative_to(version)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in names
    }
    if change:
        sums["saved_model.pb"] = "0" * 64
    (version / "manifest.json").write_text(json.dumps({"files": sums}))


def write_warm_up(version, value, dtype=np.float32, name=""):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = name
    proto_tensors.fill({"x": np.array([[value, 0]], dtype)}, request.inputs)
    (version / "assets.extra").mkdir()
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def rewrite(method):
    """Another model in place of the version."""

    def change(version):
        shutil.rmtree(version)
        module = servers.Shift(np.nan)
        functions = {method: module.shifted}
        tf.saved_model.save(module, str(version), functions)

    return change


def half_manifest(version):
    write_manifest(version)
    (version / "fingerprint.pb").unlink()


BAD = {
    "empty": (
        lambda v: (shutil.rmtree(v), v.mkdir()),
        "saved_model.pb: cannot be read",
    ),
    "no variables": (keep_part, "cannot be used"),
    "truncated": (truncate, "cannot be used"),
    "damaged": (damage, "cannot be used"),
    "no graph": (lambda v: (v / "saved_model.pb").write_bytes(b""), "holds no graph"),
    "no proto": (lambda v: (v / "saved_model.pb").write_bytes(b"\xff" * 99), "be read"),
    "other sum": (lambda v: write_manifest(v, change=True), "its SHA-256 is not the"),
    "lacking file": (half_manifest, "fingerprint.pb: is missing"),
    "bad manifest": (
        lambda v: (v / "manifest.json").write_text("[]"),
        "must be a JSON object",
    ),
    "no files": (
        lambda v: (v / "manifest.json").write_text("{}"),
        "must name the files with their SHA-256",
    ),
    "outside": (
        lambda v: (v / "manifest.json").write_text('{"files": {"../1/a": "0"}}'),
        "../1/a is outside of the folder",
    ),
    "other signature": (rewrite("other"), "the signature serving_default is missing"),
    "NaN": (
        rewrite("serving_default"),
        "must answer with finite numbers, y has others",
    ),
    "warm-up NaN": (lambda v: write_warm_up(v, np.nan), "must answer with finite numb"),
    "warm-up type": (lambda v: write_warm_up(v, 1, np.float64), "Expects arg"),
    "warm-up name": (lambda v: write_warm_up(v, 1, name="no"), 'key "no" not found'),
}


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
    assert "\n" not in status.message
    # Said once, and not tried again while nothing changes.
    assert capsys.readouterr().err.count("version 2 of shift is not served") == 1
    shutil.rmtree(put.folder / "2")
    put(2)
    models.poll()
    assert servers.answer(models) == 2


def test_the_next_best_is_served_at_the_start(models, put):
    put(1)
    put(2, truncate)
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
    def change(version):
        write_warm_up(version, 1)
        write_manifest(version)

    put(1, change)
    models.poll()
    assert servers.answer(models) == 1


def ask_until(running, stop, found):
    while not stop.is_set():
        asked = time.monotonic()
        status, reply = running.predict({"instances": [[0, 1000], [2000, 3000]]})
        found.append((asked, status, reply))


@contextlib.contextmanager
def asked_all_the_time(running, clients=4):
    """Clients that ask without a pause; yields times and replies."""
    stop, found = threading.Event(), []
    threads = [
        threading.Thread(target=ask_until, args=[running, stop, found])
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
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


def test_swaps_under_load(tmp_path):
    folder = tmp_path / "shift"
    servers.write_version(folder, 1, 1, signatures=False)
    swapped = []
    with servers.running(str(folder)) as running:
        models = running.service.models
        with asked_all_the_time(running) as found:
            for number in range(1, SWAPS + 2):
                if number > 1:
                    servers.write_version(folder, number, number, signatures=False)
                servers.until(
                    lambda n=number: models.available() == {"shift": [n]}, seconds=60
                )
                swapped.append(time.monotonic())
                enough = len(found) + REQUESTS
                servers.until(lambda n=enough: len(found) >= n, seconds=60)
    assert len(found) >= (SWAPS + 1) * REQUESTS
    for asked, status, reply in found:
        # What is asked once the old version is gone is answered by the new one.
        newest = sum(at < asked for at in swapped)
        assert max(1, newest) <= version_of(status, reply) <= SWAPS + 1
    assert {version_of(*entry[1:]) for entry in found} == set(range(1, SWAPS + 2))


def test_bad_versions_under_load(put, capsys):
    put(1)
    kinds = ["no variables", "damaged", "other sum", "NaN"]
    with servers.running(str(put.folder)) as running:
        with asked_all_the_time(running) as found:
            for number, kind in enumerate(kinds, 2):
                put(number, BAD[kind][0])
            ended = {number: "END" for number in range(2, 6)}
            expected = ended | {1: "AVAILABLE"}
            servers.until(lambda: servers.states(running.service.models) == expected)
    assert {version_of(*entry[1:]) for entry in found} == {1}
    assert capsys.readouterr().err.count("is not served") == 4
