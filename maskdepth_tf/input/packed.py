"""Packed sets: a labelled set decoded and resized once, as arrays.

    bg.npy fg_bg.npy mask.npy depth.npy     [N, S, S, C], each picture once
    places.npy      uint32 [rows, 4], where a row's pictures are, in this order
    labels.txt      the rows
    splits.npz      int64 row numbers of each side, as `unseen/train`
    manifest.json   sizes, counts, statistics, the splits' seeds, SHA-256 of all files
                    and of what it says itself

Arrays hold what `preprocessing.load` gives, `depth` in uint8 where no map of the set
has more than 8 bits (times 257 it is what that gives), and in int32 where one has
alpha, see `streams.HOLED_DEPTH`. They are mapped into memory, not read: a set may be
larger than that. A split is drawn when a set is packed, and never again. Files that the
manifest does not name are never opened.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from maskdepth_tf import files, streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, headers
from maskdepth_tf.input import augmentation, labels, splits
from maskdepth_tf.input.labels import Row

FORMAT = 2
"""Version of the format; in 1 the manifest had no sum of its own."""
FILES = (
    *(f"{stream.name}.npy" for stream in streams.STREAMS),
    "places.npy",
    "labels.txt",
    "splits.npz",
)
"""What a packed set holds beside its manifest."""


@dataclass(frozen=True)
class Packed:
    """A packed set, opened.

    Attributes:
        rows: Its rows.
        manifest: What `manifest.json` says.
        load: From an int64 scalar, a row's number, to the four streams.
        splits: Sides of each split by its kind.
    """

    rows: list[Row]
    manifest: dict
    load: Callable[[tf.Tensor], augmentation.Streams]
    splits: dict[str, splits.Split]


def is_packed(path: str | os.PathLike) -> bool:
    """Whether a path names a packed set, not a labels file."""
    return os.path.isdir(path)


def open_packed(folder: str | os.PathLike) -> Packed:
    """Opens a packed set and checks all of it against its manifest.

    Args:
        folder: The set.

    Returns:
        The set.

    Raises:
        DataError: If the folder is no packed set, or a file of it is damaged.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    check(folder, manifest)
    rows = labels.read(folder / "labels.txt")
    sides: dict[str, splits.Split] = {}
    with np.load(folder / "splits.npz") as stored:
        for name in stored.files:
            kind, side = name.split("/")
            sides.setdefault(kind, {})[side] = stored[name]
    return Packed(rows, manifest, _loader(folder), sides)


def read_manifest(folder: Path) -> dict:
    """Reads the manifest of a packed set.

    Raises:
        DataError: If it is missing, damaged, or of another format.
    """
    path = folder / files.MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        version = manifest["packed"]
        stated = manifest.pop("sha256", None)
    except FileNotFoundError:
        raise DataError(
            f"{folder}: a packed set must hold {files.MANIFEST}{_other_set(folder)}"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f"{path}: must be the manifest of a packed set{_other_set(folder)}"
        ) from None
    if version not in (1, FORMAT):
        raise DataError(f"{path}: the format must be {FORMAT}. Received: {version}")
    received = files.sha256_of_json(manifest) if version == FORMAT else None
    if received != stated:
        raise DataError(
            f"{path}: damaged: its SHA-256 must be {stated}. Received: {received}"
        )
    return manifest


def _other_set(folder) -> str:
    """How a set is named that is not packed."""
    path = folder / "labels.txt"
    return f"; the set in this folder is {path}" if path.is_file() else ""


def check(folder: Path, manifest: dict) -> None:
    """Compares all files of a packed set with their sizes and SHA-256.

    Raises:
        DataError: Names the first file that is missing or differs.
    """
    expected = manifest["files"]
    if not set(FILES) <= set(expected):
        raise DataError(f"{folder / files.MANIFEST}: must name {', '.join(FILES)}")
    files.check_described(folder, expected)


class Pictures:
    """Pictures of a packed set by name, as `stores.Pictures`: their pixels as PNG.

    The cut-outs are not among them.

    Args:
        folder: The set, checked by `check`.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self._folder = Path(folder)
        rows = labels.read(self._folder / "labels.txt")
        places = np.load(self._folder / "places.npy")
        self._arrays: dict[str, np.ndarray] = {}
        self._places: dict[str, tuple[str, int]] = {}
        for stream, column in zip(streams.STREAMS, places.T.tolist(), strict=True):
            path = self._folder / f"{stream.name}.npy"
            self._arrays[stream.name] = np.load(path, mmap_mode="r")
            for row, place in zip(rows, column, strict=True):
                self._places[getattr(row, stream.name)] = stream.name, place

    def __reduce__(self):
        return Pictures, (self._folder,)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def read(self, name: str) -> bytes:
        if name not in self._places:
            raise DataError(f"{self.place(name)}: expected a picture, received none")
        stream, place = self._places[name]
        pixels = self._arrays[stream][place]
        if stream == streams.MASK.name:
            pixels = np.uint8(255) * pixels
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        return encoding.encode_png(pixels, compression=encoding.QUICK)

    def header(self, name: str) -> headers.Header:
        return headers.check_bytes(self.read(name), self.place(name))

    def place(self, name: str) -> str:
        return f"{self._folder}: {name}"


def _loader(folder):
    arrays = {}
    for stream in streams.STREAMS:
        # Copy on write: nothing is written, but DLPack takes none that is read-only.
        array = np.load(folder / f"{stream.name}.npy", mmap_mode="c")
        # The tensor's memory is the file's, read as it is used.
        arrays[stream.name] = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    places = tf.constant(np.load(folder / "places.npy").astype(np.int64))

    def load(indices: tf.Tensor) -> augmentation.Streams:
        place = tf.gather(places, indices)
        example = {
            stream.name: tf.gather(arrays[stream.name], place[:, number])
            for number, stream in enumerate(streams.STREAMS)
        }
        if example["depth"].dtype == tf.uint8:
            wide = tf.cast(example["depth"], tf.uint16)
            example["depth"] = wide * tf.constant(streams.DEPTH_STEP, tf.uint16)
        return example

    return load
