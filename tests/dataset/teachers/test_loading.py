"""Teachers: quantised and float networks, conventions, faults."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import conventions, litert, loading


def convert(function, shapes, quantised=False, dtype="float32"):
    """Bytes of a LiteRT model of a function of tensors."""
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if quantised:
        generator = np.random.default_rng(0)
        shape = shapes[0]

        def samples():
            yield [np.zeros(shape, np.float32)]
            yield [np.ones(shape, np.float32)]
            for _ in range(20):
                yield [generator.random(shape, np.float32)]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    with warnings.catch_warnings():
        # The converter's own doubt; the ranges come from the samples above.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return converter.convert()


def load(path, *choices):
    """The teacher in a file or folder."""
    return loading.load_teacher(str(path), *choices)


def weigh(picture):
    """4 R + 2 G + B + 0.5 metres of RGB in [0, 1]."""
    import tensorflow as tf

    kernel = tf.reshape(tf.constant([4.0, 2.0, 1.0]), (1, 1, 3, 1))
    return tf.nn.conv2d(picture, kernel, 1, "VALID") + 0.5


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A float and a quantised model file of `weigh`."""
    root = tmp_path_factory.mktemp("models")
    shape = (1, 4, 4, 3)
    (root / "float.tflite").write_bytes(convert(weigh, [shape]))
    (root / "uint8.tflite").write_bytes(convert(weigh, [shape], quantised=True))
    return root


def batch():
    """Two pictures whose depths are 4.5 m, but 0.5 m in one corner, and 7.5 m."""
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    pictures[0, ..., 0] = 255
    pictures[0, 0, 0] = 0
    pictures[1] = 255
    metres = np.full((2, 4, 4), 4.5)
    metres[0, 0, 0] = 0.5
    metres[1] = 7.5
    return pictures, metres


@pytest.mark.parametrize(("name", "tolerance"), [("float", 1e-5), ("uint8", 0.06)])
def test_metres_of_a_known_network(models, name, tolerance):
    network = load(models / f"{name}.tflite")
    assert network.input_size == 4
    pictures, metres = batch()
    predicted = network.predict(pictures)
    assert predicted.dtype == np.float32
    # uint8: outputs from 0 to 7.5 m in 255 steps of 0.03 m, and as much for weights.
    np.testing.assert_allclose(predicted, metres, atol=tolerance)


def red(picture):
    """Three times the red of a picture of any type."""
    import tensorflow as tf

    return 3 * tf.cast(picture[..., :1], tf.float32)


def test_bytes_that_are_not_quantised_are_the_pictures_own(tmp_path):
    path = tmp_path / "bytes.tflite"
    path.write_bytes(convert(red, [(1, 4, 4, 3)], dtype="uint8"))
    pictures, _ = batch()
    np.testing.assert_array_equal(load(path).predict(pictures), 3.0 * pictures[..., 0])
    with pytest.raises(errors.UsageError, match="--normalize imagenet is for networks"):
        load(path, "metric", "imagenet")


def test_whole_numbers_without_a_scale_are_refused(tmp_path):
    path = tmp_path / "int32.tflite"
    path.write_bytes(convert(red, [(1, 4, 4, 3)], dtype="int32"))
    text = (
        "int32.tflite: the teacher must take floats, uint8 .* Received: int32 without"
    )
    with pytest.raises(errors.DataError, match=text):
        load(path)


def test_a_network_of_any_size(tmp_path):
    path = tmp_path / "any.tflite"
    path.write_bytes(convert(weigh, [(1, None, None, 3)]))
    assert load(path).input_size == 448
    network = load(path, "metric", "none", 4)
    assert network.input_size == 4
    pictures, metres = batch()
    again = pickle.loads(pickle.dumps(network))
    for loaded in (network, again):
        np.testing.assert_allclose(loaded.predict(pictures), metres, rtol=1e-5)


def test_it_is_loaded_without_a_word(models):
    code = "import sys; from maskdepth_tf.dataset.teachers import litert; "
    code += "litert.LiteRTNetwork(sys.argv[1]); print('kept', file=sys.stderr)"
    command = [sys.executable, "-c", code, models / "float.tflite"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "kept\n")


