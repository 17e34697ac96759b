"""A background brought onto a picture as one would without any learning.

Corners that look alike (ORB) say how the camera moved, curves how the light changed.
"""

from typing import NamedTuple

import cv2
import numpy as np

from maskdepth_tf.disturbing.pairs import differences

CORNERS = 1000
"""Most corners of a picture."""
LEAST_MATCHES = 8
"""Corners in common below which nobody can say how the camera moved."""
SCALE_LIMIT = 0.15
"""Greatest change of scale: no tripod does that, a wrong match does."""
CAP = 40.0
"""Difference, of 255, above which a pixel counts no more: it is in front."""
ROUNDS = 4
"""Times that a tone curve is fitted; each leaves out what disagrees with the last."""
BINS = 16
"""Parts of the range of values, each of which gives one point of a tone curve."""
LEAST_PIXELS = 20
"""Pixels in a bin below which its median is chance."""


class Corners(NamedTuple):
    """Corners of a picture.

    Attributes:
        points: float32 [N, 2], x and y in pixels.
        descriptors: uint8 [N, 32], what they look like.
    """

    points: np.ndarray
    descriptors: np.ndarray


def find_corners(picture: np.ndarray) -> Corners:
    """Finds the corners of a picture, uint8 [H, W, 3]; it may have none."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    points, descriptors = cv2.ORB.create(CORNERS).detectAndCompute(grey, None)
    if descriptors is None:
        return Corners(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    return Corners(np.array([p.pt for p in points], np.float32), descriptors)


def motion(before: Corners, after: Corners) -> np.ndarray | None:
    """How the camera moved: turn, scale and shift.

    Args:
        before: Corners of the background.
        after: Corners of the picture.

    Returns:
        float64 [2, 3], from points of the background to those of the picture; None if
        the corners do not tell, or tell what is not likely.
    """
    if min(len(before.points), len(after.points)) < LEAST_MATCHES:
        return None
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    matches = matcher.match(before.descriptors, after.descriptors)
    if len(matches) < LEAST_MATCHES:
        return None
    sources = before.points[[match.queryIdx for match in matches]]
    targets = after.points[[match.trainIdx for match in matches]]
    matrix, _ = cv2.estimateAffinePartial2D(sources, targets, method=cv2.RANSAC)
    if matrix is None or abs(np.hypot(*matrix[:, 0]) - 1) > SCALE_LIMIT:
        return None
    return matrix


def align(bg: np.ndarray, fg_bg: np.ndarray, corners: Corners) -> np.ndarray:
    """Warps a background onto a picture, if they then differ less.

    Args:
        bg: uint8 [H, W, 3].
        fg_bg: uint8 [H, W, 3].
        corners: Those of `bg`.

    Returns:
        uint8 [H, W, 3]; where the warped background shows nothing, `fg_bg` itself.
    """
    matrix = motion(corners, find_corners(fg_bg))
    if matrix is None:
        return bg
    size = bg.shape[1::-1]
    warped = cv2.warpAffine(bg, matrix, size)
    seen = cv2.warpAffine(np.full(bg.shape[:2], 255, np.uint8), matrix, size) == 255
    if residual(warped, fg_bg, seen) >= residual(bg, fg_bg, seen):
        return bg
    return np.where(seen[..., None], warped, fg_bg)


def residual(bg: np.ndarray, fg_bg: np.ndarray, where: np.ndarray) -> float:
    """Mean of the largest difference of a channel, `CAP` at most, over some pixels.

    Args:
        bg: uint8 [H, W, 3].
        fg_bg: uint8 [H, W, 3].
        where: bool [H, W].

    Returns:
        From 0 to `CAP`; infinite if there are no such pixels.
    """
    if not where.any():
        return float("inf")
    return float(np.minimum(differences(bg, fg_bg)[where], CAP).mean())


def match_gain(bg: np.ndarray, fg_bg: np.ndarray) -> np.ndarray:
    """Multiplies each channel of a background by the median ratio to the picture's.

    Args:
        bg: uint8 [H, W, 3].
        fg_bg: uint8 [H, W, 3].

    Returns:
        uint8 [H, W, 3].
    """
    ratios = fg_bg / np.maximum(bg, 1).astype(np.float32)
    gains = np.median(ratios.reshape(-1, 3), axis=0)
    return np.rint(np.clip(bg * gains, 0, 255)).astype(np.uint8)


def match_tone(bg: np.ndarray, fg_bg: np.ndarray) -> np.ndarray:
    """Bends each channel of a background to the picture's tones.

    A channel's curve is the quadratic through the medians of pixels in `BINS` parts of
    its range. Pixels that disagree with the curve are left out of the next one.

    Args:
        bg: uint8 [H, W, 3].
        fg_bg: uint8 [H, W, 3].

    Returns:
        uint8 [H, W, 3].
    """
    bent, agree = bg.copy(), np.ones(bg.shape[:2], bool)
    for _ in range(ROUNDS):
        for channel in range(3):
            values, aims = bg[..., channel], fg_bg[..., channel]
            curve = _curve(values[agree], aims[agree])
            if curve is not None:
                table = np.clip(np.polyval(curve, np.arange(256)), 0, 255)
                bent[..., channel] = np.rint(table).astype(np.uint8)[values]
        difference = differences(bent, fg_bg)
        agree = difference < max(15, np.percentile(difference, 60))
    return bent


def _curve(values: np.ndarray, aims: np.ndarray) -> np.ndarray | None:
    """A quadratic from values to what they should be; None if they are too few."""
    bins = values // (256 // BINS)
    counts = np.bincount(bins, minlength=BINS)
    is_full = counts >= LEAST_PIXELS
    if np.count_nonzero(is_full) < 4:
        return None
    # Sorted by bin, then by value: the median of a bin stands in its middle. One number
    # holds both, which is sorted in a tenth of the time.
    middles = (np.cumsum(counts) - counts + counts // 2)[is_full]
    medians = np.sort(values)[middles]
    aimed = np.sort(bins.astype(np.uint16) * 256 + aims)[middles] % 256
    return np.polyfit(medians, aimed, 2)
