"""Pairs with answers that no network gave."""

import numpy as np

from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import loading
from maskdepth_tf.registration import comparing, registering


def seen(pixels, side):
    return np.uint8(np.rint(preprocessing.resize(pixels, side)))


def answer_of(small_bg, small, foreground, mask=None, depth=None):
    floats = (x[np.newaxis].astype(np.float32) for x in (small_bg, small))
    found = registering.register(*floats)
    mismatch = comparing.mismatch(found.bg, np.float32(small[np.newaxis]))
    parts = (found.bg, found.warp, mismatch)
    parts = (small_bg, small, *(part[0].numpy() for part in parts))
    return loading.Answer(mask, depth, foreground, *parts)
