"""Versions: which are served, how they change places, and what bad ones do."""

import contextlib
import gc
import hashlib
import json
import os
import shutil
import threading
import time
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from maskdepth_tf.errors import StateError, UsageError
from maskdepth_tf.serving import model_config, proto_tensors
from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.model_config import Declared, Policy
from maskdepth_tf.serving.models import Models, Spec
from maskdepth_tf.serving.saved_model import SavedModel
from tests import servers

ROW = {"x": np.zeros((1, 2), np.float32)}


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Versions 1 to 6 that add 1 to 6; to be copied from."""
    folder = tmp_path_factory.mktemp("stock")
    for number in range(1, 7):
        servers.write_version(folder, number, number, signatures=False)
    return folder


@pytest.fixture
def put(stock, tmp_path):
    """Makes a version appear in the model's folder, complete at once."""
    folder = tmp_path / "shift"
    folder.mkdir()

    def copy(number, change=lambda version: None):
        aside = folder / ".aside"
        shutil.copytree(stock / str(number), aside)
        change(aside)
        os.rename(aside, folder / str(number))

    copy.folder = folder
    return copy


@pytest.fixture
def models(put):
    """What is served of that folder; the latest version, unless a test says else."""
    declared = {"shift": Declared(str(put.folder))}
    found = Models(lambda: declared)
    found.declared = declared
    return found


def answer(models, version=None, label=None):
    with models.pinned(Spec("shift", version, label)) as (number, model):
        assert model.run("serving_default", ROW)["y"][0, 0] == number
        return number


def states(models):
    return {s.version: s.state for s in models.statuses(Spec("shift"))}


def test_a_new_version_takes_the_old_one_s_place(models, put):
    with pytest.raises(ServingError, match=r"not found for request: Latest\(shift\)"):
        answer(models)
    put(1)
    models.poll()
    assert (answer(models), states(models)) == (1, {1: "AVAILABLE"})
    put(3)
    models.poll()
    assert (answer(models), states(models)) == (3, {3: "AVAILABLE", 1: "END"})
    # Lower than what is there: of no interest.
    put(2)
    models.poll()
    assert (answer(models), states(models)) == (3, {3: "AVAILABLE", 1: "END"})
    with pytest.raises(ServingError, match=r"Specific\(shift, 1\)") as caught:
        answer(models, 1)
    assert caught.value.code == "NOT_FOUND"


def test_an_old_version_ends_with_its_last_request(models, put):
    put(1)
    models.poll()
    with models.pinned(Spec("shift")) as (number, model):
        put(2)
        models.poll()
        assert states(models) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert answer(models) == 2
        # Still there for this request.
        assert model.run("serving_default", ROW)["y"][0, 0] == number == 1
    assert states(models) == {1: "END", 2: "AVAILABLE"}
    assert models.statuses(Spec("shift", 1))[0].code == "OK"


def test_the_memory_of_an_old_version_is_given_back(models, put):
    put(1)
    models.poll()
    with models.pinned(Spec("shift")) as (_, model):
        old = weakref.ref(model)
    del model
    put(2)
    models.poll()
    gc.collect()
    assert old() is None


def test_rollback_and_deletion(models, put):
    put(1)
    put(2)
    models.poll()
    assert states(models) == {2: "AVAILABLE"}
    shutil.rmtree(put.folder / "2")
    models.poll()
    assert (answer(models), states(models)) == (1, {1: "AVAILABLE", 2: "END"})
    put(2)
    models.poll()
    assert answer(models) == 2
    for number in (1, 2):
        shutil.rmtree(put.folder / str(number))
    models.poll()
    assert models.available() == {}
    put(1)
    models.poll()
    assert answer(models) == 1
    shutil.rmtree(put.folder)
    models.poll()
    assert models.available() == {}


