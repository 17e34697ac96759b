"""The rules with no learning, by hand."""

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
