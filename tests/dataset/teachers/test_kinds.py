"""Teachers in SavedModel and ONNX: made here, then loaded."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import loading
from tests.support.teacher_checks import load, pictures, survives_pickling


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


def test_damaged_onnx_file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"damaged")
    with pytest.raises(errors.DataError, match="net.onnx: not an ONNX model, or a dam"):
        load(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("name", "package", "text"),
    [
        ("net.onnx", "onnxruntime", "onnxruntime: pip install .*teacher"),
        ("keras_hub:depth_anything_v2_small", "keras_hub", "keras-hub: pip install"),
    ],
)
def test_missing_package_is_named(name, package, text, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(errors.UsageError, match=text):
        loading.load_teacher(name)
