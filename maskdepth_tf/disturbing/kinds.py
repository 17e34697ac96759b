"""The kinds of disturbances, in five severities each.

What a kind draws depends on the row's number alone: it goes the same way at every
severity. Of two directions it draws one: numbers of spread rows may all be even.
Lengths are thousandths of the width: pictures of any size are disturbed alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskdepth_tf import draws
from maskdepth_tf.disturbing.effects import geometry, light, scene, sensor
from maskdepth_tf.disturbing.pairs import Pair


@dataclass(frozen=True)
class Kind:
    """A kind of disturbance.

    Attributes:
        name: Its key in figures.
        label: What people call it, with the unit of its levels.
        group: What it belongs to.
        levels: How much of it, by severity.
        held_out: Whether no augmentation of training makes it.
        function: From a pair, a level and the row's number to the disturbed pair.
        needs_figure: Whether it does nothing where nobody is in front.
    """

    name: str
    label: str
    group: str
    levels: tuple[float, ...]
    held_out: bool
    function: Callable[[Pair, float, int], Pair]
    needs_figure: bool = False


def disturb(pair: Pair, kind: Kind, severity: int, number: int) -> Pair:
    """Disturbs a pair.

    Args:
        pair: The pair, in its own size.
        kind: One of `KINDS`.
        severity: From 1, the least.
        number: The row's.

    Returns:
        The disturbed pair, of the same size.
    """
    return kind.function(pair, kind.levels[severity - 1], number)


def _sign(number: int) -> int:
    return 1 - 2 * int(draws.generator(number).integers(2))


def _either(level: float, number: int) -> float:
    """A factor, or its inverse."""
    return level ** _sign(number)


def _direction(number: int) -> float:
    return draws.generator(number).uniform(0, 2 * math.pi)


def _shift(pair: Pair, level: float, number: int) -> Pair:
    length, angle = pair.pixels(level), _direction(number)
    matrix = geometry.shift(length * math.cos(angle), length * math.sin(angle))
    return pair._replace(bg=geometry.warp(pair.bg, matrix))


def _zoom(pair: Pair, level: float, number: int) -> Pair:
    matrix = geometry.turn(pair.bg.shape, _either(1 + level / 100, number), 0)
    return pair._replace(bg=geometry.warp(pair.bg, matrix))


def _rotation(pair: Pair, level: float, number: int) -> Pair:
    matrix = geometry.turn(pair.bg.shape, 1, _sign(number) * level)
    return pair._replace(bg=geometry.warp(pair.bg, matrix))


def _perspective(pair: Pair, level: float, number: int) -> Pair:
    angles = draws.generator(number).uniform(0, 2 * math.pi, 4)
    moves = pair.pixels(level) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    matrix = geometry.tilt(pair.bg.shape, moves)
    return pair._replace(bg=geometry.warp(pair.bg, matrix))


def _gain(pair: Pair, level: float, number: int) -> Pair:
    return pair._replace(fg_bg=light.gain(pair.fg_bg, _either(level, number)))


def _gamma(pair: Pair, level: float, number: int) -> Pair:
    return pair._replace(fg_bg=light.gamma(pair.fg_bg, _either(level, number)))


def _white_balance(pair: Pair, level: float, number: int) -> Pair:
    share = _sign(number) * level / 100
    return pair._replace(fg_bg=light.white_balance(pair.fg_bg, share))


def _gradient(pair: Pair, level: float, number: int) -> Pair:
    side = int(draws.generator(number).integers(4))
    return pair._replace(fg_bg=light.gradient(pair.fg_bg, level / 100, side))


def _noise(pair: Pair, level: float, number: int) -> Pair:
    grain = draws.generator(number)
    bg, fg_bg = (sensor.noise(p, level, grain) for p in (pair.bg, pair.fg_bg))
    return pair._replace(bg=bg, fg_bg=fg_bg)


def _focus_blur(pair: Pair, level: float, number: int) -> Pair:
    return pair._replace(fg_bg=sensor.focus_blur(pair.fg_bg, pair.pixels(level)))


def _motion_blur(pair: Pair, level: float, number: int) -> Pair:
    length, angle = pair.pixels(level), _direction(number)
    return pair._replace(fg_bg=sensor.motion_blur(pair.fg_bg, length, angle))


def _jpeg(pair: Pair, level: float, number: int) -> Pair:
    bg, fg_bg = (sensor.jpeg(p, int(level)) for p in (pair.bg, pair.fg_bg))
    return pair._replace(bg=bg, fg_bg=fg_bg)


def _cast_shadow(pair: Pair, level: float, number: int) -> Pair:
    return pair._replace(fg_bg=scene.cast_shadow(pair, level, _sign(number)))


def _moved_thing(pair: Pair, level: float, number: int) -> Pair:
    side = max(2, round(level / 100 * min(pair.bg.shape[:2])))
    room = scene.move_thing(pair.bg, pair.truth, side, draws.generator(number))
    return pair._replace(bg=room)


def _like_the_wall(pair: Pair, level: float, number: int) -> Pair:
    return pair._replace(fg_bg=scene.pull_colour(pair, level / 100))


_SHIFTS = (2, 4.5, 9, 18, 36)
_FACTORS = (0.9, 0.85, 0.8, 0.7, 0.6)
_SIGMAS = (2, 4, 8, 12, 20)


def _all(pair: Pair, level: float, number: int) -> Pair:
    place = int(level) - 1
    for function, levels in (
        (_shift, _SHIFTS),
        (_gain, _FACTORS),
        (_noise, _SIGMAS),
    ):
        pair = function(pair, levels[place], number)
    return pair


_SHADOWS = (0.15, 0.3, 0.45, 0.6, 0.75)
_PULLS = (20, 40, 60, 75, 90)

KINDS = (
    Kind("shift", "shift, ‰", "geometry", _SHIFTS, False, _shift),
    Kind("zoom", "zoom, %", "geometry", (0.25, 0.5, 1, 2, 4), False, _zoom),
    Kind("rotation", "rotation, °", "geometry", (0.25, 0.5, 1, 2, 3), False, _rotation),
    Kind(
        "perspective",
        "perspective, ‰",
        "geometry",
        (2, 5, 10, 20, 30),
        True,
        _perspective,
    ),
    Kind("gain", "gain", "light", _FACTORS, False, _gain),
    Kind("gamma", "gamma", "light", _FACTORS, False, _gamma),
    Kind(
        "white_balance",
        "white balance, %",
        "light",
        (2, 5, 10, 15, 20),
        False,
        _white_balance,
    ),
    Kind(
        "gradient", "light falls off, %", "light", (5, 10, 20, 30, 40), True, _gradient
    ),
    Kind("noise", "noise of both, of 255", "sensor", _SIGMAS, False, _noise),
    Kind(
        "focus_blur", "focus blur, ‰", "sensor", (2, 4, 7, 10, 14), False, _focus_blur
    ),
    Kind(
        "motion_blur",
        "motion blur, ‰",
        "sensor",
        (5, 10, 20, 30, 40),
        True,
        _motion_blur,
    ),
    Kind("jpeg", "JPEG of both, quality", "sensor", (60, 40, 25, 15, 7), False, _jpeg),
    Kind("shadow", "cast shadow", "scene", _SHADOWS, False, _cast_shadow, True),
    Kind("moved", "thing moved, %", "scene", (3, 5, 8, 12, 16), True, _moved_thing),
    Kind(
        "camouflage", "like the wall, %", "scene", _PULLS, False, _like_the_wall, True
    ),
    Kind("all", "shift, gain and noise", "all", (1, 2, 3, 4, 5), False, _all),
)
"""All kinds, in the order in which they are shown."""
