"""Exact sums of the pixels of a labelled set, and counts of its pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import cv2
import numpy as np

from maskdepth_tf import streams
from maskdepth_tf.input import labels

BINS = 10
"""Bins of the histograms, equal parts of [0, 1]."""
# OpenCV counts in float32, exact up to twice this.
_COUNTED = 2**23


@dataclass(frozen=True)
class Sums:
    """Whole numbers of a picture, or of many; Python's integers have no greatest.

    Attributes:
        pixels: How many.
        totals: Sum of each channel.
        squares: Sum of each channel's squares.
        bins: Pixels in each bin, of depth alone.
        holes: Pixels of depth that is not known; they count nowhere else.
    """

    pixels: int = 0
    totals: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()
    bins: tuple[int, ...] = ()
    holes: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        def add(a, b):
            return tuple(map(sum, zip_longest(a, b, fillvalue=0)))

        return Sums(
            self.pixels + other.pixels,
            add(self.totals, other.totals),
            add(self.squares, other.squares),
            add(self.bins, other.bins),
            self.holes + other.holes,
        )

    def moments(self, scale: int) -> dict[str, list[float]]:
        """Mean and deviation of each channel, of values divided by `scale`."""
        whole = max(1, self.pixels) * scale
        pairs = zip(self.totals, self.squares, strict=True)
        variances = [self.pixels * square - total**2 for total, square in pairs]
        return {
            "mean": [total / whole for total in self.totals],
            "deviation": [math.sqrt(variance) / whole for variance in variances],
        }


def measure(values: np.ndarray, has_bins: bool = False) -> Sums:
    """Sums of one picture, or of several together.

    Args:
        values: uint8, uint16 or, of depth with holes, int32 [..., H, W, C].
        has_bins: Whether to count the pixels of each bin; of depth only.
    """
    if values.dtype == np.uint8:
        return _measure_bytes(values.reshape(-1, 1, values.shape[-1]))
    channels = values.reshape(-1, values.shape[-1]).astype(np.int64)
    holes = 0
    if values.dtype == streams.HOLED_DEPTH.dtype:
        is_known = channels[:, 0] >= 0
        holes, channels = int((~is_known).sum()), channels[is_known]
    bins: tuple[int, ...] = ()
    if has_bins:
        places = np.minimum(channels * BINS // streams.DEPTH_SCALE, BINS - 1)
        bins = tuple(np.bincount(places.ravel(), minlength=BINS).tolist())
    totals, squares = channels.sum(axis=0), np.square(channels).sum(axis=0)
    moments = tuple(totals.tolist()), tuple(squares.tolist())
    return Sums(len(channels), *moments, bins, holes)


def _measure_bytes(pixels: np.ndarray) -> Sums:
    """As `measure`, from how often each value occurs: a tenth of the time."""
    levels = np.arange(256)
    channels = range(pixels.shape[-1])
    counts = np.zeros((len(channels), 256), np.int64)
    for start in range(0, len(pixels), _COUNTED):
        part = pixels[start : start + _COUNTED]
        for channel in channels:
            histogram = cv2.calcHist([part], [channel], None, [256], [0, 256])
            counts[channel] += histogram.ravel().astype(np.int64)
    totals, squares = counts @ levels, counts @ levels**2
    return Sums(len(pixels), tuple(totals.tolist()), tuple(squares.tolist()))


def count_pictures(rows: Sequence[labels.Row]) -> dict[str, int]:
    """`rows`, `backgrounds` without their views, `views` and known `foregrounds`."""
    backgrounds = {row.bg for row in rows}
    rooms = {labels.room_of(bg) for bg in backgrounds}
    return {
        "rows": len(rows),
        "backgrounds": len(rooms),
        "views": sum(labels.room_of(bg) != bg for bg in backgrounds),
        "foregrounds": len({row.fg for row in rows if labels.knows_cutout(row)}),
    }
