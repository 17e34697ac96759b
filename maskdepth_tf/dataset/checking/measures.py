"""Numbers that tell a good row from a bad one, taken from small pictures.

Pictures are looked at in squares of `SIZE` pixels that `preprocessing.resize` makes:
enough to see a figure. Backgrounds are compared in the means of
`CELLS` x `CELLS` cells, which take the noise of JPEG out.

The limits were set on good rows: 2,500 with office rooms (224 pixels, JPEG quality
30, depth by a teacher), 1,000 with other framings of these rooms, 2,000 rendered ones
(80 pixels, quality 70 to 95, exact depth, shadows); and on 82,081 pairs of such a row
and another room. None of the good rows is beyond a limit; of the pairs 19 are not,
and there the two rooms are the same picture stored twice.

| measure                                   | good rows    | swapped rooms  |
|-------------------------------------------|--------------|----------------|
| median difference of the cells, of 255    | 0 to 4.4     | 0.1 % below 8  |
| rms of what is brighter than bg, of 255   | 0 to 2.2     | 5 % below 3    |

One beyond its limit is enough. Neither minds shadows: they only darken, and they
cover less than half of the picture.
"""

import cv2
import numpy as np

SIZE = 64
"""Side of the small pictures [pixels]."""
CELLS = 16
"""Cells of a side, for backgrounds."""
DEPTH_CELLS = 8
"""Cells of a side, for depth."""
MEDIAN_DIFFERENCE = 8.0
"""Greatest median of the cells' differences, each that of its strongest channel."""
BRIGHTENING = 6.0
"""Greatest root mean square of what is brighter in fg_bg than in bg."""
NOISY_SIDE = 64
"""Smaller pictures are noisier cell by cell: both limits grow as they shrink. At
quality 30 good rows reach 7.3 and 5.1 at 64 pixels, 13 and 8 at 32."""
LEAST_CELLS = 8
"""With fewer cells outside the mask nothing is said about the background."""
MASK_EDGE = 16
"""Least value of a mask, of 255, that may show some of the figure."""
REACH = 2
"""How far the figure may bleed beyond its mask, as a JPEG does [pixels of `SIZE`]."""
FIGURE_DIFFERENCE = 30
"""Least difference, of 255, that counts as figure where bg and fg_bg agree."""
TRANSPOSED_GAIN = 0.1
"""Least gain in IoU of mask and difference by transposing. Good rows: below -0.02."""
INVERTED_GAIN = 0.1
"""That by inverting. Of 391 good rows: below -0.21; of the same inverted: above."""
LEAST_HOLES = 0.01
"""Least share of depth beside the figure that is 0 where 0 stands for not known; in
rendered rooms below 0.001."""
HOLE_STEP = 0.05
"""Least step from there to the next value, as a share of the greatest."""
_EDGE_FLOOR = 0.003  # a step of depth that is next to nothing
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


def outside_cells(mask: np.ndarray) -> np.ndarray:
    """Cells that show nothing of the figure.

    Args:
        mask: uint8 [SIZE, SIZE], 255 is figure.

    Returns:
        bool [CELLS, CELLS].
    """
    figure = (mask >= MASK_EDGE).astype(np.uint8)
    grown = cv2.dilate(figure, _NEIGHBOURHOOD, iterations=REACH)
    return cells(grown, CELLS) == 0


def cells(picture: np.ndarray, count: int) -> np.ndarray:
    """Means of equal squares: [SIZE, SIZE, ...] -> float32 [count, count, ...]."""
    side = picture.shape[0] // count
    shape = (count, side, count, side, *picture.shape[2:])
    return picture.reshape(shape).mean(axis=(1, 3), dtype=np.float32)


