"""A set whose masks and depth maps have other values, written anew as it should be.

The new folder holds all that the rows name: masks as PNGs of 0 and 255, depth as PNGs
of 16 bits, with alpha if it has holes, its ranges, and copies of the rest. It appears
complete or not at all.
"""

import functools
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from maskdepth_tf import errors, files, startup, workers
from maskdepth_tf.dataset.indexing import values
from maskdepth_tf.dataset.teachers import ranges
from maskdepth_tf.images import encoding, stores
from maskdepth_tf.input import groups, labels

_MOST_VALUES = 100  # more are grey pictures, not values that a person would name


def convert(
    rows: Sequence[labels.Row],
    source: stores.Pictures,
    output: Path,
    meaning: values.Meaning,
) -> int:
    """Writes a set with masks and depth as the data format has them.

    Args:
        rows: The rows.
        source: Their pictures; cut-outs and, unless it has other values, depth may be
            missing.
        output: Folder of the new set, with `labels.txt`.
        meaning: What the values mean; without spans of `foreground` it is the greater
            of the two values that all masks hold.

    Returns:
        Number of rows: those of which no depth is known are left out, with a warning.

    Raises:
        UsageError: The output is not empty.
        DataError: A picture is missing or damaged, or its values are others.
    """
    if files.names_in_output(output, "--convert"):
        raise errors.UsageError(
            f"--convert must be an empty folder. Received: {output}"
        )
    startup.load_tensorflow()
    with (
        files.unfinished_folder(files.partial_of(output)) as folder,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads,
    ):
        pool = workers.Pool(threads, (source, folder))
        names = _new_names(rows, meaning)
        limits = {}
        if meaning.large_is is not None:
            maps = list(dict.fromkeys(row.depth for row in rows))
            work = functools.partial(_write_maps, names, meaning)
            found = pool.map_chunks(work, maps, "depth", "maps")
            limits = dict(zip(maps, found, strict=True))
        good = [row for row in rows if limits.get(row.depth, True)]
        _tell_left_out(rows, good)
        if meaning.foreground is not None:
            masks = list(dict.fromkeys(row.mask for row in good))
            spans = meaning.foreground or (_find_foreground(pool, masks),)
            work = functools.partial(_write_masks, names, spans)
            list(pool.map_chunks(work, masks, "masks", "pictures"))
        kept = _kept(good, meaning, source)
        list(pool.map_chunks(_copy, kept, "copy", "pictures"))
        _write_tables(folder, good, names, limits, meaning)
        files.replace_folder(folder, output)
    return len(good)


def _new_names(rows, meaning: values.Meaning) -> dict[str, str]:
    """Names of all pictures -> what they are called in the new set."""
    columns = ["mask"] * (meaning.foreground is not None)
    columns += ["depth"] * (meaning.large_is is not None)
    names = {name: name for name in labels.names_of(rows)}
    changed = dict.fromkeys(getattr(row, column) for row in rows for column in columns)
    names |= {name: f"{os.path.splitext(name)[0]}.png" for name in changed}
    if len(set(names.values())) < len(names):
        raise errors.DataError(
            "masks and maps become PNGs: names of pictures must differ by more than "
            f"the suffix. Received: {_first_repeated(names.values())} twice"
        )
    return names


def _first_repeated(names) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)


def _find_foreground(pool: workers.Pool, masks: Sequence[str]) -> values.Span:
    found: set[int] = set()
    for here in pool.map_chunks(_values_of, masks, "values", "masks"):
        found |= here
        if len(found) > _MOST_VALUES:
            break
    return values.greater_of_two(found)


def _values_of(state, names: Sequence[str]) -> list[set[int]]:
    source, _ = state
    return [set(np.unique(values.read_mask(source, name)).tolist()) for name in names]


def _write_masks(new_names, spans, state, names: Sequence[str]) -> list[None]:
    source, folder = state
    for name in names:
        is_figure = values.is_in(values.read_mask(source, name), spans)
        _write(
            folder / new_names[name],
            encoding.encode_png(255 * is_figure.astype(np.uint8)),
        )
    return [None] * len(names)


def _write_maps(new_names, meaning, state, names: Sequence[str]) -> list:
    """Near and far of each map; None where no depth is known."""
    source, folder = state
    limits = []
    for name in names:
        found = values.to_depth(values.read_depth(source, name), meaning)
        if found:
            _write(folder / new_names[name], encoding.encode_png(found[0]))
        limits.append(found and found[1:])
    return limits


def _kept(rows, meaning: values.Meaning, source: stores.Pictures) -> list[str]:
    """Files that are copied; cut-outs and depth need not be there."""
    wanted = {row.bg: None for row in rows} | {row.fg_bg: None for row in rows}
    optional = [row.fg for row in rows] + [groups.FILE]
    if meaning.foreground is None:
        wanted |= {row.mask: None for row in rows}
    if meaning.large_is is None:
        optional += [row.depth for row in rows]
    return list(wanted | {name: None for name in optional if name in source})


def _copy(state, names: Sequence[str]) -> list[None]:
    source, folder = state
    for name in names:
        _write(folder / name, source.read(name))
    return [None] * len(names)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _tell_left_out(rows, good) -> None:
    if not good:
        raise errors.DataError(
            f"{rows[0].depth}: depth must be known at two distances or more. "
            "Received: no row with such a map"
        )
    if len(good) < len(rows):
        kept = set(good)
        first = next(row for row in rows if row not in kept)
        print(
            f"warning: left out {len(rows) - len(good)} rows whose depth is not known, "
            f"as {first.depth}",
            file=sys.stderr,
        )


def _write_tables(folder: Path, rows, names, limits, meaning) -> None:
    """Writes the labels, ranges of depth, and groups, if there are any."""
    new_rows = [labels.Row(*(names[name] for name in row)) for row in rows]
    labels.write(folder / "labels.txt", new_rows)
    if limits:
        known = {names[name]: found for name, found in limits.items() if found}
        table = [(name, *found) for name, found in known.items()]
        is_metric = meaning.unit is not None
        files.write_atomically(folder / ranges.RANGES, ranges.to_csv(table, is_metric))
