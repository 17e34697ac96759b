"""Depth of composites from that of their rooms.

Teachers know rooms and not figures that were pasted on them: on a composite they
answer fog. Here the teacher sees the room alone, whole and in enlarged parts, each
mirrored too; the mean of what it says is better than any of them. Where the parts do
not agree with the whole, it does not know the room (0.2 to 0.7 on facades, close
cupboards and empty walls, 0.8 to 0.98 on rooms that one would call right).

A figure is a surface that faces the camera. It stands where its foot is, and is nearer
than all that it hides.
"""

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from maskdepth_tf import streams
from maskdepth_tf.dataset.teachers import loading

PART = 0.7
"""Side of an enlarged part, a share of the picture's."""
LEAST_AGREEMENT = 0.75
"""Mean correlation of parts and whole from which a room's depth is believed."""
FOOT = 0.03
"""Height of a foot, a share of the picture's side."""
COVERED = 0.05
"""Share of the hidden room that may be nearer than the figure: maps err at edges."""
BEFORE = 0.03
"""How far a figure stands before the nearest of what it hides, by the room's range."""
CLOSE_UP = 0.3
"""The same of one that the lower border cuts: its foot is not in the picture."""
MOST = 0.6
"""Most that it stands before that, by the distance itself."""


class Room(NamedTuple):
    """What a teacher says of a room.

    Attributes:
        distance: float32 [S, S], far is large.
        agreement: Mean correlation of its parts with the whole, -1 to 1.
    """

    distance: np.ndarray
    agreement: float

    @property
    def is_known(self) -> bool:
        """Whether the teacher knows the room."""
        return self.agreement >= LEAST_AGREEMENT


def look(teacher: loading.Teacher, picture: np.ndarray) -> Room:
    """Estimates the distances in a room from many views of it.

    Args:
        teacher: The network.
        picture: uint8 [H, W, 3].
    """
    whole = _both_ways(teacher, picture)
    side = round(PART * len(whole))
    taper = _taper(side)
    total, weight, agreements = whole.copy(), np.ones_like(whole), []
    for down, right in itertools.product((0, 1), repeat=2):
        sides = [round(PART * length) for length in picture.shape[:2]]
        part = _both_ways(teacher, picture[_corner(picture.shape, down, right, *sides)])
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        place = _corner(whole.shape, down, right, side, side)
        agreement, fitted = _fit(part, whole[place])
        agreements.append(agreement)
        total[place] += taper * fitted
        weight[place] += taper
    return Room(total / weight, float(np.mean(agreements)))


def put_in(distance: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Puts figures into a room.

    Args:
        distance: float32 [H, W], of the room alone; far is large.
        mask: uint8 [H, W], where the figures are.

    Returns:
        float32 [H, W].
    """
    height, span = len(mask), float(np.ptp(distance))
    composed = distance.copy()
    solid = (mask >= streams.MASK_THRESHOLD).astype(np.uint8)
    count, figures, boxes, _ = cv2.connectedComponentsWithStats(solid)
    ends = boxes[:, cv2.CC_STAT_TOP] + boxes[:, cv2.CC_STAT_HEIGHT]
    for number, end in zip(range(1, count), ends[1:], strict=True):
        figure = figures == number
        foot = figure.copy()
        foot[: end - max(1, round(FOOT * height))] = False
        hidden = float(np.quantile(distance[figure], COVERED))
        nearest = min(float(np.median(distance[foot])), hidden)
        before = span * (CLOSE_UP if end == height else BEFORE)
        # Metres end at the camera.
        composed[figure] = nearest - min(before, MOST * abs(nearest))
    return composed


def _both_ways(teacher, picture) -> np.ndarray:
    """Mean of the answers to a picture and to its mirror image: [S, S]."""
    picture = np.ascontiguousarray(picture)
    mirrored = loading.estimate(teacher, np.ascontiguousarray(picture[:, ::-1]))
    return (loading.estimate(teacher, picture) + mirrored[:, ::-1]) / 2


def _corner(shape, down, right, height, width) -> tuple[slice, slice]:
    """Rows and columns of a part that lies in one of the corners."""
    top, left = down * (shape[0] - height), right * (shape[1] - width)
    return slice(top, top + height), slice(left, left + width)


def _taper(side) -> np.ndarray:
    """Weight of a part, lower towards its borders: float32 [side, side]."""
    place = np.arange(side) + 1
    line = np.minimum(4 / side * np.minimum(place, place[::-1]), 1)
    return np.minimum(line, line[:, None]).astype(np.float32)


def _fit(part, whole) -> tuple[float, np.ndarray]:
    """Correlation with the whole, and the part at the whole's scale and shift.

    A part that speaks against the whole says nothing: the whole's own stands for it.
    """
    spread = float(part.std() * whole.std())
    if not spread:
        return 0.0, whole
    covariance = float(np.mean((part - part.mean()) * (whole - whole.mean())))
    if covariance <= 0:
        return covariance / spread, whole
    scale = covariance / float(part.var())
    return covariance / spread, whole.mean() + scale * (part - part.mean())