def agree(bg: np.ndarray, fg_bg: np.ndarray, where: np.ndarray, side: int) -> bool:
    """Whether two pictures show the same room, up to noise and shadows.

    Args:
        bg: float32 [CELLS, CELLS, 3], 0 to 255.
        fg_bg: The same.
        where: bool [CELLS, CELLS], the cells that count.
        side: Shorter side of fg_bg in its file [pixels].
    """
    if where.sum() < LEAST_CELLS:
        return True
    change = fg_bg[where] - bg[where]
    noise = max(1.0, NOISY_SIDE / side)
    median = np.median(np.abs(change).max(axis=1))
    brightening = np.sqrt(np.square(np.maximum(change, 0)).mean())
    is_alike = median <= noise * MEDIAN_DIFFERENCE
    return bool(is_alike and brightening <= noise * BRIGHTENING)


def gain_by_transposing(bg: np.ndarray, fg_bg: np.ndarray, mask: np.ndarray) -> float:
    """How much better the transposed mask fits the difference of two pictures.

    Args:
        bg: uint8 [SIZE, SIZE, 3].
        fg_bg: The same.
        mask: uint8 [SIZE, SIZE].

    Returns:
        IoU of the transposed mask less that of the mask, in [-1, 1].
    """
    difference = np.abs(fg_bg.astype(np.int16) - bg).max(axis=2) > FIGURE_DIFFERENCE
    figure = mask >= 128
    return _iou(difference, figure.T) - _iou(difference, figure)


def gain_by_inverting(bg: np.ndarray, fg_bg: np.ndarray, mask: np.ndarray) -> float:
    """How much better the inverted mask fits, as `gain_by_transposing`."""
    difference = np.abs(fg_bg.astype(np.int16) - bg).max(axis=2) > FIGURE_DIFFERENCE
    figure = mask >= 128
    return _iou(difference, ~figure) - _iou(difference, figure)


def _iou(a, b) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def depth_contrast(depth: np.ndarray, mask: np.ndarray) -> float:
    """How much farther the surroundings of the figure are than the figure.

    Args:
        depth: float32 [SIZE, SIZE] in [0, 1], 1 is far.
        mask: uint8 [SIZE, SIZE].

    Returns:
        Difference of the medians, in [-1, 1]; 0 if there is nothing to compare.
    """
    figure = (mask >= 128).astype(np.uint8)
    near = cv2.dilate(figure, _NEIGHBOURHOOD, iterations=2)
    ring = (cv2.dilate(near, _NEIGHBOURHOOD, iterations=3) - near).astype(bool)
    if not ring.any() or not figure.any():
        return 0.0
    return float(np.median(depth[ring]) - np.median(depth[figure.astype(bool)]))


def depth_edge(depth: np.ndarray, mask: np.ndarray) -> float:
    """Whether depth changes at the edge of the mask or of the transposed mask.

        log2((step + 0.003) / (step of the transposed mask + 0.003))

    Args:
        depth: float32 [SIZE, SIZE] in [0, 1].
        mask: uint8 [SIZE, SIZE].

    Returns:
        Above 0 where the mask fits better as it is.
    """
    step = np.hypot(*np.gradient(depth))
    figure = (mask >= 128).astype(np.uint8)
    edge = cv2.morphologyEx(figure, cv2.MORPH_GRADIENT, _NEIGHBOURHOOD) > 0
    upright, transposed = (
        float(step[where].mean()) if where.any() else 0.0 for where in (edge, edge.T)
    )
    return float(np.log2((upright + _EDGE_FLOOR) / (transposed + _EDGE_FLOOR)))


def has_holes(zeros: np.ndarray, mask: np.ndarray, least: float, far: float) -> bool:
    """Whether 0 looks as if it stood for depth that is not known.

    It must lie beside the figure, which may be flat and nearest of all, also where it
    would be in a map on its side.

    Args:
        zeros: float32 [SIZE, SIZE], share of each pixel that is exactly 0.
        mask: uint8 [SIZE, SIZE].
        least: Least depth that is not 0.
        far: Greatest depth.
    """
    outside = np.maximum(mask, mask.T) < MASK_EDGE
    share = zeros[outside].mean() if outside.any() else 0.0
    return bool(share >= LEAST_HOLES and least >= HOLE_STEP * far)
