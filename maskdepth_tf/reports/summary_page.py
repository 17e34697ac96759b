"""The page about a folder that was predicted: how all went, and what was unusual."""

import os
import urllib.parse
from collections.abc import Sequence
from typing import NamedTuple

from maskdepth_tf.reports import page

MOST_SHOWN = 200
"""Unusual pictures that are shown; of more the first ones."""


class Row(NamedTuple):
    """A picture.

    Attributes:
        name: That of its results.
        coverage: Share of it under the mask; None if it could not be predicted.
        remarks: What was unusual; why it could not be predicted.
        corrected: What was corrected.
        overview: Name of its overview, from the page; None if there is none.
        thumbnail: PNG of picture and cut-out; empty if there is none.
    """

    name: str
    coverage: float | None
    remarks: list[str]
    corrected: list[str]
    overview: str | None
    thumbnail: bytes


def render(rows: Sequence[Row], seconds: float, num_earlier: int = 0) -> str:
    """Makes the page.

    Args:
        rows: All pictures.
        seconds: How long they took, without those of earlier runs.
        num_earlier: How many of them earlier runs have tried.
    """
    unusual = [row for row in rows if row.remarks]
    # What could not be done first, then what has most to be said about.
    unusual.sort(key=lambda row: (row.coverage is not None, -len(row.remarks)))
    known = [row.coverage for row in rows if row.coverage is not None]
    return page.render(
        "summary.html",
        rows=rows,
        unusual=unusual[:MOST_SHOWN],
        num_unusual=len(unusual),
        num_done=len(known),
        num_corrected=sum(bool(row.corrected) for row in rows),
        address=_address,
        coverage=sum(known) / len(known) if known else None,
        num_earlier=num_earlier,
        rate=(len(rows) - num_earlier) / max(seconds, 1e-9),
    )


def _address(name: str) -> str:
    """A file's address from the page; its name may be no text."""
    return urllib.parse.quote(os.fsencode(name), safe="")
