"""Structural similarity of two maps, in two equal forms.

    ssim = (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))

with Gaussian-weighted means m, variances s^2 and covariance s_ab around each
pixel, sigma 1.5, c1 = (0.01 max_val)^2, c2 = (0.03 max_val)^2: the constants of
`tf.image.ssim`.

A Gaussian window is separable, so that blurring a whole picture is a product with
one banded matrix from the left and one from the right. On a CPU that is many times
faster than the depthwise convolution inside `tf.image.ssim`, forward and backward.

Reference: Wang et al., "Image Quality Assessment: From Error Visibility to
Structural Similarity", IEEE Transactions on Image Processing, 2004.
"""

import functools

import numpy as np
import tensorflow as tf

PADDINGS = ("valid", "reflect")
IMPLEMENTATIONS = ("banded", "tf")

_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03


@functools.cache
def blur_matrix(size: int, filter_size: int, padding: str) -> np.ndarray:
    """The Gaussian blur of a line of pixels, as a matrix.

    Args:
        size: Pixels of the line.
        filter_size: Pixels of the window; odd.
        padding: "valid" keeps windows that fit; "reflect" mirrors the line at its
            ends, without repeating the end pixel.

    Returns:
        float32 [size - filter_size + 1, size] or, padded, [size, size]; rows sum to 1.
    """
    radius = filter_size // 2
    offsets = np.arange(-radius, radius + 1)
    window = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    window /= window.sum()
    centers = (
        np.arange(size) if padding == "reflect" else np.arange(radius, size - radius)
    )
    matrix = np.zeros((len(centers), size))
    for row, center in enumerate(centers):
        columns = np.abs(center + offsets)
        columns = np.where(columns < size, columns, 2 * (size - 1) - columns)
        np.add.at(matrix[row], columns, window)
    return matrix.astype("float32")


def check_window(
    size: int, filter_size: int, padding: str, implementation: str
) -> None:
    """Refuses windows that do not fit and unknown names.

    Args:
        size: The maps' smaller side, in pixels.
        filter_size: Side of the window, in pixels.
        padding: One of `PADDINGS`.
        implementation: One of `IMPLEMENTATIONS`.

    Raises:
        ValueError: If one of them is not possible.
    """
    if filter_size < 1 or filter_size % 2 == 0:
        raise ValueError(
            "`filter_size` must be a positive odd number of pixels. "
            f"Received: filter_size={filter_size}"
        )
    for key, value, choices in (
        ("padding", padding, PADDINGS),
        ("implementation", implementation, IMPLEMENTATIONS),
    ):
        if value not in choices:
            raise ValueError(
                f"`{key}` must be one of {', '.join(choices)}. Received: {key}={value}"
            )
    needed = filter_size if padding == "valid" else filter_size // 2 + 1
    if size < needed:
        raise ValueError(
            f"maps must be at least {needed} pixels wide and high for "
            f"filter_size={filter_size} with {padding} padding. Received: {size} pixels"
        )


def ssim_map(
    a: tf.Tensor,
    b: tf.Tensor,
    max_val: float = 1.0,
    filter_size: int = 11,
    padding: str = "valid",
    implementation: str = "banded",
) -> tf.Tensor:
    """SSIM around each pixel.

    Args:
        a: [B, H, W, 1] in [0, max_val].
        b: [B, H, W, 1] in [0, max_val].
        max_val: Width of the value range.
        filter_size: Side of the Gaussian window, in pixels; odd.
        padding: "valid" or "reflect".
        implementation: "banded" (products with banded matrices) or "tf"
            (`tf.image.ssim`); equal to about 1e-6.

    Returns:
        float32 [B, H', W'] in [-1, 1]; smaller by `filter_size - 1` unless padded.

    Raises:
        ValueError: If the window does not fit or a name is unknown.
    """
    height, width = a.shape[1:3]
    check_window(min(height, width), filter_size, padding, implementation)
    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    if implementation == "tf":
        return _ssim_map_tf(a, b, max_val, filter_size, padding)
    rows = blur_matrix(height, filter_size, padding)
    columns = blur_matrix(width, filter_size, padding).T
    a, b = a[..., 0], b[..., 0]
    stacked = tf.stack([a, b, a**2 + b**2, (a - b) ** 2])
    # One picture side at a time; all four moments of a batch in two products. Not
    # `matmul`: where it repeats a matrix for a batch of one, TensorFlow 2.21 writes
    # past its buffer (tensorflow/tensorflow issue 117700).
    blurred = tf.linalg.matrix_transpose(tf.tensordot(stacked, columns, 1))
    blurred = tf.tensordot(blurred, rows.T, 1)  # [4, B, W', H']
    mean_a, mean_b, squares, differences = tf.unstack(blurred)
    c1, c2 = (_K1 * max_val) ** 2, (_K2 * max_val) ** 2
    mean_squares, mean_difference = mean_a**2 + mean_b**2, (mean_a - mean_b) ** 2
    # 2 a b as a^2 + b^2 - (a - b)^2, so that equal maps score 1 in any rounding.
    luminance = 1 - mean_difference / (mean_squares + c1)
    structure = 1 - (differences - mean_difference) / (squares - mean_squares + c2)
    return tf.linalg.matrix_transpose(luminance * structure)


def _ssim_map_tf(a, b, max_val, filter_size, padding):
    if padding == "reflect":
        radius = filter_size // 2
        border = [[0, 0], [radius, radius], [radius, radius], [0, 0]]
        a, b = tf.pad(a, border, "REFLECT"), tf.pad(b, border, "REFLECT")
    return tf.image.ssim(
        a, b, max_val=max_val, filter_size=filter_size, return_index_map=True
    )


def ssim(a: tf.Tensor, b: tf.Tensor, **kwargs) -> tf.Tensor:
    """Mean SSIM of each pair, [B] in [-1, 1]; takes the arguments of `ssim_map`."""
    return tf.reduce_mean(ssim_map(a, b, **kwargs), axis=[1, 2])


def ssim_to_dssim(value: tf.Tensor) -> tf.Tensor:
    """Similarity in [-1, 1], 1 best -> dissimilarity in [0, 1], 0 best."""
    return (1.0 - value) / 2.0
