"""A labelled set, opened: its rows checked, split, and ready to be loaded."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from maskdepth_tf import files, streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import stores
from maskdepth_tf.input import groups, labels, packed, pipeline, splits
from maskdepth_tf.input.labels import Row
from maskdepth_tf.input.packed import Packed


@dataclass(frozen=True)
class Examples:
    """A labelled set.

    Attributes:
        rows: Its rows, in the file's order.
        root: Folder that their paths start from; of a packed set, its own.
        load: From a row's number to the four streams.
        packed: The packed set that they come from, if they do.
        from_files: Streams that are read from their files each time.
    """

    rows: Sequence[Row]
    root: str
    load: pipeline.Load
    packed: Packed | None = None
    from_files: Sequence[streams.Stream] = ()

    @contextlib.contextmanager
    def damage_named(self) -> Iterator[None]:
        """Turns TensorFlow's error about some picture into one that names it.

        A header that is sound may stand before damaged data. In memory that shows
        when the set is opened; in files only where a step reads it.
        """
        try:
            yield
        except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            store = stores.Folder(self.root)
            for stream in streams.STREAMS:
                names = dict.fromkeys(getattr(row, stream.name) for row in self.rows)
                pipeline.name_damaged(names, store, stream)
            if isinstance(error, tf.errors.InvalidArgumentError):
                raise
            raise DataError(
                f"an input service must see the files in {os.path.abspath(self.root)} "
                "as this process does. Received: one of them is not there"
            ) from error


def open_examples(
    labels_path: str,
    root: str | None = None,
    *,
    image_size: int,
    max_rows: int | None = None,
    memory_gb: float = 4.0,
    foregrounds: bool = True,
) -> Examples:
    """Reads a labels file and checks all its pictures before the first is used.

    Args:
        labels_path: Labels file, or the folder of a packed set.
        root: Folder that its paths start from; its own folder if None. A packed set
            has none.
        image_size: Side of the pictures in memory, in pixels.
        max_rows: Rows used, from the first; all if None.
        memory_gb: Decoded pictures are kept in memory up to this size, streams with
            the fewest bytes first; the others are read from their files each time.
        foregrounds: Whether the cut-outs must be there, as an unseen split asks.

    Returns:
        The set.

    Raises:
        DataError: If a line or a picture is bad; all are named. If a packed set is
            damaged or holds pictures of another size.
    """
    if packed.is_packed(labels_path):
        packed_set = packed.open_packed(labels_path)
        size = packed_set.manifest["image_size"]
        if size != image_size:
            raise DataError(
                f"{labels_path}: must be packed at image_size={image_size}. "
                f"Received: image_size={size}"
            )
        rows = packed_set.rows[:max_rows]
        return Examples(rows, labels_path, packed_set.load, packed_set)
    rows = labels.read(labels_path)[:max_rows]
    root = str(Path(labels_path).parent) if root is None else root
    header_of = labels.check_files(rows, root, labels_path, foregrounds=foregrounds)
    chosen = streams.of_set(any(header_of[row.depth].has_alpha for row in rows))
    in_memory = pipeline.streams_in_memory(rows, image_size, memory_gb * 2**30, chosen)
    load = pipeline.load_rows(rows, root, image_size, in_memory, chosen)
    load = _with_aspects(load, [header_of[row.fg_bg] for row in rows])
    others = [stream for stream in chosen if stream not in in_memory]
    return Examples(rows, root, load, from_files=others)


def _with_aspects(load, headers) -> pipeline.Load:
    """Puts `streams.ASPECT` beside the streams, if not all pictures are squares."""
    aspects = np.array([one.width / one.height for one in headers], np.float32)
    if np.all(aspects == 1):
        return load
    known = tf.constant(aspects)
    return lambda indices: load(indices) | {streams.ASPECT: tf.gather(known, indices)}


def split_examples(
    examples: Examples, kind: str, test_fraction: float, seed: int
) -> splits.Split:
    """Splits a set, as `splits.draw_split` does.

    Args:
        examples: The set.
        kind: One of `splits.KINDS`.
        test_fraction: Share that tests.
        seed: Seed of the choice.

    Returns:
        Row numbers of each side; `validation` is taken from the training side.

    Raises:
        DataError: If a side would be empty, or a packed set's split is another.
    """
    if not examples.packed:
        store = stores.Folder(examples.root)
        return splits.draw_split(examples.rows, store, kind, test_fraction, seed)
    about = examples.packed.manifest["splits"]
    if kind in about["not_drawn"]:
        raise DataError(
            f"{examples.root}: holds no {kind} split: {about['not_drawn'][kind]}"
        )
    if test_fraction != about["test_fraction"]:
        raise DataError(
            f"{examples.root}: was split with test_fraction={about['test_fraction']}; "
            f"pack it again for another. Received: test_fraction={test_fraction}"
        )
    # It was drawn when the set was packed; rows that are left out leave it.
    sides = examples.packed.splits[kind]
    return {side: ids[ids < len(examples.rows)] for side, ids in sides.items()}


def describe(labels_path: str, examples: Examples, split: splits.Split) -> dict:
    """Describes a run's data: labels, rows, fingerprint, sizes of the sides."""
    return {
        "labels": labels_path,
        "rows": len(examples.rows),
        "sha256": fingerprint(labels_path, examples),
        "splits": {name: len(ids) for name, ids in split.items()},
    }


def fingerprint(labels_path: str, examples: Examples) -> str:
    """Computes SHA-256 of the labels file and of every picture's name and size.

    `groups.txt` counts as well, if it is there: the split depends on it.
    A packed set has the SHA-256 of its manifest, which holds those of all its files.
    """
    if examples.packed:
        return files.sha256_of(Path(labels_path, files.MANIFEST))
    digest = hashlib.sha256(Path(labels_path).read_bytes())
    store = stores.Folder(examples.root)
    if groups.FILE in store:
        digest.update(store.read(groups.FILE))
    names = {name for row in examples.rows for name in row._replace(fg=row.bg)}
    for name in sorted(names):
        size = os.stat(os.path.join(examples.root, name)).st_size
        digest.update(f"{name}\t{size}\n".encode())
    return digest.hexdigest()
