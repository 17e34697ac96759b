"""Teachers in Keras' files, old and new, and KerasHub's presets."""

import hashlib
import json
import pickle

import h5py
import keras
import numpy as np
import pytest

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import keras_file, loading
from tests.support.teacher_checks import load, pictures, survives_pickling


def keras_model(side, **more):
    """Values 1 + the sum of RGB."""
    picture = keras.Input((side, side, 3), **more)
    ones = dict(kernel_initializer="ones", bias_initializer="ones")
    depth = keras.layers.Conv2D(1, 1, **ones)(keras.layers.Rescaling(1.0)(picture))
    return keras.Model(picture, depth)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_file(suffix, tmp_path, capsys):
    keras_model(8).save(tmp_path / f"net{suffix}")
    network = load(tmp_path / f"net{suffix}")
    assert network.input_size == 8
    batch = pictures(8)
    expected = 1 + batch.sum(axis=3) / 255
    np.testing.assert_allclose(network.predict(batch), expected, rtol=1e-5)
    assert survives_pickling(network, batch)


def test_keras_file_that_takes_bytes(tmp_path):
    keras_model(8, dtype="uint8").save(tmp_path / "net.keras")
    network = load(tmp_path / "net.keras")
    expected = 1.0 + pictures(8).sum(axis=3)
    np.testing.assert_allclose(network.predict(pictures(8)), expected, rtol=1e-5)
    with pytest.raises(errors.UsageError, match="--normalize imagenet is for .* 0 to"):
        load(tmp_path / "net.keras", normalize="imagenet")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_keras_file_is_not_run(suffix, tmp_path):
    picture = keras.Input((8, 8, 3))
    depth = keras.layers.Lambda(lambda x: x[..., :1])(picture)
    keras.Model(picture, depth).save(tmp_path / f"net{suffix}")
    with pytest.raises(errors.DataError, match="net.*: not a Keras model, .*: .*ambda"):
        load(tmp_path / f"net{suffix}")


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_damaged_keras_file(name, tmp_path):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(errors.DataError, match=f"{name}: not a Keras model, a damaged"):
        load(tmp_path / name)


@pytest.mark.filterwarnings(
    "ignore:You are saving a model that has not yet:UserWarning"
)
def test_keras_file_without_an_input(tmp_path):
    keras.Sequential([keras.layers.Flatten()]).save(tmp_path / "net.keras")
    text = r"net.keras: the teacher must take one picture .* Received: \[\]"
    with pytest.raises(errors.DataError, match=text):
        load(tmp_path / "net.keras")


def test_size_that_a_network_cannot_take(tmp_path):
    picture = keras.Input((None, None, 3))
    halved = keras.layers.AveragePooling2D(2)(picture)
    doubled = keras.layers.UpSampling2D(2)(halved)
    depth = keras.layers.Conv2D(1, 1)(keras.layers.Add()([picture, doubled]))
    keras.Model(picture, depth).save(tmp_path / "net.keras")
    assert load(tmp_path / "net.keras", input_size=6).input_size == 6
    with pytest.raises(errors.UsageError, match="fails with pictures of 7 x 7, anoth"):
        load(tmp_path / "net.keras", input_size=7)


def test_upsampling_keeps_the_corners():
    layer = keras_file.BilinearUpSampling2D(size=(2, 3))
    enlarged = layer(np.array([0.0, 3.0, 5.0, 8.0], "float32").reshape(1, 2, 2, 1))
    # 4 rows in thirds of 5, 6 columns in fifths of 3.
    expected = np.linspace(0, 5, 4)[:, None] + np.linspace(0, 3, 6)
    np.testing.assert_allclose(enlarged[0, ..., 0], expected, rtol=1e-5, atol=1e-6)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.size == (2, 3)


def keras_2_layer(kind, name, *sources, **config):
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    config |= {"name": name}
    return dict(class_name=kind, name=name, config=config, inbound_nodes=nodes)


