"""Writes packed sets: arrays, splits and manifest, see `maskdepth_tf.input.packed`.

All is written in `OUTPUT.partial/packed`, which takes the output's name when it is
complete.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskdepth_tf import errors, files, startup, streams
from maskdepth_tf.dataset import progress, stats
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels
from maskdepth_tf.input.labels import Row

PLAN = "build.yaml"
"""In the partial folder of a build, its plan."""
Batches = Callable[[streams.Stream, list[str]], Iterable[np.ndarray]]
"""From a stream and its pictures' names to their pixels, [B, S, S, C] at a time."""


def partial_of(output: Path) -> Path:
    """The folder beside an output that all is in until it is complete."""
    return output.with_name(f"{output.name}.partial")


def make_folder(output: Path) -> Path:
    """Makes the folder that a set is written in, without what a killed run left."""
    folder = partial_of(output) / "packed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def check_output(output: Path, force: bool) -> None:
    """Refuses to replace anything, or with `force` anything but a packed set.

    Raises:
        UsageError: If the output exists.
    """
    if not output.exists():
        return
    startup.load_tensorflow()
    from maskdepth_tf.input import packed

    if not (force and (output / packed.MANIFEST).is_file()):
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
    """Writes all `.npy` files.

    Args:
        rows: Labels.
        folder: Where to.
        image_size: Side of the pictures, in pixels.
        depth_dtype: "uint16", or "uint8" if no map has more than 8 bits.
        batches: The pixels, in the streams' types.

    Returns:
        Mean and deviation of each stream's channels, by its name.

    Raises:
        DiskFullError: There is no room for them.
    """
    names = {
        stream: list(dict.fromkeys(getattr(row, stream.name) for row in rows))
        for stream in streams.STREAMS
    }
    dtypes = {s: depth_dtype if s == streams.DEPTH else s.dtype for s in names}
    shapes = {s: (len(names[s]), image_size, image_size, s.channels) for s in names}
    sizes = [np.dtype(dtypes[s]).itemsize * math.prod(shapes[s]) for s in names]
    _check_room(folder, sum(sizes))
    statistics = {}
    with progress.track("pack", sum(map(len, names.values())), "pictures") as advance:
        for stream in streams.STREAMS:
            total = stats.Total()
            narrowed = _narrowed(batches(stream, names[stream]), dtypes[stream])
            _write_array(
                folder / f"{stream.name}.npy",
                shapes[stream],
                dtypes[stream],
                _measured(narrowed, total, advance),
            )
            scale = 1 if stream == streams.MASK else np.iinfo(dtypes[stream]).max
            statistics[stream.name] = total.moments(int(scale))
    places = [{name: i for i, name in enumerate(names[s])} for s in streams.STREAMS]
    where = [
        [place[getattr(row, s.name)] for s, place in zip(names, places, strict=True)]
        for row in rows
    ]
    table = np.array(where, np.uint32)
    _write_array(folder / "places.npy", table.shape, "uint32", [table])
    return statistics


def _narrowed(batches, dtype) -> Iterator[np.ndarray]:
    for batch in batches:
        is_wide = batch.dtype != dtype
        yield (batch // streams.DEPTH_STEP).astype(dtype) if is_wide else batch


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise errors.DiskFullError(
            f"{folder.parent}: the arrays need {needed / 1e9:.2f} GB. "
            f"Received: {free / 1e9:.2f} GB free"
        )


def _measured(batches, total: stats.Total, advance: Callable[[int], None]):
    for batch in batches:
        yield batch
        total.add(stats.measure(batch))
        advance(len(batch))


def _write_array(path: Path, shape: tuple, dtype: str, batches) -> None:
    """Writes batches as one `.npy`.

    Plain writes: on a full disk a memory map would end the process, and `np.save`
    raises an error that does not say so.
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches:
            file.write(batch.tobytes())


def write_splits(
    rows: Sequence[Row],
    found: stores.Pictures,
    folder: Path,
    test_fraction: float,
    seed: int,
) -> dict:
    """Draws both splits and writes them.

    Args:
        rows: Labels.
        found: Their pictures, of which backgrounds and cut-outs are compared.
        folder: Where to.
        test_fraction: Share that tests.
        seed: Seed of both.

    Returns:
        Their entry in the manifest; a split that cannot be drawn is there with the
        reason.
    """
    from maskdepth_tf.input import splits

    named: dict[str, Any] = {}
    not_drawn = {}
    for kind in splits.KINDS:
        try:
            sides = splits.draw_split(rows, found, kind, test_fraction, seed)
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


def finish(
    rows: Sequence[Row],
    folder: Path,
    output: Path,
    image_size: int,
    statistics: dict,
    drawn: dict,
    **more: object,
) -> dict:
    """Writes labels and manifest, and gives the folder its name.

    Args:
        rows: Labels.
        folder: What has been written so far; what else lies beside it is removed.
        output: The name; a packed set that has it is replaced.
        image_size: Side of the pictures, in pixels.
        statistics: From `write_arrays`.
        drawn: From `write_splits`.
        **more: Further entries of the manifest.

    Returns:
        The manifest.
    """
    from maskdepth_tf.input import packed

    more_files = sorted(path.name for path in folder.iterdir())
    labels.write(folder / "labels.txt", rows)
    manifest = {
        "packed": packed.FORMAT,
        "image_size": image_size,
        "counts": stats.count_pictures(rows),
        "statistics": statistics,
        "splits": drawn,
        "files": {
            name: _describe(folder / name)
            for name in dict.fromkeys((*packed.FILES, *more_files))
        },
        **more,
    }
    manifest["sha256"] = packed.sum_of(manifest)
    files.write_json(folder / packed.MANIFEST, manifest)
    _put(folder, output)
    return manifest


def _put(folder: Path, output: Path) -> None:
    """Gives a folder its name; at no time is a part of it or of an older one there."""
    old = folder.with_name("old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    folder.rename(output)
    shutil.rmtree(folder.parent)


def _describe(path: Path) -> dict[str, int | str]:
    return {"bytes": path.stat().st_size, "sha256": files.sha256_of(path)}


def report(manifest: dict, output: Path) -> str:
    """What was packed, as lines for a terminal."""
    not_drawn = manifest["splits"]["not_drawn"]
    lines = [f"no {kind} split: {reason}" for kind, reason in not_drawn.items()]
    size = sum(file["bytes"] for file in manifest["files"].values())
    rows = manifest["counts"]["rows"]
    return "\n".join([*lines, f"{rows} rows packed in {output}, {size / 1e6:.1f} MB"])
