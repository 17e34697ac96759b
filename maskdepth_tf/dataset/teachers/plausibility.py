"""Whether a teacher's depth can be right: looked at before any map is written.

Distances must be finite, not the same all over, and, if they are metres, mostly
between 0.01 and 1000 m. They must not be upside down either. Two things are nearer in
nearly all pictures of a data set, each measured as a part of the picture's range:

    figure = (median around the mask - median in the mask) / (far - near)
    floor  = (median of the top quarter - median of the bottom quarter) / (far - near)

and the mean of `figure + floor` over the pictures must not be negative. With a network
of indoor depth on composites of offices, `figure` was 0.13 +- 0.18, `floor` 0.30 +-
0.19 and their sum 0.42 +- 0.25 over 64 rows (mean, deviation): one picture says the
wrong thing in 1 case of 65, the mean of four in less than 1 of 10,000.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from maskdepth_tf import errors, streams
from maskdepth_tf.dataset.teachers.conventions import CONVENTIONS
from maskdepth_tf.input import labels

NUM_ROWS = 32
"""Rows that are looked at, the first ones."""
METRES = (0.01, 1000.0)
METRES_FRACTION = 0.9
"""Least part of all pixels that must be within `METRES`."""
RING_FRACTION = 1 / 7
"""Width of what counts as around the mask, of the map's side."""

Predict = Callable[[str], np.ndarray]
"""From the path of a composite to its distances, float32 [S, S]."""


def check_teacher(
    root: Path, rows: list[labels.Row], predict: Predict, convention: str
) -> dict[str, float]:
    """Looks at a teacher's depth of the first rows.

    Args:
        root: Folder of the data set.
        rows: Its rows.
        predict: Gives the distances in a composite.
        convention: Their convention, a name in `CONVENTIONS`.

    Returns:
        What the manifest keeps: the number of rows and the means of figure and floor.

    Raises:
        DataError: A picture or mask is missing or damaged, or the depth cannot be
            right.
    """
    rows = rows[:NUM_ROWS]
    maps = [predict(row.fg_bg) for row in rows]
    for row, distance in zip(rows, maps, strict=True):
        check_finite(root / row.fg_bg, distance)
    _check_range(maps, convention)
    masks = [root / row.mask for row in rows]
    figure = float(np.mean(list(map(_figure, masks, maps))))
    floor = float(np.mean(list(map(_floor, maps))))
    if figure + floor < 0:
        raise errors.DataError(
            f"the teacher's depth is upside down: in the mean of {len(rows)} pictures "
            f"figures are nearer than what is around them by {figure:.2f} of the range "
            f"and the bottom nearer than the top by {floor:.2f}; the sum must not be "
            f"negative. --convention {' or '.join(CONVENTIONS[convention].opposites)} "
            f"may be right. Received: {convention}"
        )
    return {
        "rows": len(rows),
        "figure_nearer": round(figure, 4),
        "floor_nearer": round(floor, 4),
    }


def check_finite(path: Path, distance: np.ndarray) -> None:
    """Raises a DataError if a picture's distances are not finite."""
    if not np.isfinite(distance).all():
        raise errors.DataError(
            f"{path}: the teacher's depth must be finite. Received: NaN or infinity"
        )


def _check_range(maps: list[np.ndarray], convention: str) -> None:
    distances = np.stack(maps)
    if all(np.ptp(distance) == 0 for distance in maps):
        raise errors.DataError(
            f"the teacher's depth must differ within a picture; it is the same all "
            f"over in all of {len(maps)}. Another --convention may be right. "
            f"Received: {convention}"
        )
    is_plausible = (distances >= METRES[0]) & (distances <= METRES[1])
    if CONVENTIONS[convention].is_metric and is_plausible.mean() < METRES_FRACTION:
        raise errors.DataError(
            f"the teacher's depth must be from {METRES[0]} to {METRES[1]:g} m with "
            f"--convention {convention}; relative_far and disparity are for networks "
            f"without units. Received: {distances.min():.4g} to {distances.max():.4g}"
        )


def _figure(mask_path: Path, distance: np.ndarray) -> float:
    from maskdepth_tf.images import preprocessing

    side = len(distance)
    grey = preprocessing.resize(preprocessing.read_mask(mask_path), side).numpy()
    inside = (grey[..., 0] >= streams.MASK_THRESHOLD).astype(np.uint8)
    reach = 2 * max(1, round(side * RING_FRACTION)) + 1
    around = cv2.dilate(inside, np.ones((reach, reach), np.uint8)) > inside
    return _nearer(distance, inside > 0, around)


def _floor(distance: np.ndarray) -> float:
    rows = np.arange(len(distance)) * 4 // len(distance)
    whole = np.ones_like(distance, bool)
    return _nearer(distance, whole & (rows == 3)[:, None], whole & (rows == 0)[:, None])


def _nearer(distance: np.ndarray, near: np.ndarray, far: np.ndarray) -> float:
    """By how much one part is nearer than another, of the picture's range."""
    span = float(np.ptp(distance))
    if not (near.any() and far.any() and span):
        return 0.0
    return float(np.median(distance[far]) - np.median(distance[near])) / span