def write_keras_2_file(path, data_format="channels_last"):
    """A network like DenseDepth's in the file format of Keras 2.2: half size out."""
    start = dict(class_name="Zeros", config={})
    layers = [
        keras_2_layer("InputLayer", "input_1", batch_input_shape=[None, None, None, 3]),
        keras_2_layer("AveragePooling2D", "conv1/pool", "input_1", pool_size=[4, 4]),
        keras_2_layer(
            "BilinearUpSampling2D",
            "up1_upsampling2d",
            "conv1/pool",
            size=[2, 2],
            data_format=data_format,
            trainable=True,
        ),
        keras_2_layer("LeakyReLU", "leaky_re_lu_1", "up1_upsampling2d", alpha=0.2),
        keras_2_layer(
            "Conv2D",
            "conv3",
            "leaky_re_lu_1",
            filters=1,
            kernel_size=[1, 1],
            kernel_initializer=start,
        ),
    ]
    config = {
        "name": "model_1",
        "layers": layers,
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["conv3", 0, 0]],
    }
    kernel = np.array([1.0, 2.0, 3.0], "float32").reshape(1, 1, 3, 1)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        model = {"class_name": "Model", "config": config}
        file.attrs["model_config"] = json.dumps(model).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [layer["name"].encode() for layer in layers]
        for layer in layers:
            weights.create_group(layer["name"]).attrs["weight_names"] = []
        conv3 = weights["conv3"]
        conv3.attrs["weight_names"] = [b"conv3/kernel:0", b"conv3/bias:0"]
        conv3["conv3/kernel:0"] = kernel
        conv3["conv3/bias:0"] = np.ones(1, "float32")
    return path


def test_file_of_dense_depth(tmp_path):
    network = load(write_keras_2_file(tmp_path / "nyu.h5"), convention="inverse")
    assert network.input_size == 448
    network = load(tmp_path / "nyu.h5", convention="inverse", input_size=8)
    batch = pictures(8)
    coarse = batch.reshape(2, 2, 4, 2, 4, 3).mean(axis=(2, 4)) / 255 @ [1.0, 2.0, 3.0]
    thirds = np.array([[1, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 1]])
    values = thirds @ coarse @ thirds.T + 1
    np.testing.assert_allclose(network.predict(batch), 10 / values, rtol=1e-5)


def test_upsampling_of_channels_first_is_refused(tmp_path):
    path = write_keras_2_file(tmp_path / "nyu.h5", "channels_first")
    with pytest.raises(errors.DataError, match="nyu.h5: not a Keras model, "):
        load(path)
    with pytest.raises(ValueError, match="`data_format` must be channels_last. Rec"):
        keras_file.BilinearUpSampling2D(data_format="channels_first")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny DepthAnything of 112 pixels: its folder, depth and weights' checksum."""
    import keras_hub

    encoder = keras_hub.models.DINOV2Backbone(
        14, 4, 8, 2, 16, 1.0, 0, image_shape=(112, 112, 3), apply_layernorm=True
    )
    converter = keras_hub.layers.DepthAnythingImageConverter(
        image_size=(112, 112), scale=1 / 51, offset=-2.0
    )
    backbone = keras_hub.models.DepthAnythingBackbone(
        image_encoder=encoder,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[8] * 4,
        fusion_hidden_dim=8,
        head_hidden_dim=8,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )
    model = keras_hub.models.DepthAnythingDepthEstimator(
        backbone=backbone,
        preprocessor=keras_hub.models.DepthAnythingDepthEstimatorPreprocessor(
            converter
        ),
        depth_estimation_type="metric",
        max_depth=10.0,
    )
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    model.save_to_preset(str(folder))
    depths = model(pictures(112) / np.float32(51) - 2)["depths"].numpy()
    return (
        folder,
        depths,
        hashlib.sha256(
            b"".join(weight.numpy().tobytes() for weight in model.weights)
        ).hexdigest(),
    )


def test_depth_anything_of_keras_hub(preset, tmp_path):
    folder, expected, sha256 = preset
    network = loading.load_teacher(f"keras_hub:{folder}")
    assert network.input_size == 112
    batch = pictures(112)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(network.predict(batch), expected[..., 0], rtol=1e-4)
    assert network.sha256 == sha256
    again = pickle.loads(pickle.dumps(network._network))
    loaded = {"_loaded", "_function"}
    assert loaded <= vars(network._network).keys()
    assert not loaded & vars(again).keys()
    assert (again.input_size, again.takes_bytes) == (112, True)
    with pytest.raises(errors.DataError, match="keras_hub:.*: no preset of DepthAnyth"):
        loading.load_teacher(f"keras_hub:{tmp_path}")
