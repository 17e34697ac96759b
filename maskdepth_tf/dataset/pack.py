"""Packs a labelled set into arrays that training maps into memory.

The set is a labels file with a folder of pictures, or zip archives, which are read as
they are; the labels may be in them. Pictures are checked from their headers first, then
decoded and resized by the one decoder, each once, and both splits are drawn. All is
written in a folder beside the output, which takes its name when it is complete.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from maskdepth_tf import errors, headers, labels, pictures
from maskdepth_tf.dataset import arrays, flags

IMAGE_SIZE, TEST_FRACTION = 64, 0.3
"""Defaults: those of training."""


def pack(
    labels_path: Path,
    output: Path,
    *,
    roots: Sequence[str | Path] = (),
    image_size: int = IMAGE_SIZE,
    test_fraction: float = TEST_FRACTION,
    seed: int = 0,
    force: bool = False,
) -> dict:
    """Packs a labelled set.

    Args:
        labels_path: Labels file; if it is not on the disk, its name in the archives.
        output: Folder of the packed set; appears complete or not at all.
        roots: Folder that the labels' paths start from, or zip archives that hold
            the pictures; the labels' own folder if empty.
        image_size: Side of the arrays' pictures, in pixels.
        test_fraction: Share that tests, of both splits.
        seed: Seed of both splits.
        force: Whether to replace a packed set in `output`.

    Returns:
        The manifest.

    Raises:
        DataError: A line or a picture is at fault.
        UsageError: The output exists.
        StateError: A build is under way there.
        DiskFullError: There is no room for the arrays.
    """
    arrays.check_output(output, force)
    if (arrays.partial_of(output) / arrays.PLAN).exists():
        raise errors.StateError(
            f"{arrays.partial_of(output)}: a build is under way there; finish it, or "
            "name another --output"
        )
    from maskdepth_tf import input_pipeline

    found = pictures.open_pictures(roots or [labels_path.parent])
    rows = labels.read_checked(labels_path, found)
    depths = (found.read(row.depth) for row in rows)
    depth_dtype = "uint16" if any(map(headers.has_16_bits, depths)) else "uint8"

    def batches(stream, names):
        return input_pipeline.decoded_batches(names, found, stream, image_size)

    folder = arrays.make_folder(output)
    try:
        drawn = arrays.write_splits(rows, found, folder, test_fraction, seed)
        statistics = arrays.write_arrays(rows, folder, image_size, depth_dtype, batches)
        return arrays.finish(rows, folder, output, image_size, statistics, drawn)
    except BaseException:
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pack`."""
    flags.add_labelled_set(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE, metavar="PIXELS")
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=TEST_FRACTION,
        metavar="SHARE",
        help="share of rows, or of rooms and cut-outs, that test (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the splits")
    parser.add_argument(
        "--force", action="store_true", help="replace a packed set in the output folder"
    )


def main(args: argparse.Namespace) -> None:
    """Runs `pack` with parsed flags."""
    if not 1 <= args.image_size <= 4096:
        raise errors.UsageError(
            f"--image-size must be 1 to 4096. Received: {args.image_size}"
        )
    if not 0 < args.test_fraction < 1:
        raise errors.UsageError(
            f"--test-fraction must be between 0 and 1. Received: {args.test_fraction}"
        )
    if args.seed < 0:
        raise errors.UsageError(f"--seed must be 0 or more. Received: {args.seed}")
    manifest = pack(
        args.labels,
        args.output,
        roots=args.root,
        image_size=args.image_size,
        test_fraction=args.test_fraction,
        seed=args.seed,
        force=args.force,
    )
    print(arrays.report(manifest, args.output))
