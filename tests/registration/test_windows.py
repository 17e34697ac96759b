import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.registration import windows

LINE = np.array([1.0, 2.0, 4.0, 8.0], "float32")


def slid(image, *arguments):
    return windows.slide(tf.constant(image), *arguments).numpy()


def of_lines(line):
    """A picture whose rows are all this line, [1, n, n, 1]."""
    return np.tile(line, (len(line), 1))[np.newaxis, ..., np.newaxis]


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        # At the left (1 + 2 * 1 + 2) / 4, the 1 being there twice, or (2 * 1 + 2) / 3.
        (windows.MIRRORED, [5 / 4, 9 / 4, 18 / 4, 28 / 4]),
        (windows.CUT, [4 / 3, 9 / 4, 18 / 4, 20 / 3]),
    ],
)
def test_weights_of_a_line(border, expected):
    slides = slid(of_lines(LINE), (1.0, 2.0, 1.0), border)
    np.testing.assert_allclose(slides, of_lines(np.float32(expected)), rtol=1e-6)


def test_columns_are_as_rows():
    image = of_lines(LINE)
    turned = slid(image.swapaxes(1, 2), (1.0, 2.0, 1.0), windows.CUT)
    straight = slid(image, (1.0, 2.0, 1.0), windows.CUT)
    np.testing.assert_allclose(turned.swapaxes(1, 2), straight, rtol=1e-6)


@given(
    window=st.sampled_from([1, 3, 5, 9]),
    size=st.integers(9, 20),
    channels=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_means_are_those_of_pooling(window, size, channels, seed):
    image = np.random.default_rng(seed).random((2, size, size, channels), "float32")
    around = [(0, 0), (window // 2,) * 2, (window // 2,) * 2, (0, 0)]
    mirrored = np.pad(image, around, "symmetric")
    for border, expected in (
        (windows.CUT, tf.nn.avg_pool2d(image, window, 1, "SAME")),
        (windows.MIRRORED, tf.nn.avg_pool2d(mirrored, window, 1, "VALID")),
    ):
        means = windows.mean(tf.constant(image), window, border)
        np.testing.assert_allclose(means, expected, atol=1e-6)


def test_shrunk_by_hand():
    # One and a half of the old pixels are in each new one.
    shrunk = windows.shrunk(tf.constant(of_lines(np.float32([0, 3, 6]))), 2)
    np.testing.assert_allclose(shrunk, of_lines(np.float32([1, 5])), rtol=1e-6)


def test_shrinking_to_a_part_is_pooling():
    image = np.random.default_rng(0).random((2, 12, 12, 3), "float32")
    pooled = tf.nn.avg_pool2d(image, 3, 3, "VALID")
    np.testing.assert_allclose(windows.shrunk(tf.constant(image), 4), pooled, atol=1e-6)


@given(window=st.sampled_from([1, 3, 5, 9, 15]), size=st.integers(15, 24))
def test_means_of_planes_are_those_of_pictures(window, size):
    planes = np.random.default_rng(size).random((3, size, size), "float32")
    means = windows.plane_means(tf.constant(planes), window)
    expected = windows.mean(tf.constant(planes)[..., tf.newaxis], window, windows.CUT)
    np.testing.assert_allclose(means, expected[..., 0], rtol=1e-5)


@pytest.mark.parametrize("side", [8, 33, 128])
def test_a_gpu_doubles_as_a_cpu_does(monkeypatch, side):
    image = np.random.default_rng(side).uniform(0, 255, (2, side, side, 3))
    image = tf.constant(image, tf.float32)
    expected = windows.doubled(image)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    found = tf.function(windows.doubled)(image)
    assert found.shape == (2, 2 * side, 2 * side, 3)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 16])
def test_many_pictures_are_slid_as_one_is(count):
    """A product that repeats a matrix for a batch writes past its buffer."""
    image = np.random.default_rng(0).uniform(size=(count, 128, 128, 1))
    image = tf.constant(image, tf.float32)
    together = windows.mean(image, 5, windows.MIRRORED)
    alone = windows.mean(image[-1:], 5, windows.MIRRORED)
    np.testing.assert_allclose(together[-1:], alone, atol=1e-6)
