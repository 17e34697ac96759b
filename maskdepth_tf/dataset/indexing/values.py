"""Numbers of masks and depth maps that are not those of the data format.

A value is what the file holds: of a picture with 8 bits its grey, 0 to 255, of a PNG
with 16 bits 0 to 65535. Masks drawn in the alpha channel alone, all of one colour, have
their alpha. Where that reaches half of 255 it is made binary there: its edge is soft.
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from maskdepth_tf import errors, streams
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.dataset.teachers import conventions
from maskdepth_tf.images import stores

Span = tuple[int, int]
"""Least and greatest of some values."""


class Meaning(NamedTuple):
    """What values mean.

    Attributes:
        foreground: Spans of a mask's values that are foreground; None if masks are
            as they should be.
        large_is: Whether large values of depth are "far" or "near"; None if depth is
            as it should be.
        holes: Spans of values of depth that stand for not known, as alpha does.
        unit: Metres that a value of 1 is; None if that is not known.
    """

    foreground: tuple[Span, ...] | None = None
    large_is: str | None = None
    holes: tuple[Span, ...] = ()
    unit: float | None = None


def read_mask(source: stores.Pictures, name: str) -> np.ndarray:
    """Values of a mask, int32 [H, W].

    Raises:
        DataError: If it is missing or damaged; names it.
    """
    from maskdepth_tf.images import preprocessing

    rgba = decoding.read(source, name, preprocessing.decode_rgba)[2]
    colours, alpha = rgba[..., :3], rgba[..., 3]
    is_alpha = alpha.min() < 255 and not np.ptp(colours, axis=(0, 1)).any()
    if not is_alpha:
        grey = read_depth(source, name)
        return _turned(grey, grey < 0)
    if alpha.max() >= streams.MASK_THRESHOLD:
        alpha = 255 * (alpha >= streams.MASK_THRESHOLD)
    return alpha.astype(np.int32)


def read_depth(source: stores.Pictures, name: str) -> np.ndarray:
    """Values of a depth map, int32 [H, W]; -1 less that where alpha says not known.

    Raises:
        DataError: If it is missing or damaged; names it.
    """
    from maskdepth_tf.images import preprocessing

    _, header, depth = decoding.read(source, name, preprocessing.decode_depth)
    is_hole = depth[..., 0] <= streams.HOLE
    filled = _turned(depth[..., 0], is_hole)
    values = np.rint(filled * streams.DEPTH_SCALE).astype(np.int32)
    values //= 1 if header.has_16_bits else streams.DEPTH_STEP
    return _turned(values, is_hole)


def _turned(values, is_hole) -> np.ndarray:
    """Marks holes, as `streams` has them; done twice it is undone."""
    return np.where(is_hole, -1 - values, values)


def greater_of_two(found: Iterable[int]) -> Span:
    """The foreground of masks in which two values were found.

    Raises:
        DataError: If there are not two; names them.
    """
    ordered = sorted(found)
    if len(ordered) != 2:
        shown = [*map(str, ordered[:8]), *["..."] * (len(ordered) > 8)]
        raise errors.DataError(
            "the masks must hold two values, or --foreground must name those of the "
            f"foreground, as 1 or 1-255. Received: {', '.join(shown)}"
        )
    return ordered[1], ordered[1]


def is_in(values: np.ndarray, spans: Iterable[Span]) -> np.ndarray:
    """Where values lie in one of some spans, bool."""
    inside = np.zeros(values.shape, bool)
    for least, greatest in spans:
        inside |= (values >= least) & (values <= greatest)
    return inside


def to_depth(
    values: np.ndarray, meaning: Meaning
) -> tuple[np.ndarray, float, float] | None:
    """A map as the data format has it, near 0 and far 1.

    Holes are kept. What stands for them where something must, in the windows of SSIM
    that reach over an edge and in what a person sees, is the depth of the nearest pixel
    where it is known.

    Args:
        values: int32 [H, W], below 0 where alpha says not known.
        meaning: What they mean; `large_is` is not None.

    Returns:
        uint16 [H, W] or, with holes, int32 as `streams.HOLED_DEPTH`; near and far, as
        `conventions.to_relative`; None where less than two distances are known.
    """
    is_hole = is_in(values, meaning.holes) | (values < 0)
    if is_hole.all() or np.ptp(values[~is_hole]) == 0:
        return None
    sign = 1 if meaning.large_is == "far" else -1
    filled = _filled(values, is_hole).astype(np.float32)
    distance = sign * (meaning.unit or 1.0) * filled
    relative, near, far = conventions.to_relative(distance)
    pixels = np.rint(streams.DEPTH_SCALE * relative).astype(np.uint16)
    if is_hole.any():
        holed = pixels.astype(streams.HOLED_DEPTH.dtype)
        return _turned(holed, is_hole), near, far
    return pixels, near, far


def _filled(values: np.ndarray, is_hole: np.ndarray) -> np.ndarray:
    """Values, those of holes from the nearest pixel that is none."""
    _, nearest = cv2.distanceTransformWithLabels(
        is_hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Each pixel that is no hole has a label of its own.
    known = np.zeros(nearest.max() + 1, values.dtype)
    known[nearest[~is_hole]] = values[~is_hole]
    return known[nearest]
