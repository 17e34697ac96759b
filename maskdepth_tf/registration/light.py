"""How the light changed between two pictures of one place, pixel by pixel aligned.

For each channel a curve of tones, times a gain that varies slowly over the picture,

    y = (a0 + a1 sqrt(x) + a2 x + a3 x^2) (1 + b1 X + b2 Y + b3 X^2 + b4 X Y + b5 Y^2)

with pixels x, y in shares of white and X, Y from -1 to 1 across the picture. The
foreground lets go: the fit starts on pixels whose contrasts agree and is repeated,
with weights that fall as a pixel's difference grows, ever more strictly. Highlights
and shadows that are clipped do not count.

Shapes: B batch, S side of a square picture in pixels.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.registration import geometry, warps, windows

SIDE = 32
"""Pictures are halved while their side stays at least this, in pixels."""
CLEAR = (0.03, 0.97)
"""Tones between them are not clipped."""
STRICTNESS = (0.3, 0.2, 0.12, 0.08, 0.05, 0.04)
"""Difference at which a pixel's weight is a quarter, for each round."""
DOUBT = 0.1
"""Weight that a pixel has although its contrast tells nothing for it."""
CURVE_DEVIATIONS = (0.03, 0.2, 0.5, 0.2)
"""Deviations that are expected of a curve's coefficients, from those of no change."""
GAIN_DEVIATIONS = (0.2, 0.2, 0.1, 0.1, 0.1)
NOISE = 0.05
"""Deviation of a tone between equal pictures."""
INDEPENDENT = 0.05
"""Share of the pixels that tells something of its own."""
_SAME = (0.0, 0.0, 1.0, 0.0)


class Light(NamedTuple):
    """A change of light.

    Attributes:
        curves: Coefficients a of each channel, [B, 3, 4].
        gain: Coefficients b, [B, 5].
    """

    curves: tf.Tensor
    gain: tf.Tensor


def estimate(bg: tf.Tensor, fg_bg: tf.Tensor, agreement: tf.Tensor) -> Light:
    """Fits the change of light from a background to its picture.

    Args:
        bg: float32 [B, S, S, 3], 0 to 255, aligned to `fg_bg`.
        fg_bg: float32 [B, S, S, 3], 0 to 255.
        agreement: [B, s, s, 1], how far pixels agree in contrast; s divides S.
    """
    side = bg.shape[1]
    while side % 2 == 0 and side // 2 >= SIDE:
        side //= 2
    side = min(side, agreement.shape[1])
    tones, aim = (_tones(geometry.pool(x, side)) for x in (bg, fg_bg))
    trust = tf.reshape(geometry.pool(agreement, side), [-1, 1, side**2])
    least, most = CLEAR
    clear = (tones > least) & (tones < most) & (aim > least) & (aim < most)
    clear, terms = tf.cast(clear, tf.float32), _curve_terms(tones)
    shape = _shape(*warps.grid(side))
    curve_prior, gain_prior = (
        NOISE**2 / INDEPENDENT / np.square(deviations).astype(np.float32)
        for deviations in (CURVE_DEVIATIONS, GAIN_DEVIATIONS)
    )
    trust, strictness = (DOUBT + trust) * clear, tf.constant(STRICTNESS)

    def fit(i, curves, gain, weight):
        field = _field(shape, gain)
        curves = _fit(terms * field[:, :, tf.newaxis], aim, weight, curve_prior, _SAME)
        tone = _sum(terms, curves)
        # All channels at once: sums over them are those of one with three times the
        # pixels.
        square, rest = (
            tf.reduce_sum(weight * tone * value, axis=1) for value in (tone, aim - tone)
        )
        normal = windows.times(shape * square[:, tf.newaxis], shape.T)
        normal += tf.linalg.diag(gain_prior)
        moved = windows.times(rest, shape.T)
        gain = tf.linalg.solve(normal, moved[..., tf.newaxis])[..., 0]
        tone *= _field(shape, gain)
        error = tf.reduce_max(tf.abs(tone - aim) * clear, axis=1, keepdims=True)
        return i + 1, curves, gain, trust / (1 + (error / strictness[i]) ** 2) ** 2

    # A loop, not a row of six: a graph of half the size loads in half the time.
    start = (0, *same(tf.shape(bg)[0]), trust)
    light = tf.while_loop(lambda i, *_: i < len(STRICTNESS), fit, start)[1:3]
    return Light(*light)


