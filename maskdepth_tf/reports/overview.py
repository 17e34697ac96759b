"""One picture that shows a prediction: what went in and what came out, side by side.

Background | picture | mask | depth in colours | cut-out on a checkerboard, each with
a caption. Depth is drawn as everywhere: red is near, blue is far.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskdepth_tf.reports import drawings

PANEL_SIDE = 420
"""Longer side of each of the five pictures, in pixels."""

_MARGIN = 16
_CAPTION_HEIGHT = 26
_LEAST_CELL = 170  # holds the longest caption, that of depth
_CHECK = 12
_PAPER, _INK, _FAINT = (255, 255, 255), (60, 60, 60), (140, 140, 140)


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
    size = _panel_size(*fg_bg.shape[:2])
    small_mask = _shrink(_bytes(mask), size)
    covered = f"{100 * np.mean(mask >= 0.5):.1f} %"
    panels = [
        ("background", "", _shrink(bg, size)),
        ("picture", "", _shrink(fg_bg, size)),
        ("mask", covered, small_mask.convert("RGB")),
        ("depth", "", _shrink(drawings.depth_to_color(depth), size)),
        ("cut-out", "", _on_checkerboard(fg_bg, mask, size)),
    ]
    return _lay_out(panels, size)


def _panel_size(height, width) -> tuple[int, int]:
    scale = PANEL_SIDE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _bytes(values) -> np.ndarray:
    return np.round(255 * values).astype(np.uint8)


def _shrink(array, size) -> Image.Image:
    return Image.fromarray(array).resize(size, Image.Resampling.BICUBIC)


def _on_checkerboard(fg_bg, mask, size) -> Image.Image:
    width, height = size
    rows, columns = np.indices((height, width)) // _CHECK
    checks = np.where((rows + columns) % 2, 222, 250).astype(np.uint8)
    board = Image.fromarray(np.repeat(checks[..., np.newaxis], 3, axis=2))
    board.paste(_shrink(fg_bg, size), mask=_shrink(_bytes(mask), size))
    return board


def _lay_out(panels, size) -> np.ndarray:
    width, height = size
    cell = max(width, _LEAST_CELL)
    canvas = Image.new(
        "RGB",
        (
            len(panels) * (cell + _MARGIN) + _MARGIN,
            height + _CAPTION_HEIGHT + 2 * _MARGIN,
        ),
        _PAPER,
    )
    pen = ImageDraw.Draw(canvas)
    # The font that Pillow brings along, so that every machine draws the same.
    font = ImageFont.load_default(15)
    for number, (caption, remark, panel) in enumerate(panels):
        left = _MARGIN + number * (cell + _MARGIN)
        baseline = _MARGIN + height + _CAPTION_HEIGHT
        canvas.paste(panel, (left + (cell - width) // 2, _MARGIN))
        pen.text((left, baseline), caption, _INK, font, anchor="ls")
        pen.text((left + cell, baseline), remark, _FAINT, font, anchor="rs")
        if caption == "depth":
            draw_legend(canvas, pen, font, left + cell, baseline)
    return np.asarray(canvas)


def draw_legend(canvas, pen, font, right: int, baseline: int) -> None:
    """Draws near, the colours and far, ending at `right` [pixels]."""
    ramp = np.tile(np.linspace(0, 1, 54), (9, 1))
    bar = Image.fromarray(drawings.depth_to_color(ramp))
    pen.text((right, baseline), "far", _FAINT, font, anchor="rs")
    right -= round(pen.textlength("far", font)) + 6 + bar.width
    canvas.paste(bar, (right, baseline - bar.height))
    pen.text((right - 6, baseline), "near", _FAINT, font, anchor="rs")