def test_several_versions_and_labels(models, put):
    for number in (1, 2, 3):
        put(number)
    declared = models.declared["shift"]._replace(policy=Policy(latest=2))
    models.declared["shift"] = declared._replace(labels={"stable": 2, "canary": 3})
    models.poll()
    assert models.available() == {"shift": [2, 3]}
    assert (answer(models), answer(models, 2)) == (3, 2)
    assert (answer(models, label="stable"), answer(models, label="canary")) == (2, 3)
    # The canary was good.
    models.declared["shift"] = declared._replace(labels={"stable": 3, "next": 9})
    models.poll()
    assert answer(models, label="stable") == 3
    for label, code, message in (
        ("canary", "INVALID_ARGUMENT", "Unrecognized servable version label: canary"),
        ("next", "NOT_FOUND", r"Specific\(shift, 9\)"),
    ):
        with pytest.raises(ServingError, match=message) as caught:
            answer(models, label=label)
        assert caught.value.code == code
    models.declared["shift"] = declared._replace(policy=Policy(specific=frozenset([1])))
    models.poll()
    assert models.available() == {"shift": [1]}
    models.declared["shift"] = declared._replace(policy=Policy(latest=0))
    models.poll()
    assert models.available() == {"shift": [1, 2, 3]}
    del models.declared["shift"]
    models.poll()
    assert models.available() == {}


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
    assert (answer(models), states(models)) == (1, {2: "END", 1: "AVAILABLE"})
    (status,) = models.statuses(Spec("shift", 2))
    assert status.code == "FAILED_PRECONDITION"
    assert message in status.message
    assert "\n" not in status.message
    # Said once, and not tried again while nothing changes.
    assert capsys.readouterr().err.count("version 2 of shift is not served") == 1
    shutil.rmtree(put.folder / "2")
    put(2)
    models.poll()
    assert answer(models) == 2


def test_the_next_best_is_served_at_the_start(models, put):
    put(1)
    put(2, truncate)
    models.poll()
    assert answer(models) == 1
    # All are bad now; what is loaded goes on.
    shutil.rmtree(put.folder / "1")
    models.poll()
    assert answer(models) == 1


def test_a_version_that_is_copied_slowly(models, put, stock):
    put(1)
    models.poll()
    target = put.folder / "2"
    for path in sorted(stock.joinpath("2").rglob("*")):
        copy = target / path.relative_to(stock / "2")
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        else:
            models.poll()
            assert answer(models) == 1
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    models.poll()
    assert answer(models) == 2


def test_manifest_and_warm_up_of_a_good_version(models, put):
    def change(version):
        write_warm_up(version, 1)
        write_manifest(version)

    put(1, change)
    models.poll()
    assert answer(models) == 1


def test_what_is_no_version(tmp_path, stock):
    model = tmp_path / "shift"
    for name in ("x1", "²", ".export-new", "-1", "1.5", str(2**63)):
        (model / name).mkdir(parents=True)
    (model / "7").write_text("a file")
    assert model_config.version_folders(str(model)) == {}
    shutil.copytree(stock / "1", model / "00000123")
    models = Models(lambda: model_config.find_models(str(model)))
    models.poll()
    assert models.available() == {"shift": [123]}


def test_a_folder_of_models(tmp_path, stock):
    for name in ("a", "b"):
        shutil.copytree(stock / "1", tmp_path / name / "1")
    (tmp_path / "nothing").mkdir()
    models = Models(lambda: model_config.find_models(str(tmp_path)))
    models.poll()
    assert models.available() == {"a": [1], "b": [1]}
    shutil.rmtree(tmp_path / "a")
    shutil.copytree(stock / "1", tmp_path / "c" / "1")
    models.poll()
    assert models.available() == {"b": [1], "c": [1]}
    with pytest.raises(UsageError, match="--models must be a folder. Received: .*none"):
        model_config.find_models(str(tmp_path / "none"))


