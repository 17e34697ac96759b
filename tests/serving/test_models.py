"""Versions: which are served, how they change places, and what bad ones do."""

import gc
import shutil
import weakref

import numpy as np
import pytest

from maskdepth_tf.errors import StateError
from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.model_config import Policy
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.saved_model import SavedModel
from tests.support import servers

ROW = {"x": np.zeros((1, 2), np.float32)}


def test_a_new_version_takes_the_old_one_s_place(models, put):
    with pytest.raises(ServingError, match="model shift is being loaded") as caught:
        servers.answer(models)
    assert caught.value.code == "UNAVAILABLE"
    models.poll()
    with pytest.raises(ServingError, match="model shift has no version that is served"):
        servers.answer(models)
    put(1)
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (1, {1: "AVAILABLE"})
    put(3)
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (
        3,
        {3: "AVAILABLE", 1: "END"},
    )
    # Lower than what is there: of no interest.
    put(2)
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (
        3,
        {3: "AVAILABLE", 1: "END"},
    )
    with pytest.raises(ServingError, match="model shift has no version 1") as caught:
        servers.answer(models, 1)
    assert caught.value.code == "NOT_FOUND"


def test_an_old_version_ends_with_its_last_request(models, put):
    put(1)
    models.poll()
    with models.pinned(Spec("shift")) as (number, model):
        put(2)
        models.poll()
        assert servers.states(models) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert servers.answer(models) == 2
        # Still there for this request.
        assert model.run("serving_default", ROW)["y"][0, 0] == number == 1
    assert servers.states(models) == {1: "END", 2: "AVAILABLE"}
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
    assert servers.states(models) == {2: "AVAILABLE"}
    shutil.rmtree(put.folder / "2")
    models.poll()
    assert (servers.answer(models), servers.states(models)) == (
        1,
        {1: "AVAILABLE", 2: "END"},
    )
    put(2)
    models.poll()
    assert servers.answer(models) == 2
    for number in (1, 2):
        shutil.rmtree(put.folder / str(number))
    models.poll()
    assert models.available() == {}
    put(1)
    models.poll()
    assert servers.answer(models) == 1
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
    assert (servers.answer(models), servers.answer(models, 2)) == (3, 2)
    assert (
        servers.answer(models, label="stable"),
        servers.answer(models, label="canary"),
    ) == (2, 3)
    # The canary was good.
    models.declared["shift"] = declared._replace(labels={"stable": 3, "next": 9})
    models.poll()
    assert servers.answer(models, label="stable") == 3
    for label, code, message in (
        ("canary", "INVALID_ARGUMENT", "model shift has no label canary"),
        ("next", "NOT_FOUND", "model shift has no version 9"),
    ):
        with pytest.raises(ServingError, match=message) as caught:
            servers.answer(models, label=label)
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


def test_a_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(StateError, match="saved_model.pb: cannot be read"):
        SavedModel(str(tmp_path))
