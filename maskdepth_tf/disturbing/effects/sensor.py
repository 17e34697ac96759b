"""What lens, sensor and file make of a picture: uint8 [H, W, 3] to the same."""

import math

import cv2
import numpy as np
import tensorflow as tf

from maskdepth_tf.images import encoding, preprocessing


def noise(picture: np.ndarray, sigma: float, draws: np.random.Generator) -> np.ndarray:
    """Adds normal noise of deviation `sigma`, of 255, to every value by itself."""
    grain = draws.standard_normal(picture.shape, np.float32)
    return np.rint(np.clip(picture + sigma * grain, 0, 255)).astype(np.uint8)


def focus_blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Blurs by a Gaussian of deviation `sigma` [pixels]."""
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def motion_blur(picture: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Blurs along a line.

    Args:
        picture: uint8 [H, W, 3].
        length: Of the line, in pixels.
        angle: Its direction, in radians.
    """
    kernel = line(length, angle)
    return cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def line(length: float, angle: float) -> np.ndarray:
    """A line through the middle of a square: float64 [n, n], n odd, of sum 1."""
    reach = math.ceil(length / 2)
    # Points along the way, each shared among its pixels by a bilinear weight.
    steps = np.linspace(-length / 2, length / 2, 4 * reach + 1)
    ends = reach + np.outer(steps, [math.cos(angle), math.sin(angle)])
    near = np.maximum(0, 1 - np.abs(ends[:, :, None] - np.arange(2 * reach + 1)))
    return near[:, 1].T @ near[:, 0] / len(steps)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Writes a picture as JPEG of a quality, 1 to 100, and reads it again."""
    data = encoding.encode_jpeg(picture, quality)
    return preprocessing.decode_rgb(tf.constant(data)).numpy()
