"""Pictures in columns under captions, with lines of text: the one drawer of sheets.

Predictions, overviews and rows of data sets are all drawn here. Pictures keep their
aspect ratio. Depth is red where it is near and blue where it is far; the grey pictures
on disk keep the rule of the data (bright is far). Nothing here needs TensorFlow, a
display or a font that the machine must have.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskdepth_tf import streams

SIDE = 168
"""Longer side of a picture where many are drawn, in pixels."""

_LEAST_WIDTH = 120  # of a column: holds the longest caption
_MARGIN, _GUTTER, _BETWEEN = 24, 6, 36
_HEADER, _LINE, _BELOW = 30, 19, 16
_MOST_CHARACTERS = 400
_CHECK = 12
_PAPER, _INK, _FAINT = (255, 255, 255), (44, 50, 60), (107, 114, 128)
_EDGE, _EMPTY = (205, 209, 215), (240, 241, 243)
_SPECTRAL = (
    *((158, 1, 66), (213, 62, 79), (244, 109, 67), (253, 174, 97), (254, 224, 139)),
    *((255, 255, 191), (230, 245, 152), (171, 221, 164), (102, 194, 165)),
    *((50, 136, 189), (94, 79, 162)),
)
"""Colours from near to far, of ColorBrewer's scheme Spectral."""
FONT = ImageFont.load_default(14)
"""The font that Pillow brings along, so that every machine draws the same."""


class Row(NamedTuple):
    """Pictures beside each other, and what is written below them.

    Attributes:
        cells: A picture for each caption, uint8 [h, w, 3] or [h, w] of any size; None
            if there is none.
        lines: Lines of text, the first one darker; wrapped if too long.
    """

    cells: Sequence[np.ndarray | None]
    lines: Sequence[str] = ()


