"""Writes packed sets: arrays, splits and manifest, see `maskdepth_tf.input.packed`.

All is written in a folder beside the output, which takes its name when it is complete.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from maskdepth_tf import errors, files, startup, streams, workers
from maskdepth_tf.dataset.checking import counting
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels
from maskdepth_tf.input.labels import Row

Batches = Callable[[streams.Stream, list[str]], Iterable[np.ndarray]]
"""From a stream and its pictures' names to their pixels, [B, S, S, C] at a time."""


def check_output(output: Path, force: bool) -> None:
    """Refuses to replace anything, or with `force` anything but a packed set.

    Raises:
        UsageError: If the output exists.
    """
    if not output.exists():
        return
    startup.load_tensorflow()

    if not (force and (output / files.MANIFEST).is_file()):
        raise errors.UsageError(
            "--output must not exist; --force replaces a packed set in it. "
            f"Received: {output}"
        )


def write_arrays(
    rows: Sequence[Row],
    folder: Path,
    image_size: int,
    depth_dtype: str,
    batches: Batches,
) -> dict:
    """Writes all `.npy` files, as `write_set` does.

    Returns:
        Mean and deviation of each stream's channels, by its name.
    """
    kinds = streams.of_set(depth_dtype == streams.HOLED_DEPTH.dtype)
    names = {
        stream: list(dict.fromkeys(getattr(row, stream.name) for row in rows))
        for stream in kinds
    }
    dtypes = {s: depth_dtype if s == streams.DEPTH else s.dtype for s in names}
    shapes = {s: (len(names[s]), image_size, image_size, s.channels) for s in names}
    sizes = [np.dtype(dtypes[s]).itemsize * math.prod(shapes[s]) for s in names]
    free, needed = shutil.disk_usage(folder).free, sum(sizes)
    if needed > free:
        raise errors.DiskFullError(
            f"{folder.parent}: the arrays need {needed / 1e9:.2f} GB. "
            f"Received: {free / 1e9:.2f} GB free"
        )
    statistics = {}
    with workers.track("pack", sum(map(len, names.values())), "pictures") as advance:
        for stream in kinds:
            total = counting.Sums()
            path, dtype = folder / f"{stream.name}.npy", dtypes[stream]
            with _open_array(path, shapes[stream], dtype) as file:
                for batch in batches(stream, names[stream]):
                    if batch.dtype != dtype:
                        batch = (batch // streams.DEPTH_STEP).astype(dtype)
                    file.write(batch.tobytes())
                    total += counting.measure(batch)
                    advance(len(batch))
            scales = {streams.MASK: 1, streams.HOLED_DEPTH: streams.DEPTH_SCALE}
            scale = scales.get(stream, int(np.iinfo(dtype).max))
            statistics[stream.name] = total.moments(scale)
    places = [{name: i for i, name in enumerate(names[s])} for s in kinds]
    where = [
        [place[getattr(row, s.name)] for s, place in zip(names, places, strict=True)]
        for row in rows
    ]
    table = np.array(where, np.uint32)
    with _open_array(folder / "places.npy", table.shape, "uint32") as file:
        file.write(table.tobytes())
    return statistics


def _open_array(path: Path, shape: tuple, dtype: str) -> BinaryIO:
    """Begins a `.npy`, which takes the bytes of the array.

    Plain writes: on a full disk a memory map would end the process, and `np.save`
    raises an error that does not say so.
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    file = path.open("wb")
    np.lib.format.write_array_header_1_0(file, header)
    return file


def _write_splits(rows, store, folder, test_fraction, seed) -> dict:
    """Draws both splits and writes them.

    Returns:
        Their entry in the manifest; a split that cannot be drawn is there with the
        reason.
    """
    from maskdepth_tf.input import splits

    named: dict[str, Any] = {}
    not_drawn = {}
    for kind in splits.KINDS:
        try:
            sides = splits.draw_split(rows, store, kind, test_fraction, seed)
            named |= {f"{kind}/{side}": ids for side, ids in sides.items()}
        except errors.DataError as error:  # too few rows, or no cut-outs to compare
            not_drawn[kind] = str(error)
    np.savez(folder / "splits.npz", **named)
    return {
        "test_fraction": test_fraction,
        "seed": seed,
        "sizes": {name: len(ids) for name, ids in named.items()},
        "not_drawn": not_drawn,
    }


def write_set(
    rows: Sequence[Row],
    store: stores.Pictures,
    batches: Batches,
    folder: Path,
    *,
    image_size: int,
    depth_dtype: str,
    test_fraction: float,
    seed: int,
    **more: object,
) -> dict:
    """Writes a packed set into a folder, in which other files may be already.

    Args:
        rows: Labels.
        store: Their pictures, of which backgrounds and cut-outs are compared.
        batches: The pixels, in the streams' types.
        folder: Where to.
        image_size: Side of the pictures, in pixels.
        depth_dtype: "uint16", or "uint8" if no map has more than 8 bits, or "int32" if
            one has alpha.
        test_fraction: Share that tests, of both splits.
        seed: Seed of both.
        **more: Further entries of the manifest.

    Returns:
        The manifest.

    Raises:
        DiskFullError: There is no room for the arrays.
    """
    startup.load_tensorflow()
    from maskdepth_tf.input import packed

    drawn_splits = _write_splits(rows, store, folder, test_fraction, seed)
    statistics = write_arrays(rows, folder, image_size, depth_dtype, batches)
    more_files = sorted(path.name for path in folder.iterdir())
    labels.write(folder / "labels.txt", rows)
    manifest = {
        "packed": packed.FORMAT,
        "image_size": image_size,
        "counts": counting.count_pictures(rows),
        "statistics": statistics,
        "splits": drawn_splits,
        "files": files.describe_files(
            folder, dict.fromkeys((*packed.FILES, *more_files))
        ),
        **more,
    }
    manifest["sha256"] = files.sha256_of_json(manifest)
    files.write_json(folder / files.MANIFEST, manifest)
    return manifest


def report(manifest: dict, output: Path) -> str:
    """What was packed, as lines for a terminal."""
    not_drawn = manifest["splits"]["not_drawn"]
    lines = [f"no {kind} split: {reason}" for kind, reason in not_drawn.items()]
    size = sum(file["bytes"] for file in manifest["files"].values())
    rows = manifest["counts"]["rows"]
    return "\n".join([*lines, f"{rows} rows packed in {output}, {size / 1e6:.1f} MB"])
