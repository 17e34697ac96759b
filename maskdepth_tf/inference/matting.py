"""Masks as sharp as the picture: alpha at its own size, with the background known.

The network's mask, S pixels on a side, tells where the edges are, and the pixels of
the pair what happens there. A pixel C on an edge is a mix of the foreground F, whose
colour is that of the sure foreground nearby, and the background B, which is known:

    C = a F + (1 - a) B        a = <C - B, F - B> / |F - B|^2

How far that is to be believed depends on how alike F and B are, how plain F is, and
what no mix explains; on shadows, on compression, and on the mask itself. A perceptron
of one small layer weighs it, pixel by pixel: `matting.json`, which
`benchmarks/matting.py --fit` makes of composites with true alpha.

Only pixels near an edge are looked at: the rest is the network's mask, stretched.

Shapes: H and W the picture's size, S the side of the network's square, n pixels.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.network import answers
from maskdepth_tf.registration import light, registering, windows

SURE = (0.05, 0.95)
"""A mask that is beyond them, all around a cell, has no edge there."""
FOREGROUND = 0.9
"""Least mask of a cell whose colour counts as the foreground's."""
NEARBY = (5, 9, 15)
"""Sides of the windows, in cells, in which the foreground's colour is looked for."""
ENOUGH = 0.02
"""Least share of sure foreground in such a window."""
SPREAD = 2500.0
"""Variance of the foreground's colour where none is sure nearby, of 255 squared."""
LEAST_LOGIT = 1e-3
"""Masks are no surer than this."""
CELLS = 64
"""Cells are looked at by so many: oneDNN keeps half a megabyte for each number of
pixels that it ever met, and in a video every frame has another one."""
WEIGHTS = Path(__file__).with_suffix(".json")


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


class Edges(NamedTuple):
    """The pixels near an edge of a mask.

    Attributes:
        flat: Their places in the picture, row by row, int32 [n]; some come twice.
        colour: Theirs in the picture, float32 [n, 3].
        behind: That of the background there, as the picture would show it, [n, 3].
        front: That of the sure foreground nearby, [n, 3].
        features: What is known of each, [n, 11], see `_features`.
    """

    flat: tf.Tensor
    colour: tf.Tensor
    behind: tf.Tensor
    front: tf.Tensor
    features: tf.Tensor


