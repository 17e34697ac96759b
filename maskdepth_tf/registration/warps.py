"""Warps: where the points of a picture are in its background.

A warp maps points of `fg_bg` to points of `bg`, u = A x + t, in shares of the side
with (0, 0) in the middle: [B, 6], rows of [A | t]. Its movement is the same in other
words, [B, 6]: zoom, turn [radians], stretch, shear, shift right and down. It is that of
the picture as it was taken, before it was stretched to a square, and its area is 1: in
the square a turn is a shear too, and no camera shears.

Shapes: B batch, S side of a square picture in pixels.
"""

import numpy as np
import tensorflow as tf

from maskdepth_tf.registration import choosing, windows

STILL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The warp of a camera that did not move."""


def of_movement(movement: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The warp of a movement.

    Args:
        movement: [B, 6].
        width: Of the picture as it was taken, its area being 1, [B].
    """
    zoom, turn, stretch, shear, right, down = tf.unstack(movement, axis=1)
    aspect = width**2
    first = [1 + zoom + stretch, (shear - turn) / aspect, right / width]
    second = [(shear + turn) * aspect, 1 + zoom - stretch, down * width]
    return tf.stack(first + second, axis=1)


def movement(warp: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The movement of a warp; as `of_movement`."""
    a, b, right, d, e, down = tf.unstack(warp, axis=1)
    b, d = b * width**2, d / width**2
    first = [(a + e) / 2 - 1, (d - b) / 2, (a - e) / 2, (b + d) / 2]
    return tf.stack([*first, right * width, down / width], axis=1)


def after_shifts(warps: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Warps [B, n, 6] of what shifts [B, n, 2] give, down and right, in sides."""
    a, b, _, d, e, _ = tf.unstack(warps, axis=-1)
    down, right = tf.unstack(shifts, axis=-1)
    moved = [a * right + b * down, d * right + e * down]
    return tf.stack([a, b, moved[0], d, e, moved[1]], axis=-1)


def chain_inverse(warp: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The warp of what the inverse of the change gives."""
    last = tf.tile([[0.0, 0.0, 1.0]], [tf.shape(warp)[0], 1])
    whole, back = (
        tf.reshape(tf.concat([part, last], axis=1), [-1, 3, 3])
        for part in (warp, change)
    )
    chained = tf.matmul(whole, tf.linalg.inv(back))
    return tf.reshape(chained[:, :2], [-1, 6])


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of all pixels, float32 [side * side] in shares of the side."""
    line = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    return np.tile(line, side), np.repeat(line, side)


def is_inside(warp: tf.Tensor, side: int, margin: float) -> tf.Tensor:
    """Which pixels of a picture the background shows.

    Args:
        warp: [B, 6].
        side: Of the picture, in pixels.
        margin: Pixels that they must be away from the background's border.

    Returns:
        float32 [B, side * side], 0 or 1.
    """
    x, y = grid(side)
    a, b, c, d, e, f = tf.split(warp, 6, axis=1)
    far = tf.maximum(tf.abs(a * x + b * y + c), tf.abs(d * x + e * y + f))
    return tf.cast(far <= 0.5 - (margin + 0.5) / side + 1e-6, tf.float32)


def resample(
    image: tf.Tensor, warp: tf.Tensor, side: int | None = None, border: str = "NEAREST"
) -> tf.Tensor:
    """[B, S, S, C] at the warped places, bilinear.

    Args:
        image: The picture.
        warp: [B, 6].
        side: Side of the result, in pixels; S if None.
        border: What is beyond it: "NEAREST", the pixels on it, or "REFLECT".
    """
    size = image.shape[1]
    side = size if side is None else side
    a, b, c, d, e, f = tf.unstack(warp, axis=1)
    scale, middle = size / side, size / 2 - 0.5
    back = scale * (side / 2 - 0.5)
    rows = [scale * a, scale * b, size * c + middle - back * (a + b)]
    rows += [scale * d, scale * e, size * f + middle - back * (d + e)]
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image,
        transforms=tf.stack([*rows, zero, zero], axis=1),
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
