"""Packs a labelled set into arrays that training maps into memory.

The set is a labels file with a folder of pictures, or zip archives, which are read as
they are; the labels may be in them. Pictures are checked from their headers first, and
some rows as `verify` does it. Then all are decoded and resized by the one decoder, each
once, and both splits are drawn. All is written in a folder beside the output, which
takes its name when it is complete. Of a large set, processes share headers and pixels;
what is written is the same. What the set's own manifest says of its making is kept.
"""

import argparse
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from maskdepth_tf import cli, errors, files, startup, streams, workers
from maskdepth_tf.dataset import card, flags
from maskdepth_tf.dataset.checking import sampling
from maskdepth_tf.dataset.packing import arrays, preparation
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
        roots: Folder that paths start from, or zip archives; the labels' own if empty.
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
    store = stores.open_pictures(roots or [labels_path.parent])
    data, told = labels.read_member(labels_path, store), _told(labels_path, store)
    rows = labels.read(labels_path, data=data)
    num_workers = max(1, min(num_workers, len(rows) // _ROWS_OF_A_PROCESS))
    with workers.pool_or_here(num_workers, store) as pool:
        names = labels.names_of(rows, foregrounds=False)
        sizes = dict(pool.map_chunks(_look, names, "check", "pictures"))
        labels.check_headers(rows, sizes, store, labels_path, data)
        sampling.check_rows(labels_path, rows, store)
        depth_dtype = _depth_dtype([sizes[row.depth] for row in rows])
        for _ in range(num_workers):  # all at the same time
            pool.submit(_warm_up)
        here = None if num_workers > 1 else store
        batches = functools.partial(_batches, pool, here, image_size)
        with files.unfinished_folder(files.partial_of(output)) as folder:
            manifest = arrays.write_set(
                *(rows, store, batches, folder),
                image_size=image_size,
                depth_dtype=depth_dtype,
                test_fraction=test_fraction,
                seed=seed,
                **told,
            )
            files.replace_folder(folder, output)
    return manifest


def _depth_dtype(maps: Sequence[headers.Header]) -> str:
    if any(one.has_alpha for one in maps):
        return streams.HOLED_DEPTH.dtype
    return streams.DEPTH.dtype if any(one.has_16_bits for one in maps) else "uint8"


def _told(labels_path: Path, store: stores.Pictures) -> dict:
    """What the set's manifest says of its making, as a card tells it."""
    manifest = card.read_manifest(labels_path, store)
    return {key: manifest[key] for key in card.TOLD if key in manifest}


def _check_no_build(output: Path) -> None:
    partial = files.partial_of(output)
    if (partial / preparation.PLAN).exists():
        raise errors.StateError(
            f"{partial}: a build is under way there; finish it, or name another "
            "--output"
        )


def _batches(
    pool: workers.Pool,
    store: stores.Pictures | None,
    image_size: int,
    stream: streams.Stream,
    names: list[str],
) -> Iterator[np.ndarray]:
    """Pixels of a stream, made by the pool or, of a store, by this process' threads."""
    from maskdepth_tf.input import pipeline

    if store is not None:
        return pipeline.decoded_batches(names, store, stream, image_size)
    decode = functools.partial(_decode, stream, image_size)
    return pool.in_order(decode, pipeline.parts(names, image_size))


def _look(
    store: stores.Pictures, names: Sequence[str]
) -> list[tuple[str, headers.Header | str]]:
    return list(labels.look(names, store))


def _warm_up(store: stores.Pictures) -> None:
    startup.load_tensorflow()


def _decode(
    stream: streams.Stream,
    image_size: int,
    store: stores.Pictures,
    names: Sequence[str],
) -> np.ndarray:
    startup.load_tensorflow()
    from maskdepth_tf.input import pipeline

    return pipeline.decode_part(names, store, stream, image_size)


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
    options = dict(vars(args))
    manifest = pack(options.pop("labels"), roots=options.pop("root"), **options)
    print(arrays.report(manifest, args.output))
    flags.suggest_training(args.output, manifest)