def refine(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
    """Alpha and colours of the foreground, at the picture's own size.

    Returns:
        alpha: float32 [H, W, 1], 0 to 1.
        foreground: uint8 [H, W, 3], the picture's pixels, less the background that
            shows through them at edges.
    """
    height, width = tf.shape(pair.fg_bg)[0], tf.shape(pair.fg_bg)[1]
    edges = find_edges(pair)
    alpha = _perceptron(edges.features)
    own = edges.colour - (1 - alpha) * edges.behind
    # Of next to nothing no colour can be told: it is that of what is near.
    own = tf.where(alpha > 0.1, own / tf.maximum(alpha, 0.1), edges.front)
    own = tf.cast(tf.round(tf.clip_by_value(own, 0.0, 255.0)), tf.uint8)
    stretched = answers.stretch(pair.mask, height, width)
    return _put(stretched, edges.flat, alpha), _put(pair.fg_bg, edges.flat, own)


def find_edges(pair: Pair) -> Edges:
    """The pixels near an edge of the mask, and what is known of them."""
    height, width = tf.shape(pair.fg_bg)[0], tf.shape(pair.fg_bg)[1]
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
    logits = tf.concat([_logit(part) for part in (pair.mask, least, most)], axis=-1)
    around = _at(tf.concat([_foreground(pair), logits], axis=-1), places)
    front, spread, logits = tf.split(around, [3, 1, 3], axis=1)
    enlarged = tf.math.log(size[0] * size[1] / has_edge.shape[0] ** 2) / 2
    features = _features(colour, behind, front, spread, logits, enlarged)
    return Edges(flat, colour, behind, front, features)


def _features(colour, behind, front, spread, logits, enlarged) -> tf.Tensor:
    """What the perceptron sees of pixels, all of about the same size: [n, 11].

    Args:
        colour: [n, 3], of the picture.
        behind: [n, 3], of the background.
        front: [n, 3], of the foreground nearby.
        spread: [n, 1], its variance there.
        logits: [n, 3], the mask, and the least and the most around.
        enlarged: Logarithm of the pixels on a side of a cell.
    """
    step, change = front - behind, colour - behind
    share = tf.reduce_sum(step * change, axis=1, keepdims=True)
    share /= tf.reduce_sum(step**2, axis=1, keepdims=True) + 1.0
    share = tf.clip_by_value(share, -1.0, 2.0)
    tones = [
        tf.reduce_mean(pixels, 1, keepdims=True) + 8.0 for pixels in (colour, behind)
    ]
    lengths = [
        _length(change),
        _length(colour - front),
        tf.sqrt(tf.maximum(spread, 0.0)),
        _length(step),
        _length(change - share * step),
    ]
    return tf.concat(
        [
            logits / 4,
            *(tf.math.log1p(length) - 3 for length in lengths),
            share,
            tf.math.log(tones[0] / tones[1]),
            tf.fill(tf.shape(share), enlarged - 1.0),
        ],
        axis=1,
    )


def _perceptron(features) -> tf.Tensor:
    """Features [n, 11] -> alpha [n, 1]."""
    *hidden, last = [(tf.constant(w), tf.constant(b)) for w, b in _read_weights()]
    for kernel, bias in hidden:
        features = tf.nn.relu(tf.matmul(features, kernel) + bias)
    return tf.sigmoid(tf.matmul(features, last[0]) + last[1])


def _read_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each layer."""
    layers = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return [(np.array(k, np.float32), np.array(b, np.float32)) for k, b in layers]


def _length(vectors) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(vectors**2, axis=1, keepdims=True))


def _logit(mask) -> tf.Tensor:
    mask = tf.clip_by_value(mask, LEAST_LOGIT, 1 - LEAST_LOGIT)
    return tf.math.log(mask / (1 - mask))


def _extreme(mask, sign) -> tf.Tensor:
    """Greatest (sign 1) or least (-1) value of a cell and those around it."""
    return sign * tf.nn.max_pool2d(sign * mask[tf.newaxis], 3, 1, "SAME")[0]


def _foreground(pair) -> tf.Tensor:
    """Colour of the sure foreground around each cell, and its variance: [S, S, 4]."""
    is_sure = tf.cast(_extreme(pair.mask, -1) > FOREGROUND, tf.float32)
    sure = is_sure * pair.shown
    total = tf.concat([sure, sure * pair.shown, is_sure], axis=-1)[tf.newaxis]
    found = tf.concat([pair.shown, tf.fill(tf.shape(is_sure), SPREAD)], axis=-1)
    for window in reversed(NEARBY):
        mean = windows.mean(total, window, windows.CUT)[0]
        colour, square, share = tf.split(mean, [3, 3, 1], axis=-1)
        share = tf.maximum(share, 1e-6)
        spread = tf.reduce_sum(
            square / share - (colour / share) ** 2, -1, keepdims=True
        )
        nearer = tf.concat([colour / share, spread], axis=-1)
        found = tf.where(share > ENOUGH, nearer, found)
    return found


def _pixels_of(has_edge, height, width) -> tf.Tensor:
    """Rows and columns of the pixels in cells with an edge: int32 [n, 2].

    Some come twice, where cells and pixels have no common border, or to make the cells
    a multiple of `CELLS`.
    """
    side = has_edge.shape[0]
    size = tf.stack([height, width])
    cells = tf.cast(tf.where(has_edge), tf.int32)
    count = tf.shape(cells)[0]
    places = tf.range(-(-count // CELLS) * CELLS) % tf.maximum(count, 1)
    cells = tf.gather(cells, places)
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