CONFIG = """
model_config_list {
  config {
    name: "shift" base_path: "models/shift" model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: "canary" value: 2 }
  }
  config { name: "all" base_path: "/models/all" model_version_policy { all {} } }
  config {
    name: "two" base_path: "t" model_version_policy { latest { num_versions: 2 } }
  }
  config { name: "one" base_path: "o" }
}
"""


def test_model_config(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(CONFIG)
    found = model_config.read_config(str(path))
    labels = {"stable": 1, "canary": 2}
    specific = Policy(specific=frozenset([1, 2]))
    assert found["shift"] == Declared(str(tmp_path / "models/shift"), specific, labels)
    assert found["all"] == Declared("/models/all", Policy(latest=0))
    assert found["two"].policy == Policy(latest=2)
    assert found["one"].policy == Policy(latest=1)
    assert Policy(latest=2).pick([1, 10, 9]) == [10, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { confg {} }", "cannot be read: .*confg"),
        ("", "must have a model_config_list with models"),
        (
            'model_config_list { config { name: "a" } }',
            "each model needs a name of its",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" } '
            'config { name: "a" base_path: "b" } }',
            "each model needs a name of its own",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" '
            'model_platform: "c" } }',
            "model_platform must be tensorflow. Received: c",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" '
            "model_version_policy { specific {} } } }",
            "a: specific must name versions",
        ),
    ],
)
def test_bad_model_config(tmp_path, text, message):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        model_config.read_config(str(path))


def test_a_config_that_becomes_bad_changes_nothing(put, tmp_path, capsys):
    put(1)
    path = tmp_path / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "shift" base_path: "{put.folder}" }} }}'
    )
    models = Models(lambda: model_config.read_config(str(path)))
    models.poll()
    path.write_text("model_config_list {")
    models.poll()
    models.poll()
    assert answer(models) == 1
    assert capsys.readouterr().err.count("models.config: cannot be read") == 1


def test_a_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(StateError, match="saved_model.pb: cannot be read"):
        SavedModel(str(tmp_path))


def ask_until(running, stop, found):
    while not stop.is_set():
        status, reply = running.predict({"instances": [[0, 1000], [2000, 3000]]})
        found.append((time.monotonic(), status, reply))


@contextlib.contextmanager
def asked_all_the_time(running, clients=4):
    """Clients that ask without a pause; yields what they received, with the times."""
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


def wait_for(running, version):
    end = time.monotonic() + 30
    while running.service.models.available() != {"shift": [version]}:
        assert time.monotonic() < end
        time.sleep(0.01)
    return time.monotonic()


def test_swaps_under_load(put):
    put(1)
    with servers.running(str(put.folder)) as running:
        with asked_all_the_time(running) as found:
            swapped = [(1, time.monotonic())]
            for number in range(2, 7):
                put(number)
                swapped.append((number, wait_for(running, number)))
                time.sleep(0.1)
    assert len(found) > 100
    for when, status, reply in found:
        version = version_of(status, reply)
        # Once the old one is gone, nothing that is asked is answered by it; a reply
        # may have been on its way for a moment.
        newest = max(n for n, at in swapped if at < when - 1 or n == 1)
        assert newest <= version <= 6
    assert {version_of(*entry[1:]) for entry in found} >= {1, 6}


def test_bad_versions_under_load(put, capsys):
    put(1)
    kinds = ["no variables", "damaged", "other sum", "NaN"]
    with servers.running(str(put.folder)) as running:
        with asked_all_the_time(running) as found:
            for number, kind in enumerate(kinds, 2):
                put(number, BAD[kind][0])
            ended = {number: "END" for number in range(2, 6)}
            end = time.monotonic() + 30
            while states(running.service.models) != ended | {1: "AVAILABLE"}:
                assert time.monotonic() < end
                time.sleep(0.05)
    assert {version_of(*entry[1:]) for entry in found} == {1}
    assert capsys.readouterr().err.count("is not served") == 4
