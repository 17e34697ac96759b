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

Shapes: H and W the picture's size, S the side of the network's square, n pixels. Those
stand behind one another in planes, [channels, n]: as triples they would take twice the
time.
"""

import functools
import json
from collections.abc import Callable
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
        warp: [8], as `registering.register` found it.
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
        colour: Theirs in the picture, float32 [3, n].
        behind: That of the background there, as the picture would show it, [3, n].
        front: That of the sure foreground nearby, [3, n].
        features: What is known of each, [11, n], see `_features`.
    """

    flat: tf.Tensor
    colour: tf.Tensor
    behind: tf.Tensor
    front: tf.Tensor
    features: tf.Tensor


class Refined(NamedTuple):
    """A mask at the picture's own size, and what is known better near its edges.

    Attributes:
        mask: float32 [H, W, 1], the network's, stretched.
        flat: Pixels near an edge, see `Edges`, int32 [n].
        alpha: Theirs, float32 [n, 1].
        colours: Those of the foreground there, uint8 [n, 3].
    """

    mask: tf.Tensor
    flat: tf.Tensor
    alpha: tf.Tensor
    colours: tf.Tensor


def refine(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
    """Alpha and colours of the foreground, at the picture's own size.

    Returns:
        alpha: float32 [H, W, 1], 0 to 1.
        foreground: uint8 [H, W, 3], the picture's pixels, less the background that
            shows through them at edges.
    """
    found = refine_edges(pair)
    return (
        _put(found.mask, found.flat, found.alpha),
        _put(pair.fg_bg, found.flat, found.colours),
    )


@functools.cache
def graphs(side: int) -> tuple[Callable, Callable]:
    """`refine` and `refine_edges` as graphs, which all networks of a size share."""
    pixels = tf.TensorSpec([None, None, 3], tf.uint8)
    floats = functools.partial(tf.TensorSpec, dtype=tf.float32)
    square, mask = floats([side, side, 3]), floats([side, side, 1])
    pair = Pair(pixels, pixels, square, mask, floats([8]), floats([3, 4]), floats([5]))
    return (
        tf.function(refine, [pair], autograph=False),
        tf.function(refine_edges, [pair], autograph=False),
    )


def put_edges(found: Refined, fg_bg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`refine` of arrays: NumPy puts pixels in a fraction of TensorFlow's time."""
    mask, flat, alpha, colours = (np.asarray(part) for part in found)
    whole, foreground = mask.copy(), fg_bg.copy()
    whole.reshape(-1)[flat] = alpha[:, 0]
    foreground.reshape(-1, 3)[flat] = colours
    return whole, foreground


def refine_edges(pair: Pair) -> Refined:
    """What `refine` puts into a picture."""
    height, width = tf.shape(pair.fg_bg)[0], tf.shape(pair.fg_bg)[1]
    edges = find_edges(pair)
    alpha = _perceptron(edges.features)
    own = edges.colour - (1 - alpha) * edges.behind
    # Of next to nothing no colour can be told: it is that of what is near.
    own = tf.where(alpha > 0.1, own / tf.maximum(alpha, 0.1), edges.front)
    own = tf.cast(tf.round(tf.clip_by_value(own, 0.0, 255.0)), tf.uint8)
    stretched = answers.stretch(pair.mask, height, width)
    return Refined(stretched, edges.flat, tf.transpose(alpha), tf.transpose(own))


def find_edges(pair: Pair) -> Edges:
    """The pixels near an edge of the mask, and what is known of them."""
    height, width = tf.shape(pair.fg_bg)[0], tf.shape(pair.fg_bg)[1]
    least, most = (_extreme(pair.mask, sign) for sign in (-1, 1))
    has_edge = (most > SURE[0]) & (least < SURE[1])
    row, column = _pixels_of(has_edge[..., 0], height, width)
    flat = row * width + column
    right, down = (
        (tf.cast(place, tf.float32) + 0.5) / tf.cast(side, tf.float32)
        for place, side in ((column, width), (row, height))
    )
    colour = tf.transpose(tf.gather(tf.reshape(pair.fg_bg, [-1, 3]), flat))
    colour = tf.cast(colour, tf.float32)
    behind = registering.sample(
        pair.bg,
        colour,
        (right - 0.5, down - 0.5),
        pair.warp,
        light.Light(pair.curves[tf.newaxis], pair.gain[tf.newaxis]),
    )
    logits = tf.stack([_logit(part)[..., 0] for part in (pair.mask, least, most)])
    around = _at(tf.concat([_foreground(pair), logits], axis=0), right, down)
    front, spread, logits = tf.split(around, [3, 1, 3])
    cell = tf.cast(height * width, tf.float32) / has_edge.shape[0] ** 2
    enlarged = tf.math.log(cell) / 2
    features = _features(colour, behind, front, spread, logits, enlarged)
    return Edges(flat, colour, behind, front, features)


def _features(colour, behind, front, spread, logits, enlarged) -> tf.Tensor:
    """What the perceptron sees of pixels, all of about the same size: [11, n].

    Args:
        colour: [3, n], of the picture.
        behind: [3, n], of the background.
        front: [3, n], of the foreground nearby.
        spread: [1, n], its variance there.
        logits: [3, n], the mask, and the least and the most around.
        enlarged: Logarithm of the pixels on a side of a cell.
    """
    step, change = front - behind, colour - behind
    share = _total(step * change) / (_total(step**2) + 1.0)
    share = tf.clip_by_value(share, -1.0, 2.0)
    tones = [_total(pixels) / 3 + 8.0 for pixels in (colour, behind)]
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
        axis=0,
    )


def _perceptron(features) -> tf.Tensor:
    """Features [11, n] -> alpha [1, n]."""
    *hidden, last = _read_weights()
    for kernel, bias in hidden:
        features = tf.nn.relu(tf.matmul(kernel.T, features) + bias[:, np.newaxis])
    return tf.sigmoid(tf.matmul(last[0].T, features) + last[1])


def _read_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each layer."""
    layers = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return [(np.array(k, np.float32), np.array(b, np.float32)) for k, b in layers]


def _length(vectors) -> tf.Tensor:
    return tf.sqrt(_total(vectors**2))


def _total(planes) -> tf.Tensor:
    """[3, ...] -> [1, ...]."""
    return tf.reduce_sum(planes, axis=0, keepdims=True)


def _logit(mask) -> tf.Tensor:
    mask = tf.clip_by_value(mask, LEAST_LOGIT, 1 - LEAST_LOGIT)
    return tf.math.log(mask / (1 - mask))


def _extreme(mask, sign) -> tf.Tensor:
    """Greatest (sign 1) or least (-1) value of a cell and those around it."""
    return sign * tf.nn.max_pool2d(sign * mask[tf.newaxis], 3, 1, "SAME")[0]


def _foreground(pair) -> tf.Tensor:
    """Colour of the sure foreground around each cell, and its variance: [4, S, S]."""
    shown = tf.transpose(pair.shown, [2, 0, 1])
    is_sure = tf.cast(_extreme(pair.mask, -1) > FOREGROUND, tf.float32)[..., 0]
    sure = is_sure * shown
    total = tf.concat([sure, sure * shown, is_sure[tf.newaxis]], axis=0)
    found = tf.concat([shown, tf.fill([1, *shown.shape[1:]], SPREAD)], axis=0)
    for window in reversed(NEARBY):
        mean = windows.plane_means(total, window)
        colour, square, share = tf.split(mean, [3, 3, 1])
        share = tf.maximum(share, 1e-6)
        spread = _total(square / share - (colour / share) ** 2)
        nearer = tf.concat([colour / share, spread], axis=0)
        found = tf.where(share > ENOUGH, nearer, found)
    return found


def _pixels_of(has_edge, height, width) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns of the pixels in cells with an edge: int32 [n] each.

    Some come twice, where cells and pixels have no common border, or to make the cells
    a multiple of `CELLS`.
    """
    side = has_edge.shape[0]
    cells = tf.cast(tf.where(has_edge), tf.int32)
    count = tf.shape(cells)[0]
    places = tf.range(-(-count // CELLS) * CELLS) % tf.maximum(count, 1)
    cells = tf.gather(cells, places)
    inner = tf.meshgrid(
        *(tf.range(-(-n // side)) for n in (height, width)), indexing="ij"
    )
    found = []
    for cell, within, size in zip(
        tf.unstack(cells, axis=1), inner, (height, width), strict=True
    ):
        place = (cell * size // side)[:, tf.newaxis] + tf.reshape(within, [1, -1])
        found.append(tf.reshape(tf.minimum(place, size - 1), [-1]))
    return found[0], found[1]


def _at(image, right, down) -> tf.Tensor:
    """Pixels of [C, S, S] at places from 0 to 1: [C, n], bilinear."""
    channels, side = image.shape[:2]
    flat, firsts, shares = tf.transpose(tf.reshape(image, [channels, -1])), [], []
    for place in (right, down):
        moved = tf.clip_by_value(place * side - 0.5, 0.0, side - 1.0)
        first = tf.minimum(tf.floor(moved), side - 2.0)
        firsts.append(tf.cast(first, tf.int32))
        shares.append(moved - first)
    first = firsts[1] * side + firsts[0]

    def sideways(place):
        left, right = (tf.transpose(tf.gather(flat, place + i)) for i in (0, 1))
        return _between(left, right, shares[0])

    return _between(sideways(first), sideways(first + side), shares[1])


def _between(one, other, share) -> tf.Tensor:
    return one + (other - one) * share


def _put(image, flat, values) -> tf.Tensor:
    """An image with some of its pixels replaced."""
    shape = tf.shape(image)
    rows = tf.reshape(image, [-1, shape[-1]])
    return tf.reshape(
        tf.tensor_scatter_nd_update(rows, flat[:, tf.newaxis], values), shape
    )
