"""Means, deviations, histograms and counts of a labelled set.

One exact pass over all pixels of all rows in their full size: sums are whole numbers,
so that they do not depend on the number of processes. A background counts once for
each row that shows it, as in training. Values are in [0, 1].
"""

import argparse
import functools
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from maskdepth_tf import cli, files, startup, streams
from maskdepth_tf.dataset import flags, workers
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels

BINS = 10
"""Bins of the histograms, equal parts of [0, 1]."""
_PICTURES_KEPT = 4096
# OpenCV counts in float32, exact up to twice this.
_COUNTED = 2**23


class Sums(NamedTuple):
    """Whole numbers of a picture, or of many.

    Attributes:
        pixels: How many.
        totals: Sum of each channel.
        squares: Sum of each channel's squares.
        bins: Pixels in each bin, of depth alone.
    """

    pixels: int
    totals: tuple[int, ...]
    squares: tuple[int, ...]
    bins: tuple[int, ...] = ()


def measure(values: np.ndarray, has_bins: bool = False) -> Sums:
    """Sums of one picture, or of several together.

    Args:
        values: uint8 or uint16 [..., H, W, C].
        has_bins: Whether to count the pixels of each bin; uint16 only.
    """
    if values.dtype == np.uint8:
        return _measure_bytes(values.reshape(-1, 1, values.shape[-1]))
    channels = values.reshape(-1, values.shape[-1]).astype(np.int64)
    bins: tuple[int, ...] = ()
    if has_bins:
        places = np.minimum(channels * BINS // streams.DEPTH_SCALE, BINS - 1)
        bins = tuple(np.bincount(places.ravel(), minlength=BINS).tolist())
    totals, squares = channels.sum(axis=0), np.square(channels).sum(axis=0)
    return Sums(len(channels), tuple(totals.tolist()), tuple(squares.tolist()), bins)


def _measure_bytes(pixels: np.ndarray) -> Sums:
    """As `measure`, from how often each value occurs: a tenth of the time."""
    levels = np.arange(256)
    channels = range(pixels.shape[-1])
    counts = np.zeros((len(channels), 256), np.int64)
    for start in range(0, len(pixels), _COUNTED):
        part = pixels[start : start + _COUNTED]
        for channel in channels:
            found = cv2.calcHist([part], [channel], None, [256], [0, 256])
            counts[channel] += found.ravel().astype(np.int64)
    totals, squares = counts @ levels, counts @ levels**2
    return Sums(len(pixels), tuple(totals.tolist()), tuple(squares.tolist()))


class Total:
    """Sums of many pictures; Python's integers have no greatest."""

    def __init__(self) -> None:
        self.pixels = 0
        self._totals: Counter = Counter()
        self._squares: Counter = Counter()
        self.bins: Counter = Counter()

    def add(self, sums: Sums) -> None:
        """Adds the sums of one picture or many."""
        self.pixels += sums.pixels
        self._totals.update(dict(enumerate(sums.totals)))
        self._squares.update(dict(enumerate(sums.squares)))
        self.bins.update(dict(enumerate(sums.bins)))

    def moments(self, scale: int) -> dict[str, list[float]]:
        """Mean and deviation of each channel, of values divided by `scale`."""
        count, channels = self.pixels, sorted(self._totals)
        whole = count * scale
        variances = (
            count * self._squares[c] - self._totals[c] ** 2 for c in channels
        )  # times whole ** 2
        return {
            "mean": [self._totals[c] / whole for c in channels],
            "deviation": [math.sqrt(variance) / whole for variance in variances],
        }


class _Reader:
    """Measures the pictures of one data set."""

    def __init__(self, source: stores.Pictures) -> None:
        self._source = source
        # Rows share backgrounds.
        self._measure_shared = functools.lru_cache(_PICTURES_KEPT)(self._measure)

    def row(self, row: labels.Row) -> list[Sums]:
        """Sums of each column's picture."""
        return [
            (self._measure_shared if column == "bg" else self._measure)(
                column, getattr(row, column)
            )
            for column in decoding.COLUMNS
        ]

    def _measure(self, column, name) -> Sums:
        pixels = decoding.decode(self._source, column, name)
        if column == "depth":
            depth = np.rint(pixels * streams.DEPTH_SCALE)
            return measure(depth.astype(np.uint16), has_bins=True)
        if column == "mask":
            return measure((pixels >= streams.MASK_THRESHOLD).astype(np.uint8))
        return measure(pixels)


_reader: _Reader | None = None


def _open_set(source: stores.Pictures) -> None:
    global _reader
    startup.load_tensorflow()
    _reader = _Reader(source)


def _read_rows(rows: Sequence[labels.Row]) -> list[list[Sums]]:
    if _reader is None:
        raise RuntimeError("the process was given no data set")
    return [_reader.row(row) for row in rows]


def stats(
    labels_path: str | os.PathLike,
    source: stores.Pictures,
    num_workers: int = 1,
) -> dict[str, Any]:
    """Counts and measures a labelled set.

    Args:
        labels_path: The labels file.
        source: The pictures that it names.
        num_workers: Processes; the result does not depend on it.

    Returns:
        As `--json` writes it: `rows`, `backgrounds` without their views, `views`,
        `foregrounds`; `bg`, `fg_bg`, `mask` and `depth` with `mean` and `deviation`
        of each channel; `mask_area` and `depth_histogram`, lists of `BINS` shares: of
        the rows whose mask covers so much, and of the pixels with such depth.

    Raises:
        DataError: If a line or a picture is bad; `verify` finds all that are.
    """
    rows = labels.read_checked(labels_path, source)
    totals = {column: Total() for column in decoding.COLUMNS}
    areas: Counter = Counter()
    num_workers = max(1, min(num_workers, len(rows) // workers.CHUNK))
    with workers.pool_or_none(num_workers, _open_set, (source,)) as executor:
        for found in workers.map_chunks(executor, _read_rows, rows, "stats", "rows"):
            for column, sums in zip(decoding.COLUMNS, found, strict=True):
                totals[column].add(sums)
            mask = found[decoding.COLUMNS.index("mask")]
            areas[min(mask.totals[0] * BINS // mask.pixels, BINS - 1)] += 1
    scales = {"bg": 255, "fg_bg": 255, "mask": 1, "depth": streams.DEPTH_SCALE}
    depth = totals["depth"]
    return {
        **count_pictures(rows),
        **{
            column: totals[column].moments(scales[column])
            for column in decoding.COLUMNS
        },
        "mask_area": [areas[place] / len(rows) for place in range(BINS)],
        "depth_histogram": [depth.bins[i] / depth.pixels for i in range(BINS)],
    }


def count_pictures(rows: Sequence[labels.Row]) -> dict[str, int]:
    """`rows`, `backgrounds` without their views, `views` and known `foregrounds`."""
    shown = {row.bg for row in rows}
    rooms = {labels.room_of(bg) for bg in shown}
    return {
        "rows": len(rows),
        "backgrounds": len(rooms),
        "views": sum(labels.room_of(bg) != bg for bg in shown),
        "foregrounds": len({row.fg for row in rows if labels.knows_cutout(row)}),
    }


def table(found: dict[str, Any], name: str) -> str:
    """The result of `stats` as lines for a terminal.

    Args:
        found: What `stats` returns.
        name: What the labels file is called.
    """
    counts = ("rows", "backgrounds", "views", "foregrounds")
    lines = [f"{name}: " + ", ".join(f"{found[key]:,} {key}" for key in counts), ""]
    lines.append(f"{'':10}{'mean':27}deviation")
    for column in decoding.COLUMNS:
        mean, deviation = (
            " ".join(f"{value:.6f}" for value in found[column][key])
            for key in ("mean", "deviation")
        )
        lines.append(f"{column:10}{mean:27}{deviation}")
    lines += ["", f"{'from':10}{'mask area, rows':27}depth, pixels"]
    for place in range(BINS):
        area, depth = (
            f"{100 * found[key][place]:5.1f} % {'#' * round(15 * found[key][place])}"
            for key in ("mask_area", "depth_histogram")
        )
        lines.append(f"{place / BINS:<10.1f}{area:27}{depth}".rstrip())
    return "\n".join(lines)


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `stats`."""
    flags.add_labelled_set(parser)
    parser.add("--json", "FILE", "where to write the figures", type=Path)
    flags.add_workers(parser)


def main(args: argparse.Namespace) -> None:
    """Runs `stats` with parsed flags."""
    if args.json:
        files.check_output("--json", args.json, args.labels)
    source = flags.open_pictures(args)
    found = stats(args.labels, source, args.workers)
    print(table(found, os.fspath(args.labels)))
    if args.json:
        files.write_json(args.json, found)