def test_quantisation_by_hand():
    details = {"dtype": np.uint8, "quantization": (0.5, 10)}
    values = np.array([-6.0, 0.0, 0.2, 0.3, 122.5, 500.0], np.float32)
    # value / 0.5 + 10, rounded, clipped to 0..255
    np.testing.assert_array_equal(
        litert._quantise(values, details), np.array([0, 10, 10, 11, 255, 255])
    )
    # (q - 10) * 0.5
    np.testing.assert_array_equal(
        litert._dequantise(np.array([0, 10, 255], np.uint8), details),
        np.array([-5.0, 0.0, 122.5]),
    )
    plain = {"dtype": np.float32, "quantization": (0.0, 0)}
    np.testing.assert_array_equal(litert._quantise(values, plain), values)
    np.testing.assert_array_equal(litert._dequantise(values, plain), values)


def test_another_process_gets_the_same_depth(models):
    network = load(models / "float.tflite")
    again = pickle.loads(pickle.dumps(network))
    pictures = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(again.predict(pictures), network.predict(pictures))


def test_inverse_convention_by_hand(models):
    predictions = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 100.0, 1e9], np.float32)
    expected = [10, 10, 10, 10, 5, 2.5, 0.1, 0.1]
    metres = conventions.inverse_to_metres(predictions)
    np.testing.assert_allclose(metres, expected, rtol=1e-6)
    network = load(models / "float.tflite", "inverse")
    pictures, raw = batch()
    np.testing.assert_allclose(
        network.predict(pictures), np.clip(10 / raw, 0.1, 10), rtol=1e-5
    )


@given(st_numpy.arrays(np.float32, 8, elements=st.floats(2**-9, 2**12, width=32)))
def test_inverse_convention_has_the_relative_depth_of_the_reference(predictions):
    reference = np.clip(1000 / predictions, 10, 1000) / 1000
    metres = conventions.inverse_to_metres(predictions)
    np.testing.assert_allclose(metres / 10, reference, rtol=1e-5)


def test_relative_depth_by_hand():
    metres = np.array([[2.0, 4.0], [3.0, 10.0]], np.float32)
    depth, near, far = conventions.to_relative(metres)
    assert (near, far) == (2.0, 10.0)
    np.testing.assert_array_equal(depth, [[0, 0.25], [0.125, 1]])


def test_relative_depth_of_a_constant_map_is_zero():
    depth, near, far = conventions.to_relative(np.full((2, 2), 3.5, np.float32))
    assert near == far == 3.5
    np.testing.assert_array_equal(depth, np.zeros((2, 2)))


@given(st_numpy.arrays(np.float32, (3, 4), elements=st.floats(0, 2**10, width=32)))
def test_relative_depth_is_finite_and_in_range(metres):
    depth, near, far = conventions.to_relative(metres)
    assert np.isfinite(depth).all()
    assert depth.min() == 0
    assert depth.max() == (1 if far > near else 0)
    np.testing.assert_allclose(
        near + depth * (far - near), metres, rtol=1e-5, atol=1e-3
    )


def test_relative_conventions_by_hand(models):
    pictures, values = batch()
    far = load(models / "float.tflite", "relative_far").predict(pictures)
    near = load(models / "float.tflite", "disparity").predict(pictures)
    np.testing.assert_allclose(far, values, rtol=1e-5)
    np.testing.assert_array_equal(near, -far)
    # (max - v) / (max - min) of the values 4.5 and, in one corner, 0.5.
    depth, least, greatest = conventions.to_relative(near[0])
    np.testing.assert_allclose(depth, (4.5 - values[0]) / 4, atol=1e-6)
    np.testing.assert_allclose([least, greatest], [-4.5, -0.5], rtol=1e-6)