def _fit(terms, aim, weight, prior, expected) -> tf.Tensor:
    """Least squares, [..., K, n] and [..., n] to coefficients [..., K]."""
    weighted = terms * weight[..., tf.newaxis, :]
    normal = tf.matmul(weighted, terms, transpose_b=True) + tf.linalg.diag(prior)
    moved = tf.linalg.matvec(weighted, aim) + prior * expected
    return tf.linalg.solve(normal, moved[..., tf.newaxis])[..., 0]


def _sum(terms, coefficients) -> tf.Tensor:
    """[..., K, n] and [..., K] -> [..., n]."""
    return tf.reduce_sum(terms * coefficients[..., tf.newaxis], axis=-2)


def _field(shape, gain) -> tf.Tensor:
    """[5, n] or [B, 5, n] and the gain's coefficients [B, 5] -> [B, 1, n]."""
    return 1 + tf.reduce_sum(shape * gain[:, :, tf.newaxis], axis=1, keepdims=True)


def apply(bg: tf.Tensor, light: Light) -> tf.Tensor:
    """A background in the light of its picture.

    Args:
        bg: float32 [B, S, S, 3], 0 to 255.
        light: As `estimate` gives it.

    Returns:
        float32 [B, S, S, 3], 0 to 255.
    """
    side = bg.shape[1]
    pixels = _lit(_tones(bg), _shape(*warps.grid(side)), light)
    return tf.reshape(tf.transpose(pixels, [0, 2, 1]), [-1, side, side, 3])


def apply_at(pixels: tf.Tensor, x: tf.Tensor, y: tf.Tensor, light: Light) -> tf.Tensor:
    """Single pixels of a background in the light of its picture.

    Args:
        pixels: float32 [B, 3, n], 0 to 255.
        x: [B, n], where they are in the picture, in shares of the side from its middle.
        y: The same, downwards.
        light: As `estimate` gives it.

    Returns:
        float32 [B, 3, n], 0 to 255.
    """
    return _lit(pixels / 255, _shape(x, y), light)


def same(count: tf.Tensor) -> Light:
    """No change of light, of so many pictures."""
    return Light(tf.tile([[_SAME] * 3], [count, 1, 1]), tf.zeros([count, 5]))


def is_same(change: Light) -> tf.Tensor:
    """Whether all of these are no change of light: bool."""
    return tf.reduce_all(tf.equal(change.curves, _SAME)) & tf.reduce_all(
        tf.equal(change.gain, 0.0)
    )


def _lit(tones, shape, light) -> tf.Tensor:
    """[B, 3, n] and what the gain's coefficients multiply -> [B, 3, n], 0 to 255."""
    # The sum of `_curve_terms`, which would be four times as many numbers.
    base, root, line, square = tf.unstack(light.curves[..., tf.newaxis], axis=2)
    tones = base + root * tf.sqrt(tones) + (line + square * tones) * tones
    tones *= _field(shape, light.gain)
    return 255 * tf.clip_by_value(tones, 0.0, 1.0)


def _tones(pixels) -> tf.Tensor:
    """[B, s, s, 3] -> [B, 3, s * s], 1.0 being white."""
    flat = tf.reshape(pixels, [-1, pixels.shape[1] ** 2, 3])
    return tf.transpose(flat, [0, 2, 1]) / 255


def _curve_terms(tones) -> tf.Tensor:
    """[B, 3, n] -> what a curve's coefficients multiply, [B, 3, 4, n]."""
    return tf.stack([tf.ones_like(tones), tf.sqrt(tones), tones, tones**2], axis=2)


def _shape(x, y):
    """What the gain's coefficients multiply, [..., 5, n], at places in shares."""
    x, y = 2 * x, 2 * y
    stack = np.stack if isinstance(x, np.ndarray) else tf.stack
    return stack([x, y, x * x, x * y, y * y], axis=-2)
