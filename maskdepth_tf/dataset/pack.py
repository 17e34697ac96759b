"""Packs a labelled set into arrays that training maps into memory.

The set is a labels file with a folder of pictures, or zip archives, which are read as
they are; the labels may be in them. Pictures are checked from their headers first, then
decoded and resized by the one decoder, each once, and both splits are drawn. All is
written in a folder beside the output, which takes its name when it is complete. Of a
large set, processes share headers and pixels; what is written is the same.
"""

import argparse
import functools
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from maskdepth_tf import cli, errors, startup, streams
from maskdepth_tf.dataset import flags, workers
from maskdepth_tf.dataset.packing import arrays
from maskdepth_tf.images import headers, stores
from maskdepth_tf.input import labels

IMAGE_SIZE, TEST_FRACTION = 64, 0.3
"""Defaults: those of training."""
# What one process packs while another starts.
_ROWS_OF_A_PROCESS = 4000


def pack(
    labels_path: Path,
    output: Path,
    *,
    roots: Sequence[str | Path] = (),
    image_size: int = IMAGE_SIZE,
    test_fraction: float = TEST_FRACTION,
    seed: int = 0,
    force: bool = False,
    num_workers: int = 1,
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
        num_workers: Most processes; the set does not depend on it.

    Returns:
        The manifest.

    Raises:
        DataError: A line or a picture is at fault.
        UsageError: The output exists.
        StateError: A build is under way there.
        DiskFullError: There is no room for the arrays.
    """
    arrays.check_output(output, force)
    _check_no_build(output)
    found = stores.open_pictures(roots or [labels_path.parent])
    data = labels.read_member(labels_path, found)
    rows = labels.read(labels_path, data=data)
    num_workers = max(1, min(num_workers, len(rows) // _ROWS_OF_A_PROCESS))
    with workers.pool_or_none(num_workers, _open_set, (found,)) as pool:
        names = labels.names_of(rows, foregrounds=False)
        looked = dict(workers.map_chunks(pool, _look, names, "check", "pictures"))
        faults = labels.find_faults(rows, looked, labels_path, data)
        labels.raise_faults(labels_path, faults)
        is_deep = any(looked[row.depth].has_16_bits for row in rows)
        if pool is not None:
            for _ in range(num_workers):  # while this process does the same
                pool.submit(startup.load_tensorflow)
        startup.load_tensorflow()
        batches = functools.partial(_batches, pool, image_size)
        folder = arrays.make_folder(output)
        try:
            drawn = arrays.write_splits(rows, found, folder, test_fraction, seed)
            statistics = arrays.write_arrays(
                rows, folder, image_size, "uint16" if is_deep else "uint8", batches
            )
            return arrays.finish(rows, folder, output, image_size, statistics, drawn)
        except BaseException:
            shutil.rmtree(folder.parent, ignore_errors=True)
            raise


def _check_no_build(output: Path) -> None:
    partial = arrays.partial_of(output)
    if (partial / arrays.PLAN).exists():
        raise errors.StateError(
            f"{partial}: a build is under way there; finish it, or name another "
            "--output"
        )


def _batches(
    pool: Executor | None, image_size: int, stream: streams.Stream, names: list[str]
) -> Iterator[np.ndarray]:
    """Pixels of a stream, made by the pool or by the threads of this process."""
    from maskdepth_tf.input import pipeline

    if pool is None:
        return pipeline.decoded_batches(names, _opened(), stream, image_size)
    decode = functools.partial(_decode, stream, image_size)
    return workers.in_order(pool, decode, pipeline.parts(names, image_size))


_found: stores.Pictures | None = None


def _open_set(found: stores.Pictures) -> None:
    global _found
    _found = found


def _opened() -> stores.Pictures:
    if _found is None:
        raise RuntimeError("the process was given no data set")
    return _found


def _look(names: Sequence[str]) -> list[tuple[str, headers.Header | str]]:
    return list(labels.look(names, _opened()))


def _decode(
    stream: streams.Stream, image_size: int, names: Sequence[str]
) -> np.ndarray:
    startup.load_tensorflow()
    from maskdepth_tf.input import pipeline

    return pipeline.decode_part(names, _opened(), stream, image_size)


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `pack`."""
    flags.add_labelled_set(parser)
    parser.add("--output", "DIR", "folder of the packed set", type=Path, required=True)
    size, share = cli.number(int, *streams.IMAGE_SIZES), cli.number(float, 0.001, 0.999)
    text = "side of its pictures"
    parser.add("--image-size", "PIXELS", text, type=size, default=IMAGE_SIZE)
    text = "share of rows, or of rooms and cut-outs, that tests"
    parser.add("--test-fraction", "SHARE", text, type=share, default=TEST_FRACTION)
    seed = cli.number(int, 0)
    parser.add("--seed", "N", "decides the splits", type=seed, default=0)
    flags.add_workers(parser)
    parser.switch("--force", "replace a packed set in the output folder")


def main(args: argparse.Namespace) -> None:
    """Runs `pack` with parsed flags."""
    manifest = pack(
        args.labels,
        args.output,
        roots=args.root,
        image_size=args.image_size,
        test_fraction=args.test_fraction,
        seed=args.seed,
        force=args.force,
        num_workers=args.workers,
    )
    print(arrays.report(manifest, args.output))
    flags.suggest_training(args.output, manifest)
