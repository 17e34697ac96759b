"""One picture that shows a prediction: what went in and what came out, side by side."""

import numpy as np
from PIL import Image

from maskdepth_tf.reports import sheet

SIDE = 420
"""Longer side of each of the five pictures, in pixels."""
CAPTIONS = ("background", "picture", "mask", "depth", "cut-out")


def draw(
    bg: np.ndarray, fg_bg: np.ndarray, mask: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    """Draws the overview.

    Args:
        bg: uint8 [H', W', 3], the scene alone; stretched to the shape of `fg_bg`.
        fg_bg: uint8 [H, W, 3], the picture.
        mask: float [H, W] in [0, 1], probability of foreground.
        depth: float [H, W] in [0, 1], 1 is far.

    Returns:
        uint8 [height, width, 3].
    """
    picture = sheet.fit(fg_bg, SIDE)
    background = Image.fromarray(bg).resize(picture.size, Image.Resampling.BICUBIC)
    cells = (
        np.asarray(background),
        np.asarray(picture),
        sheet.mask_to_grey(mask),
        sheet.depth_to_color(depth),
        sheet.cut_out(fg_bg, mask, SIDE),
    )
    covered = f"The mask covers {np.mean(mask >= 0.5):.1%} of the picture."
    return sheet.draw([sheet.Row(cells, [covered])], CAPTIONS, SIDE)
