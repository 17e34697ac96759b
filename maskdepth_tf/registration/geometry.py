"""How the camera moved between two pictures: a perspective warp, coarse to fine.

Pictures are compared by their local contrast, which light does not change. A search
over shifts, turns and zooms of small pictures finds the four best starts; Gauss-Newton
steps on larger and larger ones refine them (inverse compositional: gradients are
those of the picture and stay). Each pixel counts by how well its difference can be
explained by noise and a small error of the warp, so that the foreground lets go.

Reference: Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004.

Shapes: B batch, S side of a square picture in pixels.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.registration import choosing, warps, windows

LEAST_SIDE = 32
"""Pictures smaller than this tell too little: their camera counts as still."""
CELLS = 64
"""Cells on a side, each compared at its steepest pixel."""
MOST_SIDE = 128
"""Larger pictures are compared at this size, or halved until they are no larger."""
TURNS = ((0.0, 0.0), (-2.0, 0.0), (2.0, 0.0), (0.0, -0.035), (0.0, 0.035))
"""Turns, in degrees, and zooms that the search tries."""
REACH = 0.0625
"""Shift up to which it tries every pixel, a share of the side."""
SEARCH_OUTLIER = 0.5
"""Difference of contrasts from which it counts as something else in the search."""
STARTS = 4
"""Shifts that are refined; the best of the results goes on."""
LIMITS = (0.09, 0.09, 0.06, 0.06, 0.12, 0.12, 0.12, 0.12)
"""Greatest movements that are believed."""
START_TOLERANCES = (1.0, 0.8, 0.6)
TOLERANCES = (
    (0.5, 0.4, 0.4),
    (0.8, 0.6, 0.45, 0.35, 0.25, 0.2, 0.2),
    (0.5, 0.4, 0.3, 0.25, 0.2),
)
"""Error of the warp that each step reckons with, in pixels, for each level."""
FOLLOWING = 4
"""Most steps on a level where the frame before tells the start."""
NOISE = 0.1
"""Deviation of a contrast between equal pictures."""
WINDOW = 5
"""Side of the window of a contrast, in pixels."""
CONTRAST = 6.0
"""Deviation, of 255, below which a contrast fades."""
OUTLIER = 1.2
"""Deviations from which a difference counts as something else."""
MOVEMENTS = (0.03, 0.03, 0.0005, 0.0005, 0.04, 0.04, 1e-5, 1e-5)
"""Deviations of movements that are expected: a camera hardly stretches or shears."""
TILTED = (0.03, 0.03, 0.015, 0.015, 0.04, 0.04, 0.05, 0.05)
"""The same of one that is tilted too: what it takes is stretched and sheared."""
TILT_TOLERANCES = ((1.0, 0.8, 0.6, 0.5, 0.4), (0.8, 0.5, 0.35, 0.25))
"""Of the steps that look for a tilt, on all levels but the largest."""
TILT_GAIN = 0.03
"""Share by which the cost must fall; else the camera counts as not tilted."""
OVERSTEP = 1.6
"""Times that a step is longer: pixels that come to agree draw further."""
FINE = 0.3
"""Error of the warp that is reckoned with when results are compared, in pixels."""
INDEPENDENT = 0.2
"""Share of the pixels that tells something of its own."""
EVIDENCE = 0.5
"""Contrast that tells half as much as one can."""
GAIN = 0.05
"""Share by which the cost must fall; else the camera counts as still."""
MOST_ASPECT = 4.0
"""Pictures that are longer count as so long."""
_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)


class Level(NamedTuple):
    """A pair of pictures at one size, and the pixels by which they are compared.

    Attributes:
        bg: Local contrast of the background, [B, s, s, 1].
        fg_bg: That of the picture, [B, s, s, 1].
        x: Where the compared pixels of the picture are, in shares of its side from
            its middle, [B, n].
        y: The same, downwards.
        contrast: Theirs, [B, n].
        slope: Their squared gradient, per pixel, [B, n].
        jacobian: Their change by each movement, [B, 8, n].
        width: Of the picture as it was taken, its area being 1, [B].
    """

    bg: tf.Tensor
    fg_bg: tf.Tensor
    x: tf.Tensor
    y: tf.Tensor
    contrast: tf.Tensor
    slope: tf.Tensor
    jacobian: tf.Tensor
    width: tf.Tensor


def estimate(
    bg: tf.Tensor,
    fg_bg: tf.Tensor,
    start: tf.Tensor | None = None,
    aspect: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Estimates the warp from a picture to its background.

    Args:
        bg: float32 [B, S, S, 3], 0 to 255.
        fg_bg: float32 [B, S, S, 3], 0 to 255.
        start: [B, 8], the warp of the frame before; None looks everywhere.
        aspect: float32 [B], width by height of the pictures as they were taken; None
            takes them for squares.

    Returns:
        The warp, [B, 8]; `start`, or that of a still camera, unless another explains
        more. And how surely each pixel shows the background, [B, s, s, 1] from 0 to 1,
        as its contrast agrees; s is S, halved while it is at least `LEAST_SIDE`.
    """
    bg, fg_bg = (tf.convert_to_tensor(pixels, tf.float32) for pixels in (bg, fg_bg))
    bg, fg_bg = (working_grey(pixels) for pixels in (bg, fg_bg))
    sides = _sides(bg.shape[1])
    known = tf.tile([warps.STILL], [tf.shape(bg)[0], 1]) if start is None else start
    if sides[-1] < LEAST_SIDE:
        return known, tf.ones_like(bg)
    width = tf.ones_like(known[:, 0])
    if aspect is not None:
        width *= tf.sqrt(tf.clip_by_value(aspect, 1 / MOST_ASPECT, MOST_ASPECT))
    levels = [_level(bg, fg_bg, side, width) for side in sides]
    first, last = levels[0], levels[-1]
    is_tilted = warps.is_tilted(known)
    steps = slice(0 if start is None else -FOLLOWING, None)
    warp = _search(first) if start is None else start
    for level, tolerances in zip(levels, TOLERANCES, strict=False):
        if level is last is not first:
            warp, is_tilted = _tilted(levels[:-1], steps, warp, known, is_tilted)
        warp = _refine(level, warp, tolerances[steps], is_tilted)
    warp = choosing.by_example(is_tilted, warp, warps.untilted(warp))
    moved = _cost(last, warp) < (1 - GAIN) * _cost(last, known)
    warp = choosing.by_example(moved & _is_believed(warp, width), warp, known)
    return warp, _agreement(first, warp)


