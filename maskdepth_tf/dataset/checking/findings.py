"""What is found in a row of a labelled set, handed from process to process."""

from typing import NamedTuple

import numpy as np


class Fault(NamedTuple):
    """What is wrong with a row: a kind that `verify` lists, and a text."""

    kind: str
    text: str


class Surroundings(NamedTuple):
    """What a row shows of its room.

    Attributes:
        fg_bg: float32 [CELLS, CELLS, 3], means of its cells, 0 to 255.
        outside: bool [CELLS, CELLS], cells without the figure.
        side: Shorter side of fg_bg in its file [pixels].
    """

    fg_bg: np.ndarray
    outside: np.ndarray
    side: int


class Depth(NamedTuple):
    """What a row's depth looks like.

    Attributes:
        cells: uint8 [DEPTH_CELLS, DEPTH_CELLS], means of its cells.
        contrast: `measures.depth_contrast`.
        edge: `measures.depth_edge`.
        has_holes: `measures.has_holes`.
    """

    cells: np.ndarray
    contrast: float
    edge: float
    has_holes: bool = False


class Inspected(NamedTuple):
    """What was found in a row.

    Attributes:
        faults: Those that the row alone shows.
        digest: SHA-256 of fg_bg; None if it cannot be read.
        surroundings: None where `faults` speak of background or sizes, or
            of no picture.
        depth: None where a picture is missing or has a wrong size.
    """

    faults: list[Fault]
    digest: bytes | None
    surroundings: Surroundings | None = None
    depth: Depth | None = None
