"""Packs a labelled set into arrays that training maps into memory.

The set is a labels file with a folder of pictures, or zip archives, which are read as
they are; the labels may be in them. Pictures are checked from their headers first, then
decoded and resized by the one decoder, each once, and both splits are drawn. All is
written in a folder beside the output, which takes its name when it is complete.
"""

import argparse
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maskdepth_tf import (
    errors,
    files,
    headers,
    labels,
    pictures,
    splits,
    startup,
    streams,
)
from maskdepth_tf.dataset import flags, progress, stats

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
        DiskFullError: There is no room for the arrays.
    """
    from maskdepth_tf import packed  # imports TensorFlow: 5 s

    if output.exists() and not (force and (output / packed.MANIFEST).is_file()):
        raise errors.UsageError(
            "--output must not exist; --force replaces a packed set in it. "
            f"Received: {output}"
        )
    found = pictures.open_pictures(roots or [labels_path.parent])
    rows = labels.read_checked(labels_path, found)
    drawn = _draw_splits(rows, found, test_fraction, seed)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        partial.mkdir(parents=True)
        statistics = _write_arrays(rows, found, partial, image_size)
        labels.write(partial / "labels.txt", rows)
        manifest = {
            "packed": packed.FORMAT,
            "image_size": image_size,
            "counts": stats.count_pictures(rows),
            "statistics": statistics,
            "splits": _write_splits(partial, test_fraction, seed, *drawn),
            "files": {name: _describe(partial / name) for name in packed.FILES},
        }
        files.write_json(partial / packed.MANIFEST, manifest)
        _put(partial, output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _write_splits(folder: Path, test_fraction, seed, sides, not_drawn) -> dict:
    named = {f"{k}/{side}": ids for k, v in sides.items() for side, ids in v.items()}
    np.savez(folder / "splits.npz", **named)
    return {
        "test_fraction": test_fraction,
        "seed": seed,
        "sizes": {name: len(ids) for name, ids in named.items()},
        "not_drawn": not_drawn,
    }


def _put(partial: Path, output: Path) -> None:
    if output.exists():
        shutil.rmtree(output)
    partial.rename(output)


def _draw_splits(rows, found, test_fraction, seed):
    """Sides of each split by its kind, and why a kind could not be drawn."""
    from maskdepth_tf import examples

    sides, not_drawn = {}, {}
    for kind in splits.KINDS:
        try:
            sides[kind] = examples.draw_split(rows, found, kind, test_fraction, seed)
        except errors.DataError as error:  # too few rows, or no cut-outs to compare
            not_drawn[kind] = str(error)
    return sides, not_drawn


def _describe(path: Path) -> dict[str, int | str]:
    return {"bytes": path.stat().st_size, "sha256": files.sha256_of(path)}


def _write_arrays(rows, found, folder: Path, image_size: int) -> dict:
    """Writes all `.npy` files; the streams' means and deviations."""
    names = {
        stream: list(dict.fromkeys(getattr(row, stream.name) for row in rows))
        for stream in streams.STREAMS
    }
    depths = map(found.read, names[streams.DEPTH])
    shallow = not any(map(headers.has_16_bits, depths))
    dtypes = {s: "uint8" if shallow else s.dtype for s in streams.STREAMS}
    shapes = {s: (len(names[s]), image_size, image_size, s.channels) for s in names}
    sizes = [np.dtype(dtypes[s]).itemsize * math.prod(shapes[s]) for s in names]
    _check_room(folder, sum(sizes))
    statistics = {}
    with progress.track("pack", sum(map(len, names.values())), "pictures") as advance:
        for stream in streams.STREAMS:
            total = _write_array(
                folder / f"{stream.name}.npy",
                shapes[stream],
                dtypes[stream],
                _batches(found, names[stream], stream, image_size, dtypes[stream]),
                advance,
            )
            scale = 1 if stream == streams.MASK else np.iinfo(dtypes[stream]).max
            statistics[stream.name] = total.moments(int(scale))
    places = [{name: i for i, name in enumerate(names[s])} for s in streams.STREAMS]
    where = [
        [place[getattr(row, s.name)] for s, place in zip(names, places, strict=True)]
        for row in rows
    ]
    np.save(folder / "places.npy", np.array(where, np.uint32))
    return statistics


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise errors.DiskFullError(
            f"{folder.parent}: the arrays need {needed / 1e9:.2f} GB. "
            f"Received: {free / 1e9:.2f} GB free"
        )


def _batches(found, names, stream, image_size, dtype):
    from maskdepth_tf import input_pipeline

    batches = input_pipeline.decoded_batches(names, found, stream, image_size)
    for batch in batches:
        if dtype != stream.dtype:
            batch = (batch // streams.DEPTH_STEP).astype(dtype)
        yield batch


def _write_array(
    path: Path, shape: tuple, dtype: str, batches, advance: Callable[[int], None]
) -> stats.Total:
    """Writes batches as one `.npy`; plain writes, so that a full disk is an error."""
    total = stats.Total()
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches:
            file.write(batch.tobytes())
            total.add(stats.measure(batch))
            advance(len(batch))
    return total


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
    startup.load_tensorflow()
    manifest = pack(
        args.labels,
        args.output,
        roots=args.root,
        image_size=args.image_size,
        test_fraction=args.test_fraction,
        seed=args.seed,
        force=args.force,
    )
    for kind, reason in manifest["splits"]["not_drawn"].items():
        print(f"no {kind} split: {reason}")
    size = sum(file["bytes"] for file in manifest["files"].values())
    rows = manifest["counts"]["rows"]
    print(f"{rows} rows packed in {args.output}, {size / 1e6:.1f} MB")
