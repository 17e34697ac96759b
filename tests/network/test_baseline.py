"""The rules with no learning, by hand."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.network import baseline


def pixel(*channels):
    return tf.constant(channels, tf.uint8, shape=(1, 1, 1, 3))


def differs(bg, fg_bg):
    mask = baseline.difference_mask(pixel(*bg), pixel(*fg_bg))
    assert mask.dtype == tf.float32
    return float(mask[0, 0, 0, 0])


def test_difference_by_hand():
    assert differs((10, 10, 10), (10, 10, 10)) == 0
    assert differs((10, 10, 10), (40, 10, 10)) == 0
    assert differs((10, 10, 10), (10, 10, 41)) == 1
    assert differs((10, 41, 10), (10, 10, 10)) == 1


def test_bytes_do_not_wrap_around():
    # 10 - 250 is 16 in bytes, and 250 - 245 backwards is 251.
    assert differs((250, 0, 0), (10, 0, 0)) == 1
    assert differs((10, 0, 0), (250, 0, 0)) == 1
    assert differs((250, 0, 0), (245, 0, 0)) == 0


@given(*[st.tuples(*[st.integers(0, 255)] * 3)] * 2)
def test_difference_is_the_largest_channels(bg, fg_bg):
    largest = max(abs(a - b) for a, b in zip(bg, fg_bg, strict=True))
    assert differs(bg, fg_bg) == differs(fg_bg, bg) == (largest > 30)


def test_mean_depth_weighs_every_example_the_same():
    depths = np.random.default_rng(0).uniform(size=(5, 2, 3, 1)).astype("float32")
    mean = baseline.MeanDepth()
    for start, end in ((0, 3), (3, 5)):
        mean.update(tf.constant(depths[start:end]))
    found = mean.result()
    assert found.dtype == tf.float32
    assert found.shape == (1, 2, 3, 1)
    np.testing.assert_allclose(found[0], depths.mean(axis=0), rtol=1e-6)