def _tilted(levels, steps, warp, known, was_tilted) -> tuple[tf.Tensor, tf.Tensor]:
    """Warps with a tilt where it explains more, and whether they are tilted: [B]."""
    cost = _cost(levels[-1], warp)

    def look():
        tilted, always = warp, tf.ones_like(was_tilted)
        for level, tolerances in zip(levels, TILT_TOLERANCES, strict=False):
            tilted = _refine(level, tilted, tolerances[steps], always)
        gains = _cost(levels[-1], tilted) < (1 - TILT_GAIN) * cost
        gains &= _is_believed(tilted, levels[-1].width)
        return choosing.by_example(gains, tilted, warp), gains | was_tilted

    # Most cameras stand still.
    moved = tf.reduce_any(cost < (1 - GAIN) * _cost(levels[-1], known))
    return tf.cond(moved, look, lambda: (warp, was_tilted))


def _is_believed(warp, width) -> tf.Tensor:
    return tf.reduce_all(tf.abs(warps.movement(warp, width)) <= LIMITS, axis=1)


def _sides(size) -> list[int]:
    """Sides of the levels, the smallest first."""
    # What is looked at first divides the side: light is estimated at that size.
    if size > MOST_SIDE and size % LEAST_SIDE == 0:
        size = MOST_SIDE
    while size > MOST_SIDE and size % 2 == 0:
        size //= 2
    sides = [size]
    while sides[0] % 2 == 0 and sides[0] // 2 >= LEAST_SIDE:
        sides.insert(0, sides[0] // 2)
    return sides[-len(TOLERANCES) :]


def working_grey(pixels: tf.Tensor) -> tf.Tensor:
    """[B, S, S, 3] -> [B, s, s, 1] at the size at which pictures are compared."""
    grey, size = windows.times(pixels, _LUMA), pixels.shape[1]
    side = _sides(size)[-1]
    return windows.shrunk(grey, side) if size % side else pool(grey, side)


def pool(pixels: tf.Tensor, side: int) -> tf.Tensor:
    """[B, S, S, C] -> [B, side, side, C], means of squares; `side` divides S."""
    step = pixels.shape[1] // side
    return pixels if step == 1 else tf.nn.avg_pool2d(pixels, step, step, "VALID")


def enlarge(pixels: tf.Tensor, side: int) -> tf.Tensor:
    """[B, s, s, C] -> [B, side, side, C] of repeated pixels; s divides `side`."""
    return tf.image.resize(pixels, (side, side), "nearest")


def _repeat(values, count) -> tf.Tensor:
    """[B, ...] -> [B * count, ...]; a tenth of the operations of `tf.repeat`."""
    # Not as a stack of one value: of an operation with several results TensorFlow's
    # optimizer of graphs would repeat the first one.
    each = [1, count, *[1] * (len(values.shape) - 1)]
    tiled = tf.tile(tf.expand_dims(values, 1), each)
    return tf.reshape(tiled, [-1, *values.shape[1:]])


def _level(bg, fg_bg, side, width) -> Level:
    # Both at once: half of the operations, which small pictures wait for.
    pictures = tf.concat([pool(pixels, side) for pixels in (bg, fg_bg)], axis=0)
    bg, fg_bg = tf.split(_local_contrast(pictures), 2)
    right, down = _gradient(fg_bg)
    slope = right**2 + down**2
    # What is flat tells nothing of a movement: the steepest pixel of each cell does.
    cell = max(1, side // CELLS)
    steepest = tf.argmax(_cells(slope, cell), axis=2, output_type=tf.int32)

    def chosen(values):
        return tf.gather(_cells(values, cell), steepest, axis=2, batch_dims=2)

    x, y = (
        chosen(tf.reshape(tf.constant(line), [1, side, side, 1]) + tf.zeros_like(slope))
        for line in warps.grid(side)
    )
    wide = width[:, tf.newaxis]
    right, down = side * chosen(right) / wide, side * chosen(down) * wide
    across, along = x * wide, y / wide
    jacobian = [right * across + down * along, down * across - right * along]
    jacobian += [right * across - down * along, right * along + down * across]
    nearer = -(right * across + down * along)
    jacobian += [right, down, nearer * across, nearer * along]
    jacobian = tf.stack(jacobian, axis=1)
    return Level(bg, fg_bg, x, y, chosen(fg_bg), chosen(slope), jacobian, width)


def _cells(values, cell) -> tf.Tensor:
    """[B, s, s, 1] -> the pixels of each whole cell, [B, cells, cell * cell]."""
    count = values.shape[1] // cell
    whole = values[:, : count * cell, : count * cell]
    split = tf.reshape(whole, [-1, count, cell, count, cell])
    return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4]), [-1, count**2, cell**2])


