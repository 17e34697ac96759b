"""Pairs with answers that no network gave."""

import numpy as np

from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import loading
from maskdepth_tf.registration import registering


def seen(pixels, side):
    return np.uint8(np.rint(preprocessing.resize(pixels, side)))


def answer_of(small_bg, small, foreground, mask=None, depth=None):
    floats = (x[np.newaxis].astype(np.float32) for x in (small_bg, small))
    found = registering.register(*floats)
    parts = (small_bg, small, found.bg[0].numpy(), found.warp[0].numpy())
    return loading.Answer(mask, depth, foreground, *parts)
