"""Pictures of rows: spread over a labelled set, one at full size, or bad ones.

Rows go by their lines in the labels file. Of rows spread over the set all pictures
must be sound; of one row, and of those that `verify` found bad, what cannot be read
is left empty.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from maskdepth_tf import errors, files
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.images import headers, stores
from maskdepth_tf.input import labels
from maskdepth_tf.reports import contact_sheet, drawings

LEAST_SIDE, MOST_SIDE = 480, 2048
"""Longer side of the pictures of a row that is shown alone, in pixels: their own
within these bounds."""

_Item = TypeVar("_Item")


def sheet(
    labels_path: str | os.PathLike, source: stores.Pictures, count: int
) -> np.ndarray:
    """Draws rows that are spread evenly over the set, the first and last among them.

    Args:
        labels_path: The labels file.
        source: The pictures that it names.
        count: Most rows.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: If a line of the labels or a picture that is shown is bad.
    """
    numbered, faults = labels.read_lines(
        labels_path, labels.read_member(labels_path, source)
    )
    labels.raise_faults(labels_path, faults)
    if not numbered:
        raise errors.DataError(
            f"{os.fspath(labels_path)}: expected at least one row, received none"
        )

    def entries():
        for line, row in spread(numbered, count):
            try:
                panels = [_panel(source, *item) for item in _shown(row)]
            except errors.DataError as error:
                where = f"{os.fspath(labels_path)}:{line}"
                raise errors.DataError(f"{where}: {error}") from None
            yield contact_sheet.Entry(panels, [f"line {line:,}"])

    return contact_sheet.draw(entries())


def row_sheet(
    labels_path: str | os.PathLike, source: stores.Pictures, line: int
) -> np.ndarray:
    """Draws one row, large, with paths and sizes, or what is wrong, as text.

    Args:
        labels_path: The labels file.
        source: The pictures that it names.
        line: The row's line, from 1.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: If there is no such line, or it does not hold a row.
    """
    row = _find_lines(labels_path, source, [line])[line]
    if isinstance(row, str):
        raise errors.DataError(f"{os.fspath(labels_path)}:{line}: {row}")
    panels, lines = [], [f"line {line:,} of {os.fspath(labels_path)}"]
    for caption, (column, name) in zip(
        contact_sheet.CAPTIONS, _shown(row), strict=True
    ):
        panel, text = None, name
        try:
            panel = _panel(source, column, name)
            text += f", {panel.shape[1]} x {panel.shape[0]}"
        except errors.DataError as error:
            text = str(error)
        panels.append(panel)
        lines.append(f"{caption}: {text}")
    lines.append(f"cut-out: {row.fg if labels.knows_cutout(row) else 'not known'}")
    own = max((max(panel.shape) for panel in panels if panel is not None), default=0)
    side = min(max(own, LEAST_SIDE), MOST_SIDE)
    return contact_sheet.draw([contact_sheet.Entry(panels, lines)], side)


def fault_sheet(
    labels_path: str | os.PathLike,
    source: stores.Pictures,
    faults_path: Path,
    count: int,
) -> np.ndarray:
    """Draws rows that `verify` found bad, spread evenly over them, with their faults.

    Args:
        labels_path: The labels file.
        source: The pictures that it names.
        faults_path: What `verify --json` wrote of this set.
        count: Most rows.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: If the file of faults is none, names no row, or one that the labels
            file does not have.
    """
    faults = read_faults(faults_path)
    lines = spread(sorted(faults), count)
    rows = _find_lines(labels_path, source, lines)

    def entries():
        for line in lines:
            row = rows[line]
            panels = [None] * len(decoding.COLUMNS)
            if not isinstance(row, str):
                panels = [_panel_or_none(source, *item) for item in _shown(row)]
            yield contact_sheet.Entry(panels, [f"line {line:,}", *faults[line]])

    return contact_sheet.draw(entries())


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Takes `count` items at equal distances, all if there are no more.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if count >= len(items):
        return list(items)
    last = max(1, count - 1)
    return [items[place * (len(items) - 1) // last] for place in range(count)]


def read_faults(path: Path) -> dict[int, list[str]]:
    """Reads what `verify --json` wrote: line -> faults of its row, as text.

    Raises:
        DataError: If the file is missing, is another or names no row.
    """
    with headers.open_file(path) as file:
        data = file.read()
    found: dict[int, list[str]] = {}
    try:
        for item in files.parse_json(data, path)["bad"]:
            text = f"{item['fault']}: {item['detail']}"
            found.setdefault(int(item["row"]), []).append(text)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise errors.DataError(
            f"{path}: must be what `verify --json` writes, is not"
        ) from None
    if not found:
        raise errors.DataError(f"{path}: expected a bad row to show, received none")
    return found


def _find_lines(labels_path, source, lines) -> dict[int, labels.Row | str]:
    """The row of each line, or what is wrong with the line."""
    numbered, faults = labels.read_lines(
        labels_path, labels.read_member(labels_path, source)
    )
    found: dict[int, labels.Row | str] = {**dict(numbered), **dict(faults)}
    for line in lines:
        if line not in found:
            raise errors.DataError(
                f"{os.fspath(labels_path)}: expected a row in line {line}, received "
                f"{len(found):,} rows and none there"
            )
    return {line: found[line] for line in lines}


def _shown(row: labels.Row) -> Iterator[tuple[str, str]]:
    """Columns that are shown, and the names of their pictures."""
    return ((column, getattr(row, column)) for column in decoding.COLUMNS)


def _panel(source, column, name) -> np.ndarray:
    """A picture as it is drawn, uint8 [H, W, 3]."""
    pixels = decoding.decode(source, column, name)
    if column == "depth":
        return drawings.depth_to_color(pixels[..., 0])
    return np.repeat(pixels, 3, axis=2) if column == "mask" else pixels


def _panel_or_none(source, column, name) -> np.ndarray | None:
    try:
        return _panel(source, column, name)
    except errors.DataError:
        return None
