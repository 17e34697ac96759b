"""Means, deviations, histograms and counts of a labelled set.

One exact pass over all pixels of all rows in their full size: sums are whole numbers,
so that they do not depend on the number of processes. A background counts once for
each row that shows it, as in training. Values are in [0, 1].
"""

import argparse
import functools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskdepth_tf import cli, files, startup, streams, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.checking import counting, decoding
from maskdepth_tf.dataset.checking.counting import BINS, Sums, measure
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels

COUNTS = ("rows", "backgrounds", "views", "foregrounds")
HISTOGRAMS = ("mask_area", "depth_histogram")
_PICTURES_KEPT = 4096


class _Reader:
    """Measures the pictures of one data set."""

    def __init__(self, source: stores.Pictures) -> None:
        startup.load_tensorflow()
        self._source = source
        # Rows share backgrounds.
        self._measure_shared = functools.lru_cache(_PICTURES_KEPT)(self._measure)

    def read_rows(self, rows: Sequence[labels.Row]) -> list[list[Sums]]:
        """Sums of each column's picture, row by row."""
        measures = dict.fromkeys(decoding.COLUMNS, self._measure)
        measures["bg"] = self._measure_shared
        return [
            [measures[column](column, getattr(row, column)) for column in measures]
            for row in rows
        ]

    def _measure(self, column, name) -> Sums:
        pixels = decoding.decode(self._source, column, name)
        if column == "depth":
            depth = np.rint(pixels * streams.DEPTH_SCALE).astype(np.int32)
            depth[pixels <= streams.HOLE] = -1
            return measure(depth, has_bins=True)
        if column == "mask":
            return measure((pixels >= streams.MASK_THRESHOLD).astype(np.uint8))
        return measure(pixels)


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
        the rows whose mask covers so much, and of the pixels with such depth;
        `depth_known`, the share of pixels whose depth is known, the only ones that
        count in what is said of depth.

    Raises:
        DataError: If a line or a picture is bad; `verify` finds all that are.
    """
    data = labels.read_member(labels_path, source)
    rows = labels.read(labels_path, data=data)
    header_of = dict(labels.look(labels.names_of(rows, foregrounds=False), source))
    labels.check_headers(rows, header_of, source, labels_path, data)
    totals = {column: Sums() for column in decoding.COLUMNS}
    areas: Counter = Counter()
    num_workers = max(1, min(num_workers, len(rows) // workers.CHUNK))
    with workers.pool_or_here(num_workers, source, _Reader) as pool:
        for row in pool.map_chunks(_Reader.read_rows, rows, "stats", "rows"):
            for column, sums in zip(decoding.COLUMNS, row, strict=True):
                totals[column] += sums
            mask = row[decoding.COLUMNS.index("mask")]
            areas[min(mask.totals[0] * BINS // mask.pixels, BINS - 1)] += 1
    scales = {"bg": 255, "fg_bg": 255, "mask": 1, "depth": streams.DEPTH_SCALE}
    depth = totals["depth"]
    return {
        **counting.count_pictures(rows),
        **{column: sums.moments(scales[column]) for column, sums in totals.items()},
        "mask_area": [areas[place] / len(rows) for place in range(BINS)],
        "depth_histogram": [n / max(1, depth.pixels) for n in depth.bins],
        "depth_known": depth.pixels / (depth.pixels + depth.holes),
    }


def table(summary: dict[str, Any], name: str) -> str:
    """The result of `stats` as lines for a terminal.

    Args:
        summary: What `stats` returns.
        name: What the labels file is called.
    """
    counts = ", ".join(f"{summary[key]:,} {key}" for key in COUNTS)
    lines = [f"{name}: {counts}", "", f"{'':10}{'mean':27}deviation"]
    for column in decoding.COLUMNS:
        mean, deviation = (
            " ".join(f"{value:.6f}" for value in summary[column][key])
            for key in ("mean", "deviation")
        )
        lines.append(f"{column:10}{mean:27}{deviation}")
    lines += ["", f"{'from':10}{'mask area, rows':27}depth, pixels"]
    for place in range(BINS):
        area, depth = (
            f"{100 * share:5.1f} % {'#' * round(15 * share)}"
            for share in (summary[key][place] for key in HISTOGRAMS)
        )
        lines.append(f"{place / BINS:<10.1f}{area:27}{depth}".rstrip())
    if summary["depth_known"] < 1:
        share = f"{100 * summary['depth_known']:.1f} %"
        lines += ["", f"depth is known of {share} of the pixels, and counted there"]
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
    summary = stats(args.labels, source, args.num_workers)
    print(table(summary, os.fspath(args.labels)))
    if args.json:
        files.write_json(args.json, summary)