def _local_contrast(grey) -> tf.Tensor:
    """Deviation from the mean around, by the deviation there; softened."""
    off = grey - windows.mean(grey, WINDOW, windows.MIRRORED)
    variance = windows.mean(off**2, WINDOW, windows.MIRRORED)
    contrast = off / tf.sqrt(variance + CONTRAST**2)
    return windows.slide(contrast, (1.0, 2.0, 1.0), windows.MIRRORED)


def _gradient(image) -> tuple[tf.Tensor, tf.Tensor]:
    """Change to the right and downwards, per pixel."""
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    return right, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _search(level) -> tf.Tensor:
    """The best of all shifts, turns and zooms, after a few steps of refinement."""
    side = level.bg.shape[1]
    reach = math.ceil(REACH * side)
    turns = [[zoom, math.radians(turn), *[0.0] * 6] for turn, zoom in TURNS]
    shifts = list(itertools.product(range(-reach, reach + 1), repeat=2))
    bg, fg_bg, width = (
        _repeat(part, len(turns)) for part in (level.bg, level.fg_bg, level.width)
    )
    turned = warps.of_movement(tf.tile(turns, [tf.shape(level.bg)[0], 1]), width)
    bg, fg_bg = warps.resample(bg, turned), fg_bg[:, reach:-reach, reach:-reach]
    begins = [[0, reach + down, reach + right, 0] for down, right in shifts]
    shifted = [tf.slice(bg, begin, tf.shape(fg_bg)) for begin in begins]
    error = tf.abs(tf.stack(shifted, axis=1) - fg_bg[:, tf.newaxis])
    cost = tf.reduce_mean(tf.minimum(error, SEARCH_OUTLIER), axis=[2, 3, 4])
    cost = tf.reshape(cost, [-1, len(turns), len(shifts)])
    best_turn = tf.argmin(cost, axis=1, output_type=tf.int32)
    shift = tf.math.top_k(-tf.reduce_min(cost, axis=1), STARTS).indices
    best = tf.gather(best_turn, shift, batch_dims=1)
    best = tf.gather(tf.reshape(turned, [-1, len(turns), 8]), best, batch_dims=1)
    shift = tf.gather(np.array(shifts, np.float32) / side, shift)
    starts = tf.reshape(warps.after_shifts(best, shift), [-1, 8])
    repeated = Level(*(_repeat(part, STARTS) for part in level))
    ends = _refine(repeated, starts, START_TOLERANCES)
    cost = tf.reshape(_cost(repeated, ends), [-1, STARTS])
    ends = tf.reshape(ends, [-1, STARTS, 8])
    return tf.gather(ends, tf.argmin(cost, axis=1), batch_dims=1)


