"""Teachers in SavedModel, Keras, ONNX and KerasHub: made here, then loaded."""

import builtins
import importlib.util
import json
import pickle

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import errors
from maskdepth_tf.dataset import teachers
from maskdepth_tf.dataset.teachers import keras_file

HAS_ONNX = importlib.util.find_spec("onnxruntime") is not None
HAS_HUB = importlib.util.find_spec("keras_hub") is not None
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime is not installed")
needs_hub = pytest.mark.skipif(not HAS_HUB, reason="keras-hub is not installed")


def pictures(side):
    """Two noisy pictures, uint8 [2, side, side, 3]."""
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)


def load(path, **more):
    return teachers.load_teacher(str(path), **more)


def survives_pickling(network, batch):
    """Whether another process would get the same depth."""
    again = pickle.loads(pickle.dumps(network))
    return np.array_equal(again.predict(batch), network.predict(batch))


def save(folder, function, *specs):
    """Writes a SavedModel whose signature is a function of tensors."""
    module = tf.Module()
    module.serve = tf.function(function, input_signature=specs, autograph=False)
    tf.saved_model.save(module, folder, {"serving_default": module.serve})
    return folder


def mean_of(picture):
    return {"depth": 3.0 * tf.reduce_mean(tf.cast(picture, tf.float32), axis=3)}


@pytest.mark.parametrize(("dtype", "white"), [(tf.float32, 1.0), (tf.uint8, 255.0)])
def test_saved_model(dtype, white, tmp_path):
    spec = tf.TensorSpec((None, 8, 8, 3), dtype, name="image")
    network = load(save(tmp_path / "net", mean_of, spec))
    assert network.input_size == 8
    batch = pictures(8)
    expected = 3 * batch.mean(axis=3) / 255 * white
    np.testing.assert_allclose(network.predict(batch), expected, rtol=1e-5)
    assert survives_pickling(network, batch)


def test_saved_model_of_any_size(tmp_path):
    spec = tf.TensorSpec((1, None, None, 3), tf.float32)
    folder = save(tmp_path / "net", mean_of, spec)
    assert load(folder).input_size == 448
    assert load(folder, input_size=6).predict(pictures(6)).shape == (2, 6, 6)


@pytest.mark.parametrize(
    ("function", "specs", "text"),
    [
        (mean_of, [((1, 8, 8, 3), tf.float16)], "take float32 or uint8. .*: float16"),
        (
            mean_of,
            [((1, 8, 6, 3), tf.float32)],
            r"take one .*\(1, S, S, 3\). Received: ",
        ),
        (mean_of, [(None, tf.float32)], "take one picture"),
        (
            lambda a, b: {"depth": a + b},
            [((1, 8, 8, 3), tf.float32)] * 2,
            "take one picture",
        ),
        (
            lambda a: {"depth": a, "more": a},
            [((1, 8, 8, 3), tf.float32)],
            "put out one map .*: .*1, 8, 8, 3.*1, 8, 8, 3",
        ),
    ],
)
def test_other_saved_models(function, specs, text, tmp_path):
    specs = [tf.TensorSpec(*spec) for spec in specs]
    with pytest.raises(errors.DataError, match=f"net: the teacher must {text}"):
        load(save(tmp_path / "net", function, *specs))