def draw(
    rows: Iterable[Row], captions: Sequence[str], side: int = SIDE, columns: int = 1
) -> np.ndarray:
    """Draws the rows from left to right, then from top to bottom.

    Args:
        rows: The rows; the pictures of each are shrunk or enlarged as it comes.
        captions: What stands above the pictures of a row.
        side: Longer side of a picture, in pixels.
        columns: Most rows beside each other.

    Returns:
        uint8 [height, width, 3].
    """
    cells, lines = [], []
    for row in rows:
        cells.append([None if cell is None else fit(cell, side) for cell in row.cells])
        lines.append(row.lines)
    sizes = [cell.size for row in cells for cell in row if cell] or [(side, side)]
    width, height = max(_LEAST_WIDTH, *(w for w, _ in sizes)), max(h for _, h in sizes)
    block = len(captions) * (width + _GUTTER) - _GUTTER
    texts = [wrap(row, block) for row in lines]
    columns = max(1, min(columns, len(cells)))
    lefts = [_MARGIN + column * (block + _BETWEEN) for column in range(columns)]
    tops = [_MARGIN + _HEADER]
    for start in range(0, len(cells), columns):
        most = max(map(len, texts[start : start + columns]))
        tops.append(tops[-1] + height + most * _LINE + _BELOW)
    canvas_size = (lefts[-1] + block + _MARGIN, tops[-1] - _BELOW + _MARGIN)
    canvas = Image.new("RGB", canvas_size, _PAPER)
    pen = ImageDraw.Draw(canvas)
    _draw_legend(canvas, pen, canvas.width - _MARGIN, _MARGIN)
    for left in lefts:
        for place, caption in enumerate(captions):
            at = (left + place * (width + _GUTTER), _MARGIN + _HEADER - 10)
            pen.text(at, caption, _INK, FONT, anchor="ls")
    for number, (images, text) in enumerate(zip(cells, texts, strict=True)):
        left, top = lefts[number % columns], tops[number // columns]
        for place, cell in enumerate(images):
            box = (left + place * (width + _GUTTER), top, width, height)
            _draw_cell(canvas, pen, box, cell)
        for place, line in enumerate(text, 1):
            at = (left, top + height + place * _LINE)
            pen.text(at, line, _INK if place == 1 else _FAINT, FONT, anchor="ls")
    return np.asarray(canvas)


def fit(pixels: np.ndarray, side: int) -> Image.Image:
    """Resizes a picture, uint8 [h, w, 3] or [h, w], to a longer side of `side`."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def depth_to_color(depth: np.ndarray) -> np.ndarray:
    """Colours a depth map: red is near, blue is far.

    Args:
        depth: float [H, W] in [0, 1], 0 is nearest; values outside are clipped, NaN
            is black, holes as in `streams` are grey.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    depth = np.asarray(depth, "float32")
    # That of matplotlib, to the bit; importing it takes half a second.
    anchors, steps = np.linspace(0, 1, len(_SPECTRAL)), np.linspace(0, 1, 256)
    colors = [np.interp(steps, anchors, line) for line in zip(*_SPECTRAL, strict=True)]
    table = np.stack(colors, axis=-1).astype(np.uint8)
    index = 256 * np.nan_to_num(np.clip(depth, 0.0, 1.0))
    drawn = table[np.minimum(index, 255).astype(np.uint8)]
    drawn[np.isnan(depth)] = 0
    drawn[depth <= streams.HOLE] = _FAINT
    return drawn


def mask_to_grey(mask: np.ndarray) -> np.ndarray:
    """Turns a mask, float [H, W] in [0, 1], into uint8 [H, W]; NaN is black."""
    return np.round(255 * np.clip(np.nan_to_num(mask), 0, 1)).astype(np.uint8)


def cut_out(picture: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """Shows a picture where its mask is, and a checkerboard elsewhere.

    Args:
        picture: uint8 [H, W, 3].
        mask: float [H, W] in [0, 1].
        side: Longer side of the result, in pixels.

    Returns:
        uint8 [h, w, 3].
    """
    front = fit(picture, side)
    rows, columns = np.indices((front.height, front.width)) // _CHECK
    checks = np.where((rows + columns) % 2, 222, 250).astype(np.uint8)
    board = Image.fromarray(checks).convert("RGB")
    board.paste(front, mask=fit(mask_to_grey(mask), side))
    return np.asarray(board)


def wrap(lines: Iterable[str], width: int) -> list[str]:
    """Breaks lines into ones no wider than `width` [pixels]; long ones are cut off."""
    parts = []
    for line in lines:
        line = " ".join(line.split())[:_MOST_CHARACTERS]
        for characters in range(len(line), 0, -1):
            wrapped = textwrap.wrap(line, characters)
            if max(map(FONT.getlength, wrapped)) <= width:
                parts += wrapped
                break
    return parts


def _draw_legend(canvas, pen, right: int, baseline: int) -> None:
    """Draws which colours of depth are near and far, ending at `right`."""
    bar = Image.fromarray(depth_to_color(np.tile(np.linspace(0, 1, 54), (9, 1))))
    pen.text((right, baseline), "far", _FAINT, FONT, anchor="rs")
    right -= round(FONT.getlength("far")) + 6 + bar.width
    canvas.paste(bar, (right, baseline - bar.height))
    pen.text((right - 6, baseline), "depth: near", _FAINT, FONT, anchor="rs")


def _draw_cell(canvas, pen, box, cell: Image.Image | None) -> None:
    """Draws a picture in the middle of its box: left, top, width, height."""
    left, top, width, height = box
    if cell is None:
        pen.rectangle((left, top, left + width - 1, top + height - 1), _EMPTY, _EDGE)
        middle = (left + width / 2, top + height / 2)
        pen.text(middle, "no picture", _FAINT, FONT, anchor="mm")
        return
    left += (width - cell.width) // 2
    top += (height - cell.height) // 2
    canvas.paste(cell.convert("RGB"), (left, top))
    edge = (left, top, left + cell.width - 1, top + cell.height - 1)
    pen.rectangle(edge, outline=_EDGE)
