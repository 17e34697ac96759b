"""Weighted means around the pixels of a picture, as products with banded matrices.

A separable window slides over a whole picture by one product from the left and one from
the right. On a CPU that takes a tenth to a hundredth of the time of pooling or
convolving a few channels with a stride of 1. Enlarging and shrinking are the same.
"""

import functools

import numpy as np
import tensorflow as tf

MIRRORED, CUT = "mirrored", "cut"
"""What windows hold beyond a picture's border: its mirror image, or nothing."""


def slide(image: tf.Tensor, weights: tuple[float, ...], border: str) -> tf.Tensor:
    """Takes the weighted mean around each pixel.

    Args:
        image: float32 [B, S, S, C].
        weights: Of the pixels of a line, of which the one in the middle is the pixel's;
            the window's are their products. They are made to sum to 1.
        border: `MIRRORED`, with the pixels on the border once more, or `CUT`.

    Returns:
        float32 [B, S, S, C].
    """
    return _product(image, band(image.shape[1], weights, border))


def doubled(image: tf.Tensor) -> tf.Tensor:
    """[B, S, S, C] -> [B, 2S, 2S, C], by cubics as `tf.image.resize`."""
    side = image.shape[1]
    if not tf.config.list_physical_devices("GPU"):
        return tf.image.resize(image, (2 * side, 2 * side), "bicubic")
    # That has a kernel for CPUs alone, where it takes a third of the product's time.
    return _product(image, _doubling(side))


def shrunk(image: tf.Tensor, side: int) -> tf.Tensor:
    """[B, S, S, C] -> [B, side, side, C], means over the area of each new pixel."""
    return _product(image, _shares(image.shape[1], side))


def _product(image, matrix) -> tf.Tensor:
    """Lines and columns of [B, S, S, C] by [T, S]: [B, T, T, C]."""
    turned = tf.constant(matrix.T)  # once in the graph
    lines = times(tf.transpose(image, [0, 3, 1, 2]), turned)
    columns = times(tf.linalg.matrix_transpose(lines), turned)
    return tf.transpose(columns, [0, 3, 2, 1])


def times(values: tf.Tensor, matrix: np.ndarray | tf.Tensor) -> tf.Tensor:
    """[B, ..., S] by [S, T]: [B, ..., T], as `tf.tensordot` in a third of its graph."""
    # Not `matmul` alone, for the reason given in `similarity.ssim_map`.
    lines = tf.matmul(tf.reshape(values, [-1, matrix.shape[0]]), matrix)
    return tf.reshape(lines, [-1, *values.shape[1:-1], matrix.shape[1]])


@functools.cache
def _doubling(side) -> np.ndarray:
    """What doubles a line of pixels as a matrix, float32 [2 * side, side]."""
    with tf.init_scope(), tf.device("CPU:0"):
        each = np.eye(side, dtype=np.float32)[..., np.newaxis]
        return tf.image.resize(each, (2 * side, side), "bicubic")[..., 0].numpy()


@functools.cache
def _shares(size, side) -> np.ndarray:
    """How much of `side` pixels is of each of `size` in a line: [side, size]."""
    edges, first = np.arange(side + 1)[:, np.newaxis] * size / side, np.arange(size)
    common = np.minimum(edges[1:], first + 1) - np.maximum(edges[:-1], first)
    return (np.maximum(common, 0) * side / size).astype(np.float32)


def mean(image: tf.Tensor, window: int, border: str) -> tf.Tensor:
    """`slide` with equal weights; `window` is the side, in pixels, and odd."""
    return slide(image, (1.0,) * window, border)


def plane_means(planes: tf.Tensor, window: int) -> tf.Tensor:
    """`mean` of planes, float32 [C, S, S], cut at the border, by sums of sums.

    The sum of 15 neighbours is that of 1, 2, 4 and 8 of them. Of larger pictures and
    windows that takes half of the product's time.
    """
    counts = _sums(np.ones((1, 1, planes.shape[2]), np.float32), window, axis=2)
    for axis in (1, 2):
        planes = _sums(planes, window, axis)
    return planes / (counts * tf.transpose(counts, [0, 2, 1]))


def _sums(planes, window, axis) -> tf.Tensor:
    """Sums of `window` neighbours along an axis, nothing being beyond the border."""
    around = [[0, 0]] * 3
    around[axis] = [window // 2] * 2
    size, parts, width, first = planes.shape[axis], [], 1, 0
    sums = tf.pad(planes, around)  # of `width` neighbours, from each place on

    def some(start, count):
        begin, length = [0, 0, 0], [-1, -1, -1]
        begin[axis], length[axis] = start, count
        return tf.slice(sums, begin, length)

    while True:
        if window & width:
            parts.append(some(first, size))
            first += width
        if 2 * width > window:
            return tf.add_n(parts)
        count = sums.shape[axis] - width
        sums, width = some(0, count) + some(width, count), 2 * width


@functools.cache
def band(size: int, weights: tuple[float, ...], border: str) -> np.ndarray:
    """The means along a line of pixels as a matrix, float32 [size, size]."""
    matrix = np.zeros((size, size))
    for offset, weight in enumerate(weights, -(len(weights) // 2)):
        columns = np.arange(size) + offset
        beyond = (columns < 0) | (columns >= size)
        mirrored = np.where(columns < 0, -1 - columns, 2 * size - 1 - columns)
        columns = np.where(beyond, mirrored, columns)
        kept = ~beyond if border == CUT else np.ones(size, bool)
        np.add.at(matrix, (np.arange(size)[kept], columns[kept]), weight)
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
