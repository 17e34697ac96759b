"""Flags that commands on labelled sets share."""

import argparse
import os
from pathlib import Path

from maskdepth_tf import errors
from maskdepth_tf.images import stores


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


def open_pictures(args: argparse.Namespace) -> stores.Pictures:
    """Opens what `--labels` and `--root` name; without a root, the labels' folder.

    Raises:
        DataError: As `pictures.open_pictures`.
    """
    return stores.open_pictures(args.root or [args.labels.absolute().parent])


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Adds `--workers`; by default as many as there are cores."""
    cores = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--workers", type=int, default=cores, help="processes (%(default)s)"
    )


def check_workers(args: argparse.Namespace) -> None:
    """Refuses, with a UsageError, fewer than one process."""
    errors.check_range("--workers", args.workers, 1)


def check_suffix(flag: str, path: Path, suffix: str) -> None:
    """Refuses, with a UsageError, an output that would be called something else."""
    if path.suffix.lower() != suffix:
        raise errors.UsageError(f"{flag} must end in {suffix}. Received: {path}")