def _refine(level, warp, tolerances, is_tilted=False) -> tf.Tensor:
    """Takes a Gauss-Newton step for each tolerance."""
    deviations = np.array([TILTED, MOVEMENTS], np.float32)
    prior = tf.where(tf.reshape(is_tilted, [-1, 1]), *(1 / np.square(deviations)))
    tolerances = tf.constant(tolerances)
    corners = _corners(level.bg)

    def step(i, warp):
        error, inside = _differences(level, corners, warp)
        variance = NOISE**2 + tolerances[i] ** 2 * level.slope
        weight = INDEPENDENT * _weight(error, variance) * inside / variance
        weighted = level.jacobian * weight[:, tf.newaxis]
        normal = tf.matmul(weighted, level.jacobian, transpose_b=True)
        normal += tf.linalg.diag(prior)
        moved = tf.linalg.matvec(weighted, error)
        moved += prior * warps.movement(warp, level.width)
        change = tf.linalg.solve(normal, moved[..., tf.newaxis])[..., 0]
        change = warps.of_movement(OVERSTEP * change, level.width)
        return i + 1, warps.chain_inverse(warp, change)

    return tf.while_loop(lambda i, _: i < tolerances.shape[0], step, (0, warp))[1]


def _weight(error, variance) -> tf.Tensor:
    """How far a difference is one of the same place, 0 to 1."""
    return 1 / (1 + error**2 / (OUTLIER**2 * variance)) ** 2


def _cost(level, warp) -> tf.Tensor:
    """Mean squared difference in deviations, cut off: [B]."""
    error, inside = _differences(level, _corners(level.bg), warp)
    variance = NOISE**2 + FINE**2 * level.slope
    cost = tf.reduce_sum(inside * tf.minimum(error**2 / variance, 2.0), axis=1)
    return cost / (tf.reduce_sum(inside, axis=1) + 1.0)


def _agreement(level, warp) -> tf.Tensor:
    """How surely each pixel of a level shows the background, [B, s, s, 1]."""
    error = warps.resample(level.bg, warp) - level.fg_bg
    right, down = _gradient(level.fg_bg)
    variance = NOISE**2 + FINE**2 * (right**2 + down**2)
    evidence = level.fg_bg**2 / (level.fg_bg**2 + EVIDENCE**2)
    side = error.shape[1]
    inside = tf.reshape(warps.is_inside(warp, side, margin=1.0), [-1, side, side, 1])
    return _weight(error, variance) * evidence * inside


def _corners(image) -> tf.Tensor:
    """Each pixel with those to the right, below and both: [B * s * s, 4]."""
    padded = tf.pad(image, [[0, 0], [0, 1], [0, 1], [0, 0]], "SYMMETRIC")
    top, bottom = padded[:, :-1], padded[:, 1:]
    around = [top[:, :, :-1], top[:, :, 1:], bottom[:, :, :-1], bottom[:, :, 1:]]
    return tf.reshape(tf.concat(around, axis=-1), [-1, 4])


def _differences(level, corners, warp) -> tuple[tf.Tensor, tf.Tensor]:
    """Background less picture at the compared pixels, and whether it is known there.

    The background's value is bilinear.
    """
    side = level.bg.shape[1]
    x, y = warps.at(tf.split(warp, 8, axis=1), level.x, level.y)
    x, y = side * x, side * y
    middle, reach = (side - 1) / 2, (side - 3) / 2
    inside = tf.cast(tf.maximum(tf.abs(x), tf.abs(y)) <= reach, tf.float32)
    column, row = (tf.clip_by_value(place, -reach, reach) + middle for place in (x, y))
    left, top = tf.floor(column), tf.floor(row)
    own = tf.range(tf.shape(warp)[0])[:, tf.newaxis] * side**2
    around = tf.gather(corners, own + tf.cast(top * side + left, tf.int32))
    top_left, top_right, low_left, low_right = tf.unstack(around, axis=-1)
    right, down = column - left, row - top
    upper = top_left + (top_right - top_left) * right
    lower = low_left + (low_right - low_left) * right
    return upper + (lower - upper) * down - level.contrast, inside
