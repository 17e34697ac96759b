import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.disturbing import pairs
from maskdepth_tf.images import encoding, preprocessing
from tests.support.pictures import natural_rgb


def test_a_square_is_what_preprocessing_loads():
    picture = natural_rgb(0, 50, 70)
    data = tf.constant(encoding.encode_png(picture))
    loaded = preprocessing.load(data, streams.BG, 16).numpy()
    np.testing.assert_array_equal(pairs.square(picture, 16), loaded)


def test_a_mask_is_what_preprocessing_loads():
    grey = natural_rgb(1, 50, 70)[..., 0]
    data = tf.constant(encoding.encode_png(grey))
    loaded = preprocessing.load(data, streams.MASK, 16).numpy()[..., 0]
    small = pairs.square(grey, 16)
    pair = pairs.Pair(np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), small)
    # Half values are rounded up here and down there.
    assert np.mean(pair.truth != loaded) <= 1 / 256


def test_differences_are_those_of_the_channel_that_differs_most():
    bg = np.array([[[10, 20, 30]]], np.uint8)
    fg_bg = np.array([[[15, 0, 255]]], np.uint8)
    assert pairs.differences(bg, fg_bg).tolist() == [[225]]
    assert pairs.differences(fg_bg, bg).tolist() == [[225]]


def test_lengths_are_thousandths_of_the_width():
    pair = pairs.Pair(*[np.zeros((40, 250, 3))] * 2, np.zeros((40, 250)))
    assert pair.pixels(8) == 2
