"""Masks as sharp as the picture: alpha at its own size, with the background known.

The network's mask, S pixels on a side, tells where the edges are, and the pixels of
the pair what happens there. A pixel C on an edge is a mix of the foreground F, whose
colour is that of the sure foreground nearby, and the background B, which is known:

    C = a F + (1 - a) B        a = <C - B, F - B> / |F - B|^2

What no mix explains is foreground of another colour. Where F and B are alike, the
network's own mask stands. And a never leaves the range that the mask has around a
pixel, so that shadows away from an edge stay what the network took them for.

Only pixels near an edge are looked at: the rest is the network's mask, stretched.

Shapes: H and W the picture's size, S the side of the network's square, n pixels.
"""

from typing import NamedTuple

import tensorflow as tf

from maskdepth_tf.network import answers
from maskdepth_tf.registration import light, registering

SURE = (0.05, 0.95)
"""A mask that is beyond them, all around a cell, has no edge there."""
FOREGROUND = 0.9
"""Least mask of a cell whose colour counts as the foreground's."""
NEARBY = (5, 15)
"""Sides of the windows, in cells, in which the foreground's colour is looked for."""
ALIKE = 30.0
"""Distance of two colours, of 255, at which the mix says half as much as the mask."""
UNEXPLAINED = (25.0, 70.0)
"""Distance from all mixes from which a pixel is foreground, a little and wholly."""


class Pair(NamedTuple):
    """A pair at its own size, and what was found at the network's.

    Attributes:
        bg: uint8 [H', W', 3].
        fg_bg: uint8 [H, W, 3].
        shown: float32 [S, S, 3], the picture as the network saw it.
        mask: float32 [S, S, 1], its answer, 0 to 1.
        warp: [6], as `registering.register` found it.
        curves: [3, 4], that of its light.
        gain: [5], the same.
    """

    bg: tf.Tensor
    fg_bg: tf.Tensor
    shown: tf.Tensor
    mask: tf.Tensor
    warp: tf.Tensor
    curves: tf.Tensor
    gain: tf.Tensor


def refine(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
    """Alpha and colours of the foreground, at the picture's own size.

    Returns:
        alpha: float32 [H, W, 1], 0 to 1.
        foreground: uint8 [H, W, 3], the picture's pixels, less the background that
            shows through them at edges.
    """
    height, width = tf.shape(pair.fg_bg)[0], tf.shape(pair.fg_bg)[1]
    stretched = answers.stretch(pair.mask, height, width)
    least, most = (_extreme(pair.mask, sign) for sign in (-1, 1))
    has_edge = (most > SURE[0]) & (least < SURE[1])
    pixels = _pixels_of(has_edge[..., 0], height, width)
    flat = pixels[:, 0] * width + pixels[:, 1]
    size = tf.cast(tf.stack([height, width]), tf.float32)
    places = (tf.cast(pixels, tf.float32) + 0.5) / size  # down and right, 0 to 1
    colour = tf.gather(tf.reshape(pair.fg_bg, [-1, 3]), flat)
    colour = tf.cast(colour, tf.float32)
    behind = registering.sample(
        pair.bg,
        colour,
        tf.reverse(places, [1]) - 0.5,
        pair.warp,
        light.Light(pair.curves[tf.newaxis], pair.gain[tf.newaxis]),
    )
    around = tf.concat([_foreground_colour(pair), pair.mask, least, most], axis=-1)
    front, mask, least, most = tf.split(_at(around, places), [3, 1, 1, 1], axis=1)
    alpha = _mix(colour, behind, front, mask)
    alpha = tf.clip_by_value(alpha, least, most)
    own = (colour - (1 - alpha) * behind) / tf.maximum(alpha, 1 / 255)
    # Of next to nothing no colour can be told: it is that of what is near.
    own = tf.where(alpha > 0.1, own, front)
    own = tf.cast(tf.round(tf.clip_by_value(own, 0.0, 255.0)), tf.uint8)
    return (
        _put(stretched, flat, alpha),
        _put(pair.fg_bg, flat, own),
    )


def _mix(colour, behind, front, mask) -> tf.Tensor:
    """Share of the foreground in pixels: [n, 3] each, mask [n, 1] -> [n, 1]."""
    step, change = front - behind, colour - behind
    length = tf.reduce_sum(step**2, axis=1, keepdims=True)
    share = tf.reduce_sum(step * change, axis=1, keepdims=True) / (length + 1.0)
    share = tf.clip_by_value(share, 0.0, 1.0)
    rest = tf.norm(change - share * step, axis=1, keepdims=True)
    least, most = UNEXPLAINED
    share = tf.maximum(share, tf.clip_by_value((rest - least) / (most - least), 0, 1))
    trust = length / (length + ALIKE**2)
    return trust * share + (1 - trust) * mask


def _extreme(mask, sign) -> tf.Tensor:
    """Greatest (sign 1) or least (-1) value of a cell and those around it."""
    return sign * tf.nn.max_pool2d(sign * mask[tf.newaxis], 3, 1, "SAME")[0]


def _foreground_colour(pair) -> tf.Tensor:
    """Colour of the sure foreground around each cell, [S, S, 3]."""
    is_sure = tf.cast(_extreme(pair.mask, -1) > FOREGROUND, tf.float32)
    found = pair.shown
    for window in reversed(NEARBY):
        total = tf.concat([is_sure * pair.shown, is_sure], axis=-1)
        mean = tf.nn.avg_pool2d(total[tf.newaxis], window, 1, "SAME")[0]
        found = tf.where(mean[..., 3:] > 0, mean[..., :3] / mean[..., 3:], found)
    return found


def _pixels_of(has_edge, height, width) -> tf.Tensor:
    """Rows and columns of the pixels in cells with an edge: int32 [n, 2].

    Some come twice, where cells and pixels have no common border.
    """
    side = has_edge.shape[0]
    size = tf.stack([height, width])
    cells = tf.cast(tf.where(has_edge), tf.int32)
    step = -(-size // side)
    inner = tf.stack(
        tf.meshgrid(tf.range(step[0]), tf.range(step[1]), indexing="ij"), axis=-1
    )
    first = cells * size // side
    pixels = first[:, tf.newaxis] + tf.reshape(inner, [1, -1, 2])
    return tf.reshape(tf.minimum(pixels, size - 1), [-1, 2])


def _at(image, places) -> tf.Tensor:
    """Pixels of [S, S, C] at places from 0 to 1, down and right: [n, C], bilinear."""
    side, channels = image.shape[0], image.shape[-1]
    moved = tf.clip_by_value(places * side - 0.5, 0.0, side - 1.0)
    first = tf.minimum(tf.floor(moved), side - 2.0)
    row, column = tf.unstack(tf.cast(first, tf.int32), axis=1)
    down, right = (part[:, tf.newaxis] for part in tf.unstack(moved - first, axis=1))
    flat, place = tf.reshape(image, [-1, channels]), row * side + column
    upper = tf.gather(flat, place) * (1 - right) + tf.gather(flat, place + 1) * right
    place += side
    lower = tf.gather(flat, place) * (1 - right) + tf.gather(flat, place + 1) * right
    return upper * (1 - down) + lower * down


def _put(image, flat, values) -> tf.Tensor:
    """An image with some of its pixels replaced."""
    shape = tf.shape(image)
    rows = tf.reshape(image, [-1, shape[-1]])
    return tf.reshape(
        tf.tensor_scatter_nd_update(rows, flat[:, tf.newaxis], values), shape
    )
