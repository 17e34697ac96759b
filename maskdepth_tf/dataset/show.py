"""Draws rows of a labelled set: spread over it, one at full size, or bad ones."""

import argparse
from pathlib import Path

from maskdepth_tf import cli, errors, files, startup
from maskdepth_tf.dataset import flags

ROWS, MOST_ROWS = 12, 500
"""Rows of a sheet, if nothing is said and at most."""


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `show`."""
    flags.add_labelled_set(parser)
    parser.add("--output", "FILE.png", "where to draw", type=Path, required=True)
    parser.add(
        "--rows",
        "N",
        f"rows that are shown, spread over all ({ROWS})",
        type=cli.number(int, 1, MOST_ROWS),
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--row", type=int, metavar="LINE", help="show this row alone, large"
    )
    choice.add_argument(
        "--worst",
        type=Path,
        metavar="FAULTS.json",
        help="show the rows that `verify --json` calls bad",
    )


def main(args: argparse.Namespace) -> None:
    """Runs `show` with parsed flags."""
    _check(args)
    store = flags.open_pictures(args)
    startup.load_tensorflow()
    from maskdepth_tf.dataset.checking import sheets
    from maskdepth_tf.images import encoding

    count = args.rows or ROWS
    if args.row is not None:
        pixels = sheets.row_sheet(args.labels, store, args.row)
    elif args.worst:
        pixels = sheets.fault_sheet(args.labels, store, args.worst, count)
    else:
        pixels = sheets.spread_sheet(args.labels, store, count)
    encoding.write_image(args.output, pixels)
    print(f"wrote {args.output}")


def _check(args) -> None:
    flags.check_suffix("--output", args.output, ".png")
    files.check_output("--output", args.output, args.labels)
    if args.rows is not None and args.row is not None:
        raise errors.UsageError(
            f"--rows must be left out where --row is given. Received: {args.rows}"
        )
