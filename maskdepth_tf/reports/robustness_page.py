"""The page of a robustness measurement: one HTML file with all figures and pictures."""

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from maskdepth_tf.images import encoding
from maskdepth_tf.reports import page, sheet


class Shown(NamedTuple):
    """An example of a cell.

    Attributes:
        label: The disturbance, and how much of it.
        severity: From 1.
        cell_iou: Mean IoU of the cell.
        number: The row's.
        iou: The row's IoU.
        bg: uint8 [S, S, 3], as all four in the network's square.
        fg_bg: uint8 [S, S, 3].
        truth: uint8 [S, S], 0 or 255.
        answer: uint8 [S, S], 0 or 255.
    """

    label: str
    severity: int
    cell_iou: float
    number: int
    iou: float
    bg: np.ndarray
    fg_bg: np.ndarray
    truth: np.ndarray
    answer: np.ndarray

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        """Captions and PNGs of the four pictures."""
        captions = ("background", "picture", "truth", "answer")
        cells = (self.bg, self.fg_bg, self.truth, self.answer)
        side = min(len(self.bg), sheet.SIDE)
        small = [np.asarray(sheet.fit(cell, side)) for cell in cells]
        return list(zip(captions, map(encoding.encode_png, small), strict=True))


def render(
    result: Mapping[str, Any],
    shown: Sequence[Shown],
    model: str,
    network: str,
    yardsticks: Sequence[str],
) -> str:
    """Makes the page.

    Args:
        result: What `--json` holds.
        shown: Examples of the worst cells.
        model: What was measured, by its path.
        network: Key of the network among the result's methods.
        yardsticks: Keys of those with no learning.

    Returns:
        HTML that asks for no other file.
    """
    by_group = itertools.groupby(result["kinds"], operator.itemgetter("group"))
    return page.render(
        "robustness.html",
        groups=[list(kinds) for _, kinds in by_group],
        best=lambda kind, place: max(
            kind["cells"][key][place]["iou"] for key in yardsticks
        ),
        result=result,
        shown=shown,
        model=model,
        network=network,
        yardsticks=yardsticks,
        severities=max(len(kind["levels"]) for kind in result["kinds"]),
    )
