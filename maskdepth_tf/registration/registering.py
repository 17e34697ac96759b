"""A background as the camera of its picture would have taken it.

The network compares two pictures that differ in the foreground alone. Cameras move
and the light changes; this undoes both, in TensorFlow operations, so that training,
prediction, evaluation and exported models do the same to the bit.

Shapes: B batch, S side of the square pictures in pixels.
"""

from typing import NamedTuple

import tensorflow as tf

from maskdepth_tf.registration import choosing, comparing, geometry, light, warps

GAIN = 0.02
"""Share by which the difference must fall for another light to be believed."""
CLIPPED = (5.0, 250.0)
"""Tones at or beyond them may stand for any that is darker or brighter."""
WHOLE = 1e-3
"""Share of a pixel that is none."""


class Registered(NamedTuple):
    """A background, brought onto its picture.

    Attributes:
        bg: float32 [B, S, S, 3], whole numbers from 0 to 255. Where the background
            does not reach, the picture's own pixels.
        warp: [B, 8], as `geometry.estimate` gives it.
        light: The change of light that was believed.
    """

    bg: tf.Tensor
    warp: tf.Tensor
    light: light.Light


def register(
    bg: tf.Tensor,
    fg_bg: tf.Tensor,
    start: tf.Tensor | None = None,
    aspect: tf.Tensor | None = None,
) -> Registered:
    """Brings backgrounds onto their pictures.

    Where nothing is gained by it, a background stays as it is, bit by bit.

    Args:
        bg: float32 [B, S, S, 3], whole numbers from 0 to 255.
        fg_bg: float32 [B, S, S, 3], the same.
        start: [B, 8], warps of the frames before, in videos; see `geometry.estimate`.
        aspect: float32 [B], width by height of the pictures before they were stretched
            to squares; None if they are squares, or it is not known.
    """
    size = bg.shape[1]
    # A client's NaN in one pair must not end the others'; the network sees its own.
    shown, fg_bg = fg_bg, _finite(fg_bg)
    bg = _finite(bg)
    warp, agreement = geometry.estimate(bg, fg_bg, start, aspect)
    moved = warps.resample_sharply(bg, warp)
    change = light.estimate(moved, fg_bg, agreement)
    lit = _unclipped(light.apply(moved, change), moved, fg_bg)
    inside = warps.is_inside(warp, size, margin=0.0)
    inside = tf.reshape(inside, [-1, size, size, 1])
    weight = inside * (light.DOUBT + geometry.enlarge(agreement, size))
    gains = _cost(lit, fg_bg, weight) < (1 - GAIN) * _cost(moved, fg_bg, weight)
    chosen = choosing.by_example(gains, lit, moved)
    registered = tf.round(choosing.by_pixel(inside > 0, chosen, shown))
    pairs = zip(change, light.same(tf.shape(bg)[0]), strict=True)
    believed = (choosing.by_example(gains, ours, same) for ours, same in pairs)
    return Registered(registered, warp, light.Light(*believed))


def sample(
    bg: tf.Tensor,
    fg_bg: tf.Tensor,
    places: tuple[tf.Tensor, tf.Tensor],
    warp: tf.Tensor,
    change: light.Light,
) -> tf.Tensor:
    """Single pixels of a background, of any size, brought onto its picture.

    Args:
        bg: uint8 [H, W, 3], the background as it is.
        fg_bg: float32 [3, n], the picture's pixels.
        places: float32 [n] each, where those are, right and down, in shares of the
            picture's sides from its middle.
        warp: [8], as `register` found it.
        change: Of one picture, as `register` believed it, with B = 1.

    Returns:
        float32 [3, n], 0 to 255; the picture's own where the background does not reach.
    """
    x, y = places
    right, down = warps.at(tf.unstack(warp), x, y)
    inside = tf.maximum(tf.abs(right), tf.abs(down)) <= 0.5
    sides = tf.unstack(tf.cast(tf.shape(bg)[:2], tf.float32))
    row, column = (
        tf.clip_by_value((place + 0.5) * side - 0.5, 0.0, side - 1)
        for place, side in zip((down, right), sides, strict=True)
    )
    pixels = _pixels_at(bg, row, column)

    def lit():
        first = (part[tf.newaxis] for part in (pixels, x, y))
        return light.apply_at(*first, change)[0]

    lit_pixels = tf.cond(light.is_same(change), lambda: pixels, lit)
    return tf.where(inside, _unclipped(lit_pixels, pixels, fg_bg), fg_bg)


def _pixels_at(picture, row, column) -> tf.Tensor:
    """Pixels of uint8 [H, W, 3] at places [n] between them: float32 [3, n]."""
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    flat = tf.reshape(picture, [-1, 3])

    def at(rows, columns):
        found = tf.gather(flat, rows * width + columns)
        return tf.cast(tf.transpose(found), tf.float32)

    def nearest():
        return at(*(tf.cast(tf.round(place), tf.int32) for place in (row, column)))

    def between():
        top, left = tf.floor(row), tf.floor(column)
        first_row, first_column = (tf.cast(place, tf.int32) for place in (top, left))
        next_row = tf.minimum(first_row + 1, height - 1)
        next_column = tf.minimum(first_column + 1, width - 1)
        right, down = column - left, row - top
        upper, lower = (
            at(line, first_column) * (1 - right) + at(line, next_column) * right
            for line in (first_row, next_row)
        )
        return upper * (1 - down) + lower * down

    # A camera that did not move, as in most videos, takes a fifth of the time.
    off = tf.maximum(tf.abs(row - tf.round(row)), tf.abs(column - tf.round(column)))
    pixels = tf.cond(tf.reduce_all(off < WHOLE), nearest, between)
    pixels.set_shape([3, None])
    return pixels


def _unclipped(lit, moved, fg_bg) -> tf.Tensor:
    """What is clipped has lost how far it went: it goes as far as the picture's."""
    darkest, brightest = CLIPPED
    lit = tf.maximum(lit, fg_bg * tf.cast(moved >= brightest, tf.float32))
    return tf.minimum(lit, fg_bg + 255 * tf.cast(moved > darkest, tf.float32))


def _finite(pixels) -> tf.Tensor:
    is_finite = tf.cast(tf.math.is_finite(pixels), tf.float32)
    pixels = tf.math.multiply_no_nan(pixels, is_finite)
    return tf.clip_by_value(pixels, 0.0, 255.0)


def _cost(bg, fg_bg, weight) -> tf.Tensor:
    """Mean difference, cut off where it is the foreground's: [B]."""
    error = tf.minimum(comparing.difference(bg, fg_bg), comparing.DIFFERENCE)
    return tf.reduce_mean(weight * error, axis=[1, 2, 3])
