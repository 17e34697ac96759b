"""Rows of a data set as one picture: what each is made of, side by side.

Background | picture | mask | depth in colours, with lines of text below. Pictures
keep their aspect ratio. Depth is drawn as everywhere: red is near, blue is far.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskdepth_tf.reports import overview

CAPTIONS = ("background", "picture", "mask", "depth")
"""Panels of an entry."""
SIDE = 168
"""Longer side of a panel where many entries are shown, in pixels."""

_MARGIN, _GUTTER, _BETWEEN = 24, 6, 36
_HEADER, _LINE, _BELOW = 30, 19, 16
_MOST_CHARACTERS = 400
_PAPER, _INK, _FAINT = (255, 255, 255), (44, 50, 60), (107, 114, 128)
_EDGE, _EMPTY = (205, 209, 215), (240, 241, 243)


class Entry(NamedTuple):
    """A row of the data set.

    Attributes:
        panels: As `CAPTIONS`, uint8 [h, w, 3] of any size; None if there is none.
        lines: What is written below, the first line darker; wrapped if too long.
    """

    panels: Sequence[np.ndarray | None]
    lines: Sequence[str]


def draw(entries: Iterable[Entry], side: int = SIDE, columns: int = 2) -> np.ndarray:
    """Draws the entries from left to right, then from top to bottom.

    Args:
        entries: One or more; each is shrunk as it comes.
        side: Longer side of a panel, in pixels; at least 150 for the captions.
        columns: Entries beside each other.

    Returns:
        uint8 [height, width, 3].
    """
    # The font that Pillow brings along, so that every machine draws the same.
    font = ImageFont.load_default(14)
    block = len(CAPTIONS) * (side + _GUTTER) - _GUTTER
    fitted = [
        ([_fit(panel, side) for panel in entry.panels], _wrap(entry.lines, block, font))
        for entry in entries
    ]
    height = max((p.height for panels, _ in fitted for p in panels if p), default=side)
    columns = min(columns, len(fitted))
    lefts = [_MARGIN + column * (block + _BETWEEN) for column in range(columns)]
    tops = [_MARGIN + _HEADER]
    for start in range(0, len(fitted), columns):
        most = max(len(lines) for _, lines in fitted[start : start + columns])
        tops.append(tops[-1] + height + most * _LINE + _BELOW)
    size = (lefts[-1] + block + _MARGIN, tops[-1] - _BELOW + _MARGIN)
    canvas = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(canvas)
    for left in lefts:
        _draw_header(canvas, pen, font, left, side)
    for number, (panels, lines) in enumerate(fitted):
        left, top = lefts[number % columns], tops[number // columns]
        for place, panel in enumerate(panels):
            box = (left + place * (side + _GUTTER), top, side, height)
            _draw_panel(canvas, pen, font, box, panel)
        for place, line in enumerate(lines, 1):
            ink = _INK if place == 1 else _FAINT
            pen.text((left, top + height + place * _LINE), line, ink, font, anchor="ls")
    return np.asarray(canvas)


def _fit(panel, side) -> Image.Image | None:
    if panel is None:
        return None
    height, width = panel.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(panel).resize(size, Image.Resampling.BICUBIC)


def _wrap(lines, width, font) -> list[str]:
    """Lines no wider than `width` pixels."""
    return [part for line in lines for part in _wrap_line(line, width, font)]


def _wrap_line(line, width, font) -> list[str]:
    line = " ".join(line.split())[:_MOST_CHARACTERS]
    for characters in range(len(line), 0, -1):
        parts = textwrap.wrap(line, characters)
        if max(map(font.getlength, parts)) <= width:
            return parts
    return []


def _draw_header(canvas, pen, font, left, side) -> None:
    baseline = _MARGIN + _HEADER - 10
    for place, caption in enumerate(CAPTIONS):
        at = (left + place * (side + _GUTTER), baseline)
        pen.text(at, caption, _INK, font, anchor="ls")
    right = left + len(CAPTIONS) * (side + _GUTTER) - _GUTTER
    overview.draw_legend(canvas, pen, font, right, baseline)


def _draw_panel(canvas, pen, font, box, panel) -> None:
    """Draws a panel in the middle of its box: left, top, width, height."""
    left, top, width, height = box
    if panel is None:
        pen.rectangle((left, top, left + width - 1, top + height - 1), _EMPTY, _EDGE)
        middle = (left + width / 2, top + height / 2)
        pen.text(middle, "no picture", _FAINT, font, anchor="mm")
        return
    left += (width - panel.width) // 2
    top += (height - panel.height) // 2
    canvas.paste(panel, (left, top))
    edge = (left, top, left + panel.width - 1, top + panel.height - 1)
    pen.rectangle(edge, outline=_EDGE)