def test_damaged_saved_model(tmp_path):
    with pytest.raises(errors.DataError, match="a SavedModel must hold saved_model.pb"):
        load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(errors.DataError, match="not a SavedModel, or a damaged one: "):
        load(tmp_path)
    tf.saved_model.save(tf.Module(), tmp_path / "bare")
    with pytest.raises(errors.DataError, match="signature serving_default. Rec.*: "):
        load(tmp_path / "bare")


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
        keras_2_layer("AveragePooling2D", "pool", "input_1", pool_size=[4, 4]),
        keras_2_layer(
            "BilinearUpSampling2D",
            "up1_upsampling2d",
            "pool",
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


def varint(number):
    """Protobuf's bytes of a number: 7 bits each, the low ones first."""
    head = bytes([number & 127 | (128 if number > 127 else 0)])
    return head + (varint(number >> 7) if number > 127 else b"")


def proto(*fields):
    """A protobuf message of (number, value); a value is an int, text or bytes."""
    message = b""
    for number, value in fields:
        if isinstance(value, int):
            message += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            message += varint(number << 3 | 2) + varint(len(value)) + value
    return message


def onnx_port(name, kind, shape):
    """ValueInfoProto."""
    sizes = [(1, proto((1 if isinstance(n, int) else 2, n))) for n in shape]
    tensor = proto((1, kind), (2, proto(*sizes)))
    return proto((1, name), (2, proto((1, tensor))))


def write_onnx(path, shape, axis, kind=1, num_inputs=1):
    """ModelProto: the mean over an axis of a picture of float (1) or bytes (2)."""
    cast = proto((1, "to"), (3, 1), (20, 2))
    axes = proto((1, "axes"), (8, axis), (20, 7))
    keep = proto((1, "keepdims"), (3, 0), (20, 2))
    graph = [
        (1, proto((1, "image"), (2, "float"), (4, "Cast"), (5, cast))),
        (
            1,
            proto((1, "float"), (2, "depth"), (4, "ReduceMean"), (5, axes), (5, keep)),
        ),
        (2, "graph"),
        *((11, onnx_port(n, kind, shape)) for n in ("image", "more")[:num_inputs]),
        (12, onnx_port("depth", 1, [n for i, n in enumerate(shape) if i != axis])),
    ]
    path.write_bytes(proto((1, 8), (7, proto(*graph)), (8, proto((2, 13)))))
    return path


@needs_onnx
@pytest.mark.parametrize(
    ("shape", "axis", "kind", "white"),
    [
        ((1, 8, 8, 3), 3, 1, 1.0),
        ((1, 3, 8, 8), 1, 1, 1.0),
        (("batch", 3, "height", "width"), 1, 1, 1.0),
        (("batch", "num_channels", "height", "width"), 1, 1, 1.0),
        (("n", 8, 8, 3), 3, 2, 255.0),
    ],
)
def test_onnx_file(shape, axis, kind, white, tmp_path):
    path = write_onnx(tmp_path / "net.onnx", shape, axis, kind)
    network = load(path, input_size=8)
    batch = pictures(8)
    expected = batch.mean(axis=3) / 255 * white
    np.testing.assert_allclose(network.predict(batch), expected, rtol=1e-5)
    assert survives_pickling(network, batch)
    assert load(path).input_size == (8 if 8 in shape else 448)


@needs_onnx
@pytest.mark.parametrize(
    ("shape", "more", "text"),
    [
        ((1, 8, 8, 3), {"kind": 6}, r"take one of tensor\(float\), .*: tensor\(int32"),
        (
            (1, 8, 8, 4),
            {},
            r"take one picture of shape \(1, S, S, 3\) or \(1, 3, S, S\)",
        ),
        (("n", "c", "h", "w"), {}, "take one picture"),
        ((1, 8, 8, 3), {"num_inputs": 2}, "take one picture"),
        ((2, 8, 8, 3), {}, "take one picture"),
    ],
)
def test_other_onnx_networks(shape, more, text, tmp_path):
    path = write_onnx(tmp_path / "net.onnx", shape, 3, **more)
    with pytest.raises(errors.DataError, match=f"net.onnx: the teacher must {text}"):
        load(path)


@needs_onnx
def test_damaged_onnx_file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"damaged")
    with pytest.raises(errors.DataError, match="net.onnx: not an ONNX model, or a dam"):
        load(tmp_path / "net.onnx")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """Folder of a tiny DepthAnything that takes 112 pixels, and its own depth."""
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
    return folder, model(pictures(112) / np.float32(51) - 2)["depths"].numpy()


@needs_hub
def test_depth_anything_of_keras_hub(preset, tmp_path):
    folder, expected = preset
    network = teachers.load_teacher(f"keras_hub:{folder}")
    assert network.input_size == 112
    batch = pictures(112)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(network.predict(batch), expected[..., 0], rtol=1e-4)
    again = pickle.loads(pickle.dumps(network._network))
    assert "_model" not in vars(again)
    assert again.sha256() == network.sha256
    with pytest.raises(errors.DataError, match="keras_hub:.*: no preset of DepthAnyth"):
        teachers.load_teacher(f"keras_hub:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "package", "text"),
    [
        ("net.onnx", "onnxruntime", "onnxruntime: pip install .*teacher"),
        ("keras_hub:depth_anything_v2_small", "keras_hub", "keras-hub: pip install"),
    ],
)
def test_missing_package_is_named(name, package, text, tmp_path, monkeypatch):
    real_import = builtins.__import__

    def without(imported, *args, **kwargs):
        if imported.startswith(package):
            raise ImportError(imported)
        return real_import(imported, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(errors.UsageError, match=text):
        teachers.load_teacher(name)
