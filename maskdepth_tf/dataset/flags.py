"""Flags that commands on labelled sets share."""

import argparse
from pathlib import Path

from maskdepth_tf import errors


def add_labelled_set(parser: argparse.ArgumentParser) -> None:
    """Adds `--labels` and `--root`: a labels file, and where its pictures are."""
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="FILE",
        help="labels file, or its name in the archives",
    )
    parser.add_argument(
        "--root",
        nargs="+",
        default=[],
        metavar="PATH",
        help="folder that its paths start from, or zip archives",
    )


def check_suffix(flag: str, path: Path, suffix: str) -> None:
    """Refuses, with a UsageError, an output that would be called something else."""
    if path.suffix.lower() != suffix:
        raise errors.UsageError(f"{flag} must end in {suffix}. Received: {path}")
