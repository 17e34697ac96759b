"""What happens in the room between the two pictures, as stateless augmentation.

The figure casts shadows, a thing was pushed aside, clothes have the wall's colour. As
in `augmentation`, all that is random arrives as `draws`.

Shapes: B batch, S side of the square pictures in pixels.
"""

import math

import tensorflow as tf

from maskdepth_tf.draws import Column
from maskdepth_tf.input.augmentation import Augment, Streams, chosen, to_uint8
from maskdepth_tf.registration import choosing, warps, windows

REACH = 4
"""Pixels to each side that the blur of a shadow takes in."""
LEAST_LENGTH = 0.12
"""Least length of a shadow on the floor, a share of the figure's height."""
WALL_REACH = 9
"""Side of the square whose mean is a wall's colour, in pixels."""


def shadow(
    mask: tf.Tensor,
    *,
    shear: tf.Tensor,
    length: tf.Tensor,
    aside: tf.Tensor,
    lift: tf.Tensor,
    softness: tf.Tensor,
    on_floor: tf.Tensor,
    on_wall: tf.Tensor,
) -> tf.Tensor:
    """Casts the shadow of a mask on floor and wall.

    The floor's is the silhouette laid flat about its foot, the wall's is the silhouette
    moved aside. All amounts are [B]; lengths are shares of the figure's height.

    Args:
        mask: float32 [B, S, S, 1], 0 or 1.
        shear: Lean of the floor's to the right, a share of its own height above the
            foot.
        length: Height of the floor's; one below 0 falls towards the camera.
        aside: Way to the right of the wall's.
        lift: Way upwards of the wall's.
        softness: Deviation of the blur.
        on_floor: How strong the floor's is, from 0 to 1.
        on_wall: How strong the wall's is.

    Returns:
        float32 [B, S, S, 1], 0 to 1; it also covers what the figure hides.
    """
    size = mask.shape[1]
    filled = tf.reduce_any(mask > 0, axis=[2, 3])
    rows = tf.range(size)
    last = tf.reduce_max(tf.where(filled, rows, -1), axis=1)
    first = tf.reduce_min(tf.where(filled, rows, size), axis=1)
    foot = (tf.cast(last, tf.float32) + 1) / size - 0.5
    height = tf.cast(tf.maximum(last - first + 1, 0), tf.float32) / size
    one, zero = tf.ones_like(foot), tf.zeros_like(foot)
    floor = [one, shear / length, -shear * foot / length]
    floor += [zero, 1 / length, foot - foot / length, zero, zero]
    wall = [one, zero, -aside * height, zero, one, lift * height, zero, zero]
    fallen = [
        warps.resample(mask, tf.stack(warp, axis=1)) * _each(strength)
        for warp, strength in ((floor, on_floor), (wall, on_wall))
    ]
    return _blurred(tf.maximum(*fallen), softness * height * size + 0.3)


def _blurred(image, sigma) -> tf.Tensor:
    """[B, S, S, 1] by a Gaussian of deviation `sigma` [B] pixels, cut at `REACH`."""
    taps = tf.range(-REACH, REACH + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * (taps / sigma[:, tf.newaxis]) ** 2)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    size = image.shape[1]
    for axis in (1, 2):
        around = [[0, 0], [0, 0], [0, 0], [0, 0]]
        around[axis] = [REACH, REACH]
        padded = tf.pad(image, around, "SYMMETRIC")
        image = tf.add_n(
            [
                tf.gather(padded, range(i, i + size), axis=axis) * _each(weights[:, i])
                for i in range(2 * REACH + 1)
            ]
        )
    return image


def shade(
    fg_bg: tf.Tensor, mask: tf.Tensor, fallen: tf.Tensor, depth: tf.Tensor
) -> tf.Tensor:
    """Darkens a picture, but not its figure, where a shadow falls.

    Args:
        fg_bg: float32 [B, S, S, 3].
        mask: float32 [B, S, S, 1], the figure; pixels at its edge show both.
        fallen: float32 [B, S, S, 1], the shadow.
        depth: [B], share of the light that a full shadow takes.
    """
    seen = 1 - windows.mean(mask, 3, windows.CUT)
    return fg_bg * (1 - _each(depth) * fallen * seen)


