"""Pictures of rows: spread over a labelled set, one at full size, or bad ones.

Rows go by their lines in the labels file. Of rows spread over the set all pictures
must be sound; of one row, and of those that `verify` found bad, what cannot be read
is left empty.
"""

import os
from pathlib import Path

import numpy as np

from maskdepth_tf import errors, files
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.dataset.checking.sampling import spread
from maskdepth_tf.images import headers, stores
from maskdepth_tf.input import labels
from maskdepth_tf.reports import sheet

CAPTIONS = ("background", "picture", "mask", "depth")
"""What stands above the pictures of `decoding.COLUMNS`."""
LEAST_SIDE, MOST_SIDE = 480, 2048
"""Longer side of the pictures of a row that is shown alone, in pixels: their own
within these bounds."""


def spread_sheet(
    labels_path: str | os.PathLike, store: stores.Pictures, count: int
) -> np.ndarray:
    """Draws rows that are spread evenly over the set, the first and last among them.

    Args:
        labels_path: The labels file.
        store: The pictures that it names.
        count: Most rows.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: If a line of the labels or a picture that is drawn is bad.
    """
    numbered, faults = _read_lines(labels_path, store)
    labels.raise_faults(labels_path, faults)
    if not numbered:
        raise errors.DataError(
            f"{os.fspath(labels_path)}: expected at least one row, received none"
        )

    def rows():
        for line, row in spread(numbered, count):
            cells, texts = _pictures(store, row)
            for cell, text in zip(cells, texts, strict=True):
                if cell is None:
                    raise errors.DataError(f"{os.fspath(labels_path)}:{line}: {text}")
            yield sheet.Row(cells, [f"line {line:,}"])

    return sheet.draw(rows(), CAPTIONS, columns=2)


def row_sheet(
    labels_path: str | os.PathLike, store: stores.Pictures, line: int
) -> np.ndarray:
    """Draws one row, large, with paths and sizes, or what is wrong, as text.

    Args:
        labels_path: The labels file.
        store: The pictures that it names.
        line: The row's line, from 1.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: If there is no such line, or it does not hold a row.
    """
    row = _rows_of_lines(labels_path, store, [line])[line]
    if isinstance(row, str):
        raise errors.DataError(f"{os.fspath(labels_path)}:{line}: {row}")
    cells, texts = _pictures(store, row)
    lines = [f"line {line:,} of {os.fspath(labels_path)}"]
    lines += [f"{name}: {text}" for name, text in zip(CAPTIONS, texts, strict=True)]
    lines.append(f"cut-out: {row.fg if labels.knows_cutout(row) else 'not known'}")
    own = max((max(cell.shape) for cell in cells if cell is not None), default=0)
    side = min(max(own, LEAST_SIDE), MOST_SIDE)
    return sheet.draw([sheet.Row(cells, lines)], CAPTIONS, side)


def fault_sheet(
    labels_path: str | os.PathLike,
    store: stores.Pictures,
    faults_path: Path,
    count: int,
) -> np.ndarray:
    """Draws rows that `verify` found bad, spread evenly over them, with their faults.

    Args:
        labels_path: The labels file.
        store: The pictures that it names.
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
    rows = _rows_of_lines(labels_path, store, lines)

    def cells(row):
        no_row = [None] * len(CAPTIONS)
        return no_row if isinstance(row, str) else _pictures(store, row)[0]

    parts = (
        sheet.Row(cells(rows[line]), [f"line {line:,}", *faults[line]])
        for line in lines
    )
    return sheet.draw(parts, CAPTIONS, columns=2)


def read_faults(path: Path) -> dict[int, list[str]]:
    """Reads what `verify --json` wrote: line -> faults of its row, as text.

    Raises:
        DataError: If the file is missing, is another or names no row.
    """
    with headers.open_file(path) as file:
        data = file.read()
    faults: dict[int, list[str]] = {}
    try:
        for item in files.parse_json(data, path)["bad"]:
            text = f"{item['fault']}: {item['detail']}"
            faults.setdefault(int(item["row"]), []).append(text)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise errors.DataError(
            f"{path}: must be what `verify --json` writes, is not"
        ) from None
    if not faults:
        raise errors.DataError(f"{path}: expected a bad row to show, received none")
    return faults


def _read_lines(labels_path, store):
    return labels.read_lines(labels_path, labels.read_member(labels_path, store))


def _rows_of_lines(labels_path, store, lines) -> dict[int, labels.Row | str]:
    """Returns the row of each line, or what is wrong with the line."""
    numbered, faults = _read_lines(labels_path, store)
    rows: dict[int, labels.Row | str] = {**dict(numbered), **dict(faults)}
    for line in lines:
        if line not in rows:
            raise errors.DataError(
                f"{os.fspath(labels_path)}: expected a row in line {line}, received "
                f"{len(rows):,} rows and none there"
            )
    return {line: rows[line] for line in lines}


def _pictures(
    store: stores.Pictures, row: labels.Row
) -> tuple[list[np.ndarray | None], list[str]]:
    """Returns a row's pictures and what they are, or None and what is wrong.

    Pictures are as they are drawn, uint8 [H, W, 3] or, of a mask, [H, W].
    """
    cells: list[np.ndarray | None] = []
    texts = []
    for column in decoding.COLUMNS:
        name = getattr(row, column)
        try:
            pixels = decoding.decode(store, column, name)
        except errors.DataError as error:
            cells.append(None)
            texts.append(str(error))
            continue
        height, width, channels = pixels.shape
        pixels = pixels[..., 0] if channels == 1 else pixels
        cells.append(sheet.depth_to_color(pixels) if column == "depth" else pixels)
        texts.append(f"{name}, {width} x {height}")
    return cells, texts
