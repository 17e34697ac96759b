"""Warps: where the points of a picture are in its background.

A warp maps points of `fg_bg` to points of `bg`, u = (A x + t) / (1 + p x), in shares of
the side with (0, 0) in the middle: [B, 8], the rows of [A | t] and p. Its movement is
the same in other words, [B, 8]: zoom, turn [radians], stretch, shear, shift right and
down, tilt right and down. It is that of the picture as it was taken, before it was
stretched to a square, and its area is 1: in the square a turn is a shear too, and no
camera shears.

Shapes: B batch, S side of a square picture in pixels.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from maskdepth_tf.registration import choosing, windows

STILL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""The warp of a camera that did not move."""
LEAST_FAR = 0.1
"""Points are at most so much nearer than the middle."""


def of_movement(movement: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The warp of a movement.

    Args:
        movement: [B, 8].
        width: Of the picture as it was taken, its area being 1, [B].
    """
    zoom, turn, stretch, shear, *shift_and_tilt = tf.unstack(movement, axis=1)
    right, down, tilt_right, tilt_down = shift_and_tilt
    aspect = width**2
    first = [1 + zoom + stretch, (shear - turn) / aspect, right / width]
    second = [(shear + turn) * aspect, 1 + zoom - stretch, down * width]
    return tf.stack([*first, *second, tilt_right * width, tilt_down / width], axis=1)


def movement(warp: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The movement of a warp; as `of_movement`."""
    a, b, right, d, e, down, tilt_right, tilt_down = tf.unstack(warp, axis=1)
    b, d = b * width**2, d / width**2
    first = [(a + e) / 2 - 1, (d - b) / 2, (a - e) / 2, (b + d) / 2]
    shift = [right * width, down / width]
    return tf.stack([*first, *shift, tilt_right / width, tilt_down * width], axis=1)


def after_shifts(warps: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Warps without tilt [B, n, 8] of what shifts [B, n, 2] give, down and right."""
    a, b, _, d, e, _, p, q = tf.unstack(warps, axis=-1)
    down, right = tf.unstack(shifts, axis=-1)
    moved = [a * right + b * down, d * right + e * down]
    return tf.stack([a, b, moved[0], d, e, moved[1], p, q], axis=-1)


def chain_inverse(warp: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The warp of what the inverse of the change gives."""
    last = tf.ones_like(warp[:, :1])
    whole, back = (
        tf.reshape(tf.concat([part, last], axis=1), [-1, 3, 3])
        for part in (warp, change)
    )
    chained = tf.reshape(tf.matmul(whole, tf.linalg.inv(back)), [-1, 9])
    return chained[:, :8] / chained[:, 8:]


def is_tilted(warp: tf.Tensor) -> tf.Tensor:
    """Which warps are no affine ones: [B, 8] -> bool [B]."""
    return tf.reduce_any(tf.not_equal(warp[:, 6:], 0.0), axis=1)


def untilted(warp: tf.Tensor) -> tf.Tensor:
    """Warps [B, 8] without their tilt."""
    return tf.concat([warp[:, :6], tf.zeros_like(warp[:, 6:])], axis=1)


def at(warp: Sequence, x, y) -> tuple:
    """Where points of the picture are in the background.

    Args:
        warp: Its 8 values, each one that can be multiplied with the points.
        x: Points of the picture, in shares of its side from its middle, to the right.
        y: The same, downwards.
    """
    a, b, c, d, e, f, g, h = warp
    # Nothing that is believed comes near to 0; what is tried may.
    far = tf.maximum(1.0 + g * x + h * y, LEAST_FAR)
    return (a * x + b * y + c) / far, (d * x + e * y + f) / far


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of all pixels, float32 [side * side] in shares of the side."""
    line = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    return np.tile(line, side), np.repeat(line, side)


def is_inside(warp: tf.Tensor, side: int, margin: float) -> tf.Tensor:
    """Which pixels of a picture the background shows.

    Args:
        warp: [B, 8].
        side: Of the picture, in pixels.
        margin: Pixels that they must be away from the background's border.

    Returns:
        float32 [B, side * side], 0 or 1.
    """
    right, down = at(tf.split(warp, 8, axis=1), *grid(side))
    far = tf.maximum(tf.abs(right), tf.abs(down))
    return tf.cast(far <= 0.5 - (margin + 0.5) / side + 1e-6, tf.float32)


def resample(
    image: tf.Tensor, warp: tf.Tensor, side: int | None = None, border: str = "NEAREST"
) -> tf.Tensor:
    """[B, S, S, C] at the warped places, bilinear.

    Args:
        image: The picture.
        warp: [B, 8].
        side: Side of the result, in pixels; S if None.
        border: What is beyond it: "NEAREST", the pixels on it, or "REFLECT".
    """
    size = image.shape[1]
    side = size if side is None else side
    a, b, c, d, e, f, g, h = tf.unstack(warp, axis=1)
    scale, middle = size / side, size / 2 - 0.5
    back = side / 2 - 0.5
    # Of pixels, the first one at 0, and with 1 as the last of nine values.
    g, h = 1 / side * g, 1 / side * h
    last = 1.0 - back * (g + h)
    rows = [
        value
        for one, other, shift in ((a, b, c), (d, e, f))
        for value in (
            scale * one + middle * g,
            scale * other + middle * h,
            size * shift + middle * last - scale * back * (one + other),
        )
    ]
    transforms = tf.stack([*rows, g, h], axis=1) / last[:, tf.newaxis]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image,
        transforms=transforms,
        output_shape=[side, side],
        interpolation="BILINEAR",
        fill_mode=border,
        fill_value=0.0,
    )


def resample_sharply(
    image: tf.Tensor, warp: tf.Tensor, border: str = "NEAREST"
) -> tf.Tensor:
    """[B, S, S, C] at the warped places, from twice as many pixels by cubics.

    Where nothing moved, the pixels themselves. `border` as `resample`.
    """
    is_still = tf.reduce_all(tf.equal(warp, STILL), axis=1)

    def moved():
        pixels = resample(windows.doubled(image), warp, image.shape[1], border)
        pixels = tf.clip_by_value(pixels, 0.0, 255.0)
        return choosing.by_example(is_still, image, pixels)

    # Most cameras stand still.
    return tf.cond(tf.reduce_all(is_still), lambda: image, moved)
