"""SSIM in two forms: equal to each other, to TensorFlow's and to the original's."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskdepth_tf.network import similarity
from tests.support import reference

SHAPES = [(16, 16), (15, 17), (24, 13)]
WINDOWS = [3, 5, 11]


def maps(shape, seed=0, count=2):
    """Two unrelated maps with structure, [count, H, W, 1] in [0, 1]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(2, count, *shape, 1)).astype("float32")


def value_and_gradients(a, b, **kwargs):
    """The map, and the gradients of a weighted sum of it, so that no pixel hides."""
    a, b = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        value = similarity.ssim_map(a, b, **kwargs)
        weights = tf.reshape(tf.range(tf.size(value, tf.int32)), value.shape)
        total = tf.reduce_mean(value * tf.cast(weights % 7, tf.float32))
    return value, tape.gradient(total, [a, b])


@pytest.mark.parametrize("filter_size", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_valid_is_tensorflows(shape, filter_size):
    a, b = maps(shape)
    ours = similarity.ssim(a, b, filter_size=filter_size)
    theirs = tf.image.ssim(a, b, 1.0, filter_size=filter_size)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("filter_size", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_reflect_is_tensorflows_on_padded_maps(shape, filter_size):
    a, b = maps(shape)
    radius = filter_size // 2
    border = [(0, 0), (radius, radius), (radius, radius), (0, 0)]
    padded = [np.pad(x, border, "reflect") for x in (a, b)]
    ours = similarity.ssim_map(a, b, filter_size=filter_size, padding="reflect")
    theirs = tf.image.ssim(
        *padded, max_val=1.0, filter_size=filter_size, return_index_map=True
    )
    assert ours.shape == (2, *shape)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("padding", similarity.PADDINGS)
@pytest.mark.parametrize("filter_size", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_implementations_have_equal_gradients(shape, filter_size, padding):
    a, b = maps(shape, seed=1)
    window = {"filter_size": filter_size, "padding": padding}
    banded, banded_gradients = value_and_gradients(a, b, **window)
    theirs, their_gradients = value_and_gradients(a, b, implementation="tf", **window)
    np.testing.assert_allclose(banded, theirs, atol=1e-5)
    for ours, other in zip(banded_gradients, their_gradients, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(ours / scale, other / scale, atol=1e-4)


def test_one_pixel_window_by_hand():
    # Without neighbours there is no variance: only the luminance term is left.
    a, b = np.full((1, 2, 2, 1), 0.5), np.full((1, 2, 2, 1), 0.25)
    value = similarity.ssim_map(a, b, filter_size=1)
    expected = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    np.testing.assert_allclose(value, np.full((1, 2, 2), expected), rtol=1e-6)


def test_three_pixel_window_by_hand():
    # Weights 1, e^(-2/9), as 1.5 is sigma; columns 0, 1, 0 against 0, 0.5, 0.
    side = np.exp(-2 / 9)
    w = 1 / (1 + 2 * side)
    a = np.zeros((1, 3, 3, 1))
    a[:, :, 1] = 1.0
    mean_a, mean_b = w, 0.5 * w
    var_a, var_b, cov = w - w**2, 0.25 * (w - w**2), 0.5 * (w - w**2)
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    expected *= (2 * cov + c2) / (var_a + var_b + c2)
    value = similarity.ssim(a, 0.5 * a, filter_size=3)
    np.testing.assert_allclose(value, [expected], rtol=1e-5)


def test_range_scales_with_the_maps():
    a, b = maps((12, 12))
    np.testing.assert_allclose(
        similarity.ssim(100 * a, 100 * b, max_val=100.0),
        similarity.ssim(a, b),
        atol=1e-5,
    )


@pytest.mark.parametrize("filter_size", WINDOWS)
def test_the_originals_numbers(filter_size):
    golden = reference.arrays()
    value = similarity.ssim_map(
        golden["noisy_depth"],
        golden["smooth_depth"],
        filter_size=filter_size,
        padding="reflect",
    )
    dssim = similarity.ssim_to_dssim(tf.maximum(value, 0.0))
    expected = reference.scalars()["dssim(noisy_depth,smooth_depth)"]
    assert float(tf.reduce_mean(dssim)) == pytest.approx(
        expected[str(filter_size)], abs=1e-5
    )


@pytest.mark.parametrize("filter_size", WINDOWS)
@pytest.mark.parametrize("targets", ["uniform", "smooth"])
def test_the_originals_numbers_of_unrelated_maps(targets, filter_size):
    golden = reference.arrays()
    expected = reference.scalars()[f"train/{targets}"]
    value = similarity.ssim_map(
        golden[f"{targets}_depth"],
        golden["train_depth"],
        filter_size=filter_size,
        padding="reflect",
    )
    for name, figure in (
        ("dssim", similarity.ssim_to_dssim(tf.maximum(value, 0.0))),
        ("mean_ssim_unclipped", value),
        ("frac_ssim_below_0", tf.cast(value < 0, tf.float32)),
    ):
        wanted = expected[f"{name}_w{filter_size}"]
        # A window of 0.001 more or less than nothing may fall on either side.
        bound = 1e-3 if name.startswith("frac") else 1e-5
        assert float(tf.reduce_mean(figure)) == pytest.approx(wanted, abs=bound)


@pytest.mark.parametrize("padding", similarity.PADDINGS)
@pytest.mark.parametrize("filter_size", WINDOWS)
def test_blur_rows_sum_to_one(filter_size, padding):
    matrix = similarity.blur_matrix(13, filter_size, padding)
    rows = 13 if padding == "reflect" else 13 - filter_size + 1
    assert matrix.shape == (rows, 13)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)


def test_reflection_does_not_repeat_the_end():
    line = np.array([1.0, 10.0, 100.0, 1000.0])
    side = np.exp(-2 / 9)
    blurred = similarity.blur_matrix(4, 3, "reflect") @ line
    assert blurred[0] == pytest.approx((1 + 2 * side * 10) / (1 + 2 * side))
    assert blurred[3] == pytest.approx((1000 + 2 * side * 100) / (1 + 2 * side))


@pytest.mark.parametrize("filter_size", WINDOWS)
def test_smallest_maps(filter_size):
    side = filter_size // 2 + 1
    a, b = maps((side, side))
    padded = similarity.ssim_map(a, b, filter_size=filter_size, padding="reflect")
    assert padded.shape == (2, side, side)
    a, b = maps((filter_size, filter_size))
    assert similarity.ssim_map(a, b, filter_size=filter_size).shape == (2, 1, 1)


ROUNDING = 1e-4
"""A flat map's variance is what rounding leaves of 1 - 1, 6e-8; it is divided by
0.03 ** 2."""


@settings(deadline=None, max_examples=25)
@example(16, 3, True)
@given(st.integers(0, 1000), st.sampled_from(WINDOWS), st.booleans())
def test_properties(seed, filter_size, is_flat):
    a, b = maps((12, 14), seed, count=1)
    if is_flat:
        a = np.full_like(a, a[0, 0, 0, 0])
    window = {"filter_size": filter_size, "padding": "reflect"}
    value = similarity.ssim_map(a, b, **window)
    assert -1 <= float(tf.reduce_min(value)) <= float(tf.reduce_max(value)) <= 1
    swapped = similarity.ssim_map(b, a, **window)
    np.testing.assert_allclose(swapped, value, atol=ROUNDING)
    np.testing.assert_array_equal(
        similarity.ssim_map(a, a, **window), tf.ones_like(a)[..., 0]
    )
    mirrored = similarity.ssim_map(a[:, :, ::-1], b[:, :, ::-1], **window)
    np.testing.assert_allclose(mirrored, value[:, :, ::-1], atol=ROUNDING)


def test_inverted_maps_are_negative():
    a, _ = maps((16, 16))
    assert np.all(similarity.ssim(a, 1 - a) < -0.8)


def test_half_precision_in_single_precision_out():
    a, b = maps((12, 12))
    halves = [tf.cast(x, tf.float16) for x in (a, b)]
    value = similarity.ssim_map(*halves)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, similarity.ssim_map(a, b), atol=0.02)


def ssim_map_in_double(a, b, filter_size):
    """As `ssim_map`, "valid", by the definition, a window at a time, in float64."""
    offsets = np.arange(filter_size) - filter_size // 2
    line = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2
    a, b = (
        np.lib.stride_tricks.sliding_window_view(
            x[..., 0].astype("float64"), window.shape, axis=(1, 2)
        )
        for x in (a, b)
    )

    def mean(x):
        return (x * window).sum(axis=(-2, -1))

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a**2) - mean_a**2 + mean(b**2) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    value = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return value * (2 * covariance + 9e-4) / (variances + 9e-4)


@pytest.mark.parametrize("filter_size", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_definition(shape, filter_size):
    a, b = maps(shape, seed=2)
    value = similarity.ssim_map(a, b, filter_size=filter_size)
    expected = ssim_map_in_double(a, b, filter_size)
    np.testing.assert_allclose(value, expected, atol=5e-6)


def test_batch_of_one_many_times():
    # TensorFlow 2.21 corrupts memory in products of four and two dimensions.
    run = tf.function(similarity.ssim)
    a, b = maps((32, 32), count=1)
    first = run(a, b)
    for _ in range(300):
        np.testing.assert_array_equal(run(a, b), first)


def test_batch_of_any_size_in_a_graph():
    a, b = maps((16, 16), count=3)
    spec = tf.TensorSpec([None, 16, 16, 1])
    run = tf.function(similarity.ssim_map, input_signature=[spec, spec])
    # How a graph adds up depends on the processor: 1.2e-6 apart on some.
    np.testing.assert_allclose(run(a, b), similarity.ssim_map(a, b), atol=4e-6)


@given(st.floats(-1, 1, width=32))
def test_dissimilarity_and_back(value):
    again = 1.0 - 2.0 * similarity.ssim_to_dssim(value)
    assert again == pytest.approx(value, abs=1e-7)


def test_dissimilarity_by_hand():
    assert similarity.ssim_to_dssim(1.0) == 0.0
    assert similarity.ssim_to_dssim(0.0) == 0.5
    assert similarity.ssim_to_dssim(-1.0) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter_size": 4}, "positive odd number of pixels. Received: filter_size=4"),
        ({"filter_size": 0}, "positive odd number of pixels. Received: filter_size=0"),
        ({"filter_size": -3}, "Received: filter_size=-3"),
        (
            {"padding": "same"},
            "`padding` must be one of valid, reflect. Received: padding=same",
        ),
        (
            {"implementation": "conv"},
            "`implementation` must be one of banded, tf. Received: implementation=conv",
        ),
        (
            {},
            "at least 11 pixels wide and high for filter_size=11 with valid padding. "
            "Received: 5 pixels",
        ),
        (
            {"padding": "reflect"},
            "at least 6 pixels wide and high for filter_size=11 with reflect padding",
        ),
    ],
)
def test_refused(arguments, message):
    a, b = maps((9, 5))
    with pytest.raises(ValueError, match=message):
        similarity.ssim_map(a, b, **arguments)
