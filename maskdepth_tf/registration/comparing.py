"""How far a background fits its picture, once it was brought onto it.

Shapes: B batch, S side of the square pictures in pixels.
"""

import tensorflow as tf

from maskdepth_tf.registration import geometry, windows

DIFFERENCE = 30
"""Difference in some channel, of 255, from which a pixel is unlike."""
AROUND = 7
"""Side of the window in which pictures vary, in pixels."""
DETAIL = 8.0
"""Deviation of the grey there, of 255, that makes half a detail."""
ALIKE = (0.5, 0.9)
"""Correlations there at which the picture shows none of it, and all."""
PRIOR = 0.01
"""Share of the pixels that are reckoned as details before there are any."""


def mismatch(bg: tf.Tensor, fg_bg: tf.Tensor) -> tf.Tensor:
    """Share of the background's details that the picture does not show.

    A detail is a pixel around which the background varies; the picture shows it as far
    as it varies alike. What stands in front hides those behind it alone, however unlike
    it is; a picture of another place shows next to none. Where the background is plain,
    the share of unlike pixels tells.

    Args:
        bg: float32 [B, S, S, 3], 0 to 255.
        fg_bg: float32 [B, S, S, 3], 0 to 255.

    Returns:
        float32 [B], 0 to 1.
    """
    # Squares of tones up to 255 would lose what small variances differ by.
    ours, theirs = (geometry.working_grey(pixels) - 128 for pixels in (bg, fg_bg))
    mean, their_mean = _around(ours), _around(theirs)
    variance = _around(tf.square(ours)) - tf.square(mean)
    their_variance = _around(tf.square(theirs)) - tf.square(their_mean)
    covariance = _around(ours * theirs) - mean * their_mean
    # Of what does not vary by a whole tone there is nothing to tell. Graphs turn powers
    # and divisions by roots and constants into products, eager execution does not.
    inverse = tf.math.rsqrt(tf.maximum(variance * their_variance, 1.0))
    none, all_of_it = ALIKE
    detail = tf.clip_by_value(variance * (1 / DETAIL**2) - 0.5, 0.0, 1.0)
    missing = (all_of_it - covariance * inverse) * (1 / (all_of_it - none))
    missing = tf.clip_by_value(missing, 0.0, 1.0)
    lost, details = (
        tf.reduce_mean(part, axis=[1, 2, 3]) for part in (detail * missing, detail)
    )
    return (lost + PRIOR * unlike(bg, fg_bg)) / (details + PRIOR)


def unlike(bg: tf.Tensor, fg_bg: tf.Tensor) -> tf.Tensor:
    """Share of the pixels that differ, arguments and result as of `mismatch`."""
    is_unlike = difference(bg, fg_bg) > DIFFERENCE
    return tf.reduce_mean(tf.cast(is_unlike, tf.float32), axis=[1, 2, 3])


def difference(bg: tf.Tensor, fg_bg: tf.Tensor) -> tf.Tensor:
    """The greatest of the three channels', [B, S, S, 1]."""
    # `reduce_max` over so few takes twice as long.
    red, green, blue = tf.split(tf.abs(bg - fg_bg), 3, axis=-1)
    return tf.maximum(tf.maximum(red, green), blue)


def _around(values) -> tf.Tensor:
    return windows.mean(values, AROUND, windows.MIRRORED)