def test_what_the_manifest_says_of_conventions():
    described = {k: v.describe() for k, v in conventions.CONVENTIONS.items()}
    keys = ("values", "large_is", "units", "scale")
    assert described == {
        "metric": dict(zip(keys, ("metric", "far", "m", 1.0), strict=True)),
        # 10 m over the distance: a value of 1 is 0.1 / m.
        "inverse": dict(zip(keys, ("metric", "near", "1/m", 0.1), strict=True)),
        "relative_far": dict(zip(keys, ("relative", "far", None, None), strict=True)),
        "disparity": dict(zip(keys, ("relative", "near", None, None), strict=True)),
    }
    for convention in conventions.CONVENTIONS.values():
        for name in convention.opposites:
            opposite = conventions.CONVENTIONS[name]
            assert opposite.large_is != convention.large_is


def test_normalization_by_hand(models):
    network = load(models / "float.tflite", "metric", "imagenet")
    black = (np.zeros(3) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = black @ [4, 2, 1] + 0.5
    predicted = network.predict(np.zeros((1, 4, 4, 3), np.uint8))
    np.testing.assert_allclose(predicted, np.full((1, 4, 4), expected), rtol=1e-5)


def test_size_of_a_network_that_takes_one(models):
    assert load(models / "float.tflite", "metric", "none", 4).input_size == 4
    with pytest.raises(errors.UsageError, match="--input-size must be 4, .* 8"):
        load(models / "float.tflite", "metric", "none", 8)


def test_unknown_kind_and_choices(tmp_path):
    suffixes = ".tflite, .onnx, .keras, .h5, be a folder or begin with keras_hub: "
    with pytest.raises(errors.UsageError, match=f"end in {suffixes}Rec.*net.pth"):
        load(tmp_path / "net.pth")
    conventions = "metric, inverse, relative_far, disparity"
    with pytest.raises(errors.UsageError, match=f"one of {conventions}. Received: up"):
        load(tmp_path / "net.tflite", "up")
    with pytest.raises(errors.UsageError, match="normalization must be one of none, "):
        load(tmp_path / "net.tflite", "metric", "l2")


def test_sha256_of_a_folder_sees_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    seen = {loading.sha256_of_tree(tmp_path)}
    (tmp_path / "a" / "x").write_bytes(b"2")
    seen.add(loading.sha256_of_tree(tmp_path))
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    seen.add(loading.sha256_of_tree(tmp_path))
    assert len(seen) == 3


def test_missing_file(tmp_path):
    with pytest.raises(
        errors.DataError, match="net.tflite: the teacher's file was not"
    ):
        load(tmp_path / "net.tflite")


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damaged_file(damage, models, tmp_path):
    content = (models / "float.tflite").read_bytes()
    path = tmp_path / "bad.tflite"
    path.write_bytes({"empty": b"", "text": b"x" * 99, "cut": content[:64]}[damage])
    with pytest.raises(errors.DataError, match="bad.tflite: not a LiteRT model, or a"):
        load(path)


@pytest.mark.parametrize(
    ("shapes", "function", "text"),
    [
        ([(1, 4, 6, 3)], weigh, "must take one picture .* Received: .*1, 4, 6, 3"),
        ([(1, 4, 4, 1)], lambda x: x + 1, "must take one picture"),
        ([(1, 4)], lambda x: x + 1, "must take one picture"),
        ([(1, 4, 4, 3)] * 2, lambda x, y: weigh(x) + weigh(y), "must take one picture"),
        ([(1, 4, 4, 3)], lambda x: x + 1, "must put out one map .*: .*1, 4, 4, 3"),
        ([(1, 4, 4, 3)], lambda x: [weigh(x), x + 1], "must put out one map"),
    ],
)
def test_other_networks(shapes, function, text, tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes(convert(function, shapes))
    with pytest.raises(errors.DataError, match=text):
        load(path)


def test_missing_package_is_named(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(
        errors.UsageError, match=r"ai-edge-litert: pip install .*teacher"
    ):
        load(models / "float.tflite")


def test_metres_of_a_quantised_network_are_steps_of_its_scale(models):
    from ai_edge_litert.interpreter import Interpreter

    path = models / "uint8.tflite"
    (output,) = Interpreter(str(path)).get_output_details()
    step, zero = output["quantization"]
    pictures = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)
    steps = load(path).predict(pictures) / step
    np.testing.assert_allclose(steps, steps.round(), atol=1e-3)
    assert -zero <= steps.min() < steps.max() <= 255 - zero
    assert len(np.unique(steps)) > 20
