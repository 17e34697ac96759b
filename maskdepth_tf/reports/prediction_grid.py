"""Examples beside what a network answers: a row an example, truth beside prediction."""

from collections.abc import Mapping

import numpy as np

from maskdepth_tf.reports import sheet

CAPTIONS = (
    "background",
    "picture",
    "true mask",
    "predicted mask",
    "true depth",
    "predicted depth",
    "cut-out",
)


def draw(
    inputs: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Draws the grid; the cut-out is the picture where the predicted mask is.

    Args:
        inputs: `bg` and `fg_bg`, uint8 [N, S, S, 3].
        targets: `mask` and `depth`, float32 [N, S, S, 1] in [0, 1].
        predictions: `mask`, a probability, and `depth`, as the targets.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    maps = (
        value[..., 0]
        for name in ("mask", "depth")
        for value in (targets[name], predictions[name])
    )
    rows = [
        sheet.Row(
            (
                bg,
                picture,
                sheet.mask_to_grey(true_mask),
                sheet.mask_to_grey(mask),
                sheet.depth_to_color(true_depth),
                sheet.depth_to_color(depth),
                sheet.cut_out(picture, mask, sheet.SIDE),
            )
        )
        for bg, picture, true_mask, mask, true_depth, depth in zip(
            inputs["bg"], inputs["fg_bg"], *maps, strict=True
        )
    ]
    return sheet.draw(rows, CAPTIONS)