def push(
    bg: tf.Tensor, middle: tf.Tensor, radii: tf.Tensor, way: tf.Tensor
) -> tf.Tensor:
    """Lays what is beside an ellipse of a picture over it, with a soft edge.

    Args:
        bg: float32 [B, S, S, 3].
        middle: [B, 2], of the ellipse: x and y in shares of the side, 0 the picture's.
        radii: [B, 2], shares of the side, to the right and down.
        way: [B, 2], from the ellipse to what covers it, in shares of the side.
    """
    size = bg.shape[1]
    x, y = (line.reshape(1, size, size) for line in warps.grid(size))
    right, down = (
        (line - middle[:, i, tf.newaxis, tf.newaxis]) / radii[:, i, None, None]
        for i, line in enumerate((x, y))
    )
    inside = tf.clip_by_value(1.5 - (right**2 + down**2), 0, 1)[..., tf.newaxis]
    one, zero = tf.ones_like(way[:, 0]), tf.zeros_like(way[:, 0])
    warp = [one, zero, way[:, 0], zero, one, way[:, 1], zero, zero]
    warp = tf.stack(warp, axis=1)
    return bg + inside * (warps.resample(bg, warp, border="REFLECT") - bg)


def pull_colour(
    fg_bg: tf.Tensor, bg: tf.Tensor, mask: tf.Tensor, share: tf.Tensor
) -> tf.Tensor:
    """Pulls the figure's colours to those of the wall behind it.

    Args:
        fg_bg: float32 [B, S, S, 3].
        bg: float32 [B, S, S, 3].
        mask: float32 [B, S, S, 1], the figure. Its edge is widened by half a pixel,
            where pictures show some of it.
        share: [B], how far, from 0 to 1.
    """
    wall = windows.mean(bg, WALL_REACH, windows.CUT)
    edge = windows.mean(mask, 3, windows.CUT)
    opacity = tf.maximum(mask, tf.minimum(edge, 0.5))
    return fg_bg + _each(share) * opacity * (wall - fg_bg)


def make_changes(
    shadow_probability: float = 0.0,
    shadow_depth: float = 0.6,
    thing_probability: float = 0.0,
    thing_range: float = 0.08,
    camouflage_probability: float = 0.0,
    camouflage_range: float = 0.8,
) -> Augment:
    """Puts changes of the room together; the defaults change nothing.

    Args are those of `config.Scene`, where each has its meaning and range.

    Returns:
        A function from a batch and its draws, as `augmentation.example_draws`.
    """

    def change(batch: Streams, draws: tf.Tensor) -> Streams:
        bg, fg_bg, mask = (
            tf.cast(batch[name], tf.float32) for name in ("bg", "fg_bg", "mask")
        )
        change_some = choosing.change_some
        if camouflage_probability:
            on = chosen(draws, Column.IS_CAMOUFLAGED, camouflage_probability)
            share = camouflage_range * draws[:, Column.CAMOUFLAGE]
            fg_bg = change_some(on, pull_colour, fg_bg, bg, mask, share)
        if shadow_probability:
            on = chosen(draws, Column.IS_SHADED, shadow_probability)
            amounts = draws[:, Column.SHADOW : Column.SHADOW + 7]

            def shaded(fg_bg, mask, amounts):
                fallen, depth = _drawn_shadow(mask, amounts)
                return shade(fg_bg, mask, fallen, shadow_depth * depth)

            fg_bg = change_some(on, shaded, fg_bg, mask, amounts)
        if thing_probability:
            on = chosen(draws, Column.IS_PUSHED, thing_probability)
            x, y, width, height, far, direction = tf.unstack(
                draws[:, Column.THING : Column.THING + 6], axis=1
            )
            radii = thing_range * tf.stack([0.2 + 0.8 * width, 0.2 + 0.8 * height], 1)
            angle = 2 * math.pi * direction
            way = tf.stack([tf.cos(angle), tf.sin(angle)], axis=1)
            way *= (0.05 + 0.3 * far)[:, tf.newaxis]
            middle = tf.stack([x, y], axis=1) - 0.5
            bg = change_some(on, push, bg, middle, radii, way)
        return batch | {"bg": to_uint8(bg), "fg_bg": to_uint8(fg_bg)}

    return change


def _drawn_shadow(mask, amounts) -> tuple[tf.Tensor, tf.Tensor]:
    """The shadow of a mask by seven draws each, [B, 7], and how dark it is, [B]."""
    where, lean, length, aside, lift, softness, depth = tf.unstack(amounts, axis=1)
    length = 0.9 * length - 0.35
    sign = tf.where(length < 0, -1.0, 1.0)
    fallen = shadow(
        mask,
        shear=2 * lean - 1,
        length=sign * tf.maximum(tf.abs(length), LEAST_LENGTH),
        aside=0.6 * aside - 0.3,
        lift=0.3 * lift - 0.1,
        softness=0.06 * softness,
        on_floor=tf.cast(where < 2 / 3, tf.float32),
        on_wall=tf.cast(where > 1 / 3, tf.float32),
    )
    return fallen, depth


def _each(amount) -> tf.Tensor:
    """[B] beside pictures."""
    return amount[:, tf.newaxis, tf.newaxis, tf.newaxis]
