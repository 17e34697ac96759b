"""A background and a picture with their true mask, whole and as a network sees them."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.images import preprocessing


class Pair(NamedTuple):
    """Two pictures and the truth, of one size: their own, or the network's square.

    Attributes:
        bg: uint8 [H, W, 3], the scene alone.
        fg_bg: uint8 [H, W, 3], the scene with something in front.
        mask: uint8 [H, W], grey; 128 or more is foreground.
    """

    bg: np.ndarray
    fg_bg: np.ndarray
    mask: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """Where the foreground is: bool [H, W]."""
        return self.mask >= streams.MASK_THRESHOLD

    @property
    def opacity(self) -> np.ndarray:
        """How much of each pixel is foreground: float32 [H, W, 1] from 0 to 1."""
        return self.mask[..., None] / np.float32(255)

    def pixels(self, per_mille: float) -> float:
        """A length in thousandths of the width, in pixels."""
        return per_mille / 1000 * self.fg_bg.shape[1]


def of_size(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Brings a picture, uint8 [h, w] or [h, w, C], to the size of another one."""
    height, width = like.shape[:2]
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """Resizes as training and prediction do.

    Args:
        picture: uint8 [H, W] or [H, W, C].
        size: Side of the result, in pixels.

    Returns:
        uint8 [size, size] or [size, size, C].
    """
    pixels = picture[..., None] if picture.ndim == 2 else picture
    small = _resizer(size)(pixels).numpy()
    return small[..., 0] if picture.ndim == 2 else small


@functools.cache
def _resizer(size: int) -> Callable[[np.ndarray], tf.Tensor]:
    """`preprocessing.resize` and rounding as one graph: a third of the time."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None], tf.uint8)], autograph=False
    )
    def resize(pixels):
        return tf.cast(tf.round(preprocessing.resize(pixels, size)), tf.uint8)

    return resize


def differences(bg: np.ndarray, fg_bg: np.ndarray) -> np.ndarray:
    """The largest difference of a channel: uint8 [H, W, 3] twice to [H, W]."""
    # Of the whole, `max` over an axis of 3 takes ten times as long.
    red, green, blue = cv2.split(cv2.absdiff(bg, fg_bg))
    return cv2.max(cv2.max(red, green), blue)
