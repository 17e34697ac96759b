"""Folders of trained networks, and those that come with the package."""

import json

import keras
import numpy as np
import pytest

import maskdepth_tf
from maskdepth_tf.errors import StateError
from maskdepth_tf.network import model
from maskdepth_tf.training import checkpoints, presets


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return model.resnet_unet(8, widths=(4,))


@pytest.fixture
def folder(network, tmp_path):
    maskdepth_tf.save_to_preset(network, tmp_path / "deep" / "mine")
    return tmp_path / "deep" / "mine"


def answers(network):
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    return network({"bg": pixels, "fg_bg": pixels[::-1]}, training=False)


def test_what_is_saved_is_loaded(network, folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
    ]
    for loaded in (maskdepth_tf.from_preset(folder), checkpoints.load_model(folder)):
        for name, value in answers(network).items():
            np.testing.assert_array_equal(answers(loaded)[name], value)
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["image_size"] == 8
    assert metadata["parameter_count"] == network.count_params()


def test_a_compiled_network_leaves_its_training_behind(network, folder, tmp_path):
    compiled = model.resnet_unet(8, widths=(4,))
    compiled.set_weights(network.get_weights())
    compiled.compile("sgd", "mse")
    presets.save_to_preset(compiled, tmp_path / "again")
    for name in ("config.json", "model.weights.h5"):
        sizes = {(f / name).stat().st_size for f in (folder, tmp_path / "again")}
        assert len(sizes) == 1


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_damage_is_found(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(StateError, match=f"{name}: is damaged or of another; its SHA"):
        presets.from_preset(folder)


def test_a_file_that_is_missing_is_told(folder):
    (folder / "model.weights.h5").unlink()
    with pytest.raises(StateError, match="model.weights.h5: is damaged"):
        presets.from_preset(folder)


def test_unknown_names_tell_those_that_are_known(tmp_path):
    with pytest.raises(StateError, match="must be one of .*fine.* Received: fin"):
        presets.from_preset("fin")
    with pytest.raises(StateError, match="a preset must be"):
        presets.from_preset(tmp_path)


def test_names_mean_what_comes_with_the_package_unless_something_is_there(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert presets.find("fine") == presets.SHIPPED / "fine"
    assert str(presets.find("./fine")) == "fine"
    assert str(presets.find("runs/fine")) == "runs/fine"
    (tmp_path / "fine").mkdir()
    assert str(presets.find("fine")) == "fine"


def test_the_network_that_comes_with_the_package():
    found = maskdepth_tf.from_preset("fine")
    assert found.inputs[0].shape[1] == 192
    assert found.count_params() <= 1_000_000
    assert (presets.SHIPPED / "fine" / presets.WEIGHTS).stat().st_size <= 3.5e6
    with pytest.raises(AttributeError, match="no attribute 'weights'"):
        maskdepth_tf.weights  # noqa: B018
