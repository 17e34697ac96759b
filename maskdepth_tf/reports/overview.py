"""Predictions as pictures: what went in and what came out, side by side."""

from collections.abc import Mapping

import cv2
import numpy as np
from PIL import Image

from maskdepth_tf.reports import sheet

SIDE = 420
"""Longer side of each picture of an overview, in pixels."""
CAPTIONS = ("background", "picture", "mask", "depth", "cut-out")
"""Columns of an overview."""
GRID_CAPTIONS = tuple(
    "background, picture, true mask, predicted mask, true depth, predicted depth, "
    "cut-out".split(", ")
)
"""Columns of a grid."""


def draw(
    bg: np.ndarray,
    fg_bg: np.ndarray,
    foreground: np.ndarray,
    mask: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray:
    """Draws one prediction, large.

    Args:
        bg: uint8 [H', W', 3], the scene alone; stretched to the shape of `fg_bg`.
        fg_bg: uint8 [H, W, 3], the picture.
        foreground: uint8 [H, W, 3], its colours in the cut-out.
        mask: float [H, W] in [0, 1], probability of foreground.
        depth: float [H, W] in [0, 1], 1 is far.

    Returns:
        uint8 [height, width, 3].
    """
    covered = f"The mask covers {np.mean(mask >= 0.5):.1%} of the picture."
    bg, fg_bg, foreground, mask, depth = (
        _reduced(pixels) for pixels in (bg, fg_bg, foreground, mask, depth)
    )
    picture = sheet.fit(fg_bg, SIDE)
    background = Image.fromarray(bg).resize(picture.size, Image.Resampling.BICUBIC)
    cells = (
        np.asarray(background),
        np.asarray(picture),
        sheet.mask_to_grey(mask),
        sheet.depth_to_color(depth),
        sheet.cut_out(foreground, mask, SIDE),
    )
    return sheet.draw([sheet.Row(cells, [covered])], CAPTIONS, SIDE)


def _reduced(pixels) -> np.ndarray:
    """Reduced to what is drawn, if it is larger."""
    height, width = pixels.shape[:2]
    if max(height, width) <= SIDE:
        return pixels
    drawn = [max(1, round(x * SIDE / max(height, width))) for x in (width, height)]
    # By halves: means of four, which take a tenth of the time of others.
    while min(height, width) > 1 and max(height, width) >= 2 * SIDE:
        height, width = height // 2, width // 2
        even = pixels[: 2 * height, : 2 * width]
        pixels = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, drawn, interpolation=cv2.INTER_LINEAR)


def draw_grid(
    inputs: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Draws a row an example: truth beside prediction, cut out by the predicted mask.

    Args:
        inputs: `bg` and `fg_bg`, uint8 [N, S, S, 3].
        targets: `mask` and `depth`, float32 [N, S, S, 1] in [0, 1].
        predictions: `mask`, a probability, and `depth`, as the targets.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    rows = []
    pictures = (inputs["bg"], inputs["fg_bg"])
    maps = [side[name] for name in ("mask", "depth") for side in (targets, predictions)]
    for bg, picture, *of_example in zip(*pictures, *maps, strict=True):
        true_mask, mask, true_depth, depth = (values[..., 0] for values in of_example)
        masks = (sheet.mask_to_grey(true_mask), sheet.mask_to_grey(mask))
        depths = (sheet.depth_to_color(true_depth), sheet.depth_to_color(depth))
        cut_out = sheet.cut_out(picture, mask, sheet.SIDE)
        rows.append(sheet.Row((bg, picture, *masks, *depths, cut_out)))
    return sheet.draw(rows, GRID_CAPTIONS)
