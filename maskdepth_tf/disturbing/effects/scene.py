"""What happened in the room: shadows, moved things, clothes like the wall, people."""

import cv2
import numpy as np

from maskdepth_tf.disturbing.pairs import Pair, differences, of_size

SHADOW_LENGTH = 0.3
"""Height of the shadow on the floor, a share of the figure's."""
SHADOW_SHEAR = 0.6
"""Its move aside, a share of the height above the foot."""
WALL_OFFSET = 0.15
"""How far aside the shadow on the wall falls, a share of the figure's height."""
SHADOW_SIGMA = 0.03
"""Softness of both, a share of the figure's height."""
WALL_SIGMA = 0.05
"""Deviation of the blur that makes a wall's colour of a room, a share of the width."""
PLACES = 8
"""Pairs of places that are drawn for a moved thing; where it shows most is taken."""


def shadow(truth: np.ndarray, side: int) -> np.ndarray:
    """The shadow of a figure on floor and wall: float32 [H, W] from 0 to 1.

    The floor's is the silhouette laid flat about its foot, the wall's is the silhouette
    moved aside. They also cover what the figure hides.

    Args:
        truth: bool [H, W], the figure.
        side: 1 if the light comes from the left, -1 from the right.
    """
    rows = np.flatnonzero(truth.any(axis=1))
    if not rows.size:
        return np.zeros(truth.shape, np.float32)
    foot, height = rows[-1] + 0.5, rows[-1] - rows[0] + 1  # 0: the middle of a pixel
    shear = side * SHADOW_SHEAR
    floor = np.array(
        [[1, -shear, shear * foot], [0, SHADOW_LENGTH, foot * (1 - SHADOW_LENGTH)]]
    )
    wall = np.array([[1.0, 0, side * WALL_OFFSET * height], [0, 1, 0]])
    figure, size = truth.astype(np.float32), truth.shape[::-1]
    both = np.maximum(*(cv2.warpAffine(figure, m, size) for m in (floor, wall)))
    return cv2.GaussianBlur(both, (0, 0), SHADOW_SIGMA * height + 0.5)


def cast_shadow(pair: Pair, depth: float, side: int) -> np.ndarray:
    """Darkens the picture, but not the figure, where `shadow` falls.

    Args:
        pair: The pair.
        depth: Share of the light that a full shadow takes.
        side: As `shadow`.

    Returns:
        The new `fg_bg`.
    """
    light = 1 - depth * shadow(pair.truth, side)[..., None] * (1 - pair.opacity)
    return np.rint(pair.fg_bg * light).astype(np.uint8)


def move_thing(
    room: np.ndarray, hidden: np.ndarray, side: int, draws: np.random.Generator
) -> np.ndarray:
    """Lets two round pieces of a room change places, those that show most of a few.

    Args:
        room: uint8 [H, W, 3].
        hidden: bool [H, W], where a figure stands before the room.
        side: Diameter of the pieces, in pixels.
        draws: Source of randomness.

    Returns:
        uint8 [H, W, 3].
    """
    across = (np.arange(side) - (side - 1) / 2) / (side / 2)
    inside = np.clip((1 - np.hypot(across, across[:, None])) * side / 4, 0, 1)
    limits = [room.shape[0] - side, room.shape[1] - side] * 2
    best, most = room, 0.0
    for places in draws.integers(0, limits, (PLACES, 4), endpoint=True):
        here, there = places[:2], places[2:]
        if np.abs(here - there).max() < side:
            continue
        moved = _swapped(room, here, there, inside)
        change = differences(moved, room)[~hidden].sum(dtype=float)
        if change > most:
            best, most = moved, change
    return best


def _swapped(room, here, there, inside) -> np.ndarray:
    side, moved = len(inside), room.copy()
    places = [
        (slice(top, top + side), slice(left, left + side))
        for top, left in (here, there)
    ]
    for to, other in (places, places[::-1]):
        moved[to] = _mixed(room[to], room[other], inside[..., None])
    return moved


def pull_colour(pair: Pair, share: float) -> np.ndarray:
    """Pulls the foreground's colours to those of the wall behind it.

    Args:
        pair: The pair.
        share: How far, from 0 to 1.

    Returns:
        The new `fg_bg`.
    """
    wall = cv2.GaussianBlur(pair.bg, (0, 0), WALL_SIGMA * pair.bg.shape[1])
    return _mixed(pair.fg_bg, wall, share * pair.opacity)


def add_figure(room: np.ndarray, other: Pair) -> np.ndarray:
    """Pastes the foreground of another pair into a room, at its own place.

    Args:
        room: uint8 [H, W, 3].
        other: The other pair, of any size.

    Returns:
        uint8 [H, W, 3].
    """
    brought = Pair(*(of_size(picture, room) for picture in other))
    return _mixed(room, brought.fg_bg, brought.opacity)


def _mixed(below, above, share) -> np.ndarray:
    """Goes a share of the way from one picture to another."""
    mixed = below + share * (above.astype(np.float32) - below)
    return np.rint(mixed).astype(np.uint8)
