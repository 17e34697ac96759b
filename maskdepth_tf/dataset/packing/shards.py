"""Shards of a packed set: runs of rows that depend on a plan and their number alone.

A shard is composed, given depth by the teacher, encoded, decoded and resized, as
`compose`, `depth` and `pack` do it one after the other with a file for each picture.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskdepth_tf import errors, files, streams
from maskdepth_tf.dataset.composing.recipe import PLACEMENTS, Recipe
from maskdepth_tf.dataset.composing.rows import Composer
from maskdepth_tf.dataset.teachers import conventions, loading, plausibility
from maskdepth_tf.images import encoding, headers
from maskdepth_tf.input import labels

SHARD_STREAMS = (streams.FG_BG, streams.MASK, streams.DEPTH)
"""What a shard holds; backgrounds are kept once."""


@dataclass(frozen=True)
class Build:
    """A plan.

    Attributes:
        foregrounds: Folder of cut-outs, pictures with an alpha channel.
        backgrounds: Folder of rooms.
        output: Folder of the packed set.
        rows: Rows; null for `placements` of each cut-out, room and mirroring.
        placements: Used without `rows`.
        recipe: How rows are composed; its seed is also that of the splits.
        teacher: As `depth --teacher`; so the next three.
        convention: What it puts out.
        normalize: What it takes.
        input_size: Side of its pictures; null for its own.
        depth_quality: JPEG quality of the maps.
        image_size: Side of the arrays' pictures, in pixels.
        test_fraction: Share that tests, of both splits.
        shard_rows: Rows of a shard.
    """

    foregrounds: str = "foregrounds"
    backgrounds: str = "backgrounds"
    output: str = "data/build"
    rows: int | None = None
    placements: int = PLACEMENTS
    recipe: Recipe = Recipe()
    teacher: str = "teacher.tflite"
    convention: str = "metric"
    normalize: str = "none"
    input_size: int | None = None
    depth_quality: int = 75
    image_size: int = 64
    test_fraction: float = 0.3
    shard_rows: int = 1000

    def __post_init__(self) -> None:
        errors.check_range("rows", self.rows, 1)
        errors.check_range("placements", self.placements, 1)
        errors.check_range("depth_quality", self.depth_quality, 1, 95)
        errors.check_range("image_size", self.image_size, *streams.IMAGE_SIZES)
        errors.check_range("shard_rows", self.shard_rows, 1)
        if not 0 < self.test_fraction < 1:
            raise errors.UsageError(
                f"test_fraction must be between 0 and 1. Received: {self.test_fraction}"
            )


class Encoded(dict[str, bytes]):
    """Encoded pictures in memory by name, as `stores.Pictures`."""

    def read(self, name: str) -> bytes:
        """Its bytes."""
        return self[name]

    def header(self, name: str) -> headers.Header:
        """What they say of the picture."""
        return headers.check_bytes(self[name], name)

    def place(self, name: str) -> str:
        """Its name."""
        return name


@dataclass(frozen=True)
class Shards:
    """Makes any shard by its number; what a worker process is given.

    Attributes:
        plan: The plan.
        num_rows: Rows of all shards.
        composer: Makes composites and masks.
        teacher: Makes depth.
        folder: Where shards are kept.
    """

    plan: Build
    num_rows: int
    composer: Composer
    teacher: loading.Teacher
    folder: Path

    @property
    def count(self) -> int:
        """How many shards there are."""
        return -(-self.num_rows // self.plan.shard_rows)

    def rows_of(self, number: int) -> range:
        """Indices of a shard's rows."""
        first = number * self.plan.shard_rows
        return range(first, min(first + self.plan.shard_rows, self.num_rows))

    def path(self, number: int) -> Path:
        """A shard's file."""
        return self.folder / f"{number:06d}.npz"

    def read(self, number: int) -> dict[str, np.ndarray] | None:
        """A shard's arrays by stream, and `ranges`; None if it is not there, whole."""
        try:
            with zipfile.ZipFile(self.path(number)) as archive:
                # Whole members: their sums are compared at the end.
                data = {name: archive.read(name) for name in archive.namelist()}
            arrays = {
                name.removesuffix(".npy"): np.load(io.BytesIO(array))
                for name, array in data.items()
            }
            is_ours = arrays.pop("number") == number
        # zipfile raises whatever a damaged archive makes it stumble over.
        except Exception:
            return None
        return arrays if is_ours else None

    def make(self, number: int) -> int:
        """Writes a shard; its rows."""
        arrays = self.rows(self.rows_of(number))
        path = self.path(number)

        def write(partial):
            with open(partial, "xb") as file:
                np.savez(file, number=np.int64(number), **arrays)

        files.save_durably(path, write)
        return len(self.rows_of(number))

    def rows(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """Arrays of some rows."""
        from maskdepth_tf.input import pipeline

        rows, encoded, ranges = self.encode(indices)
        arrays = {
            stream.name: pipeline.decode(
                [getattr(row, stream.name) for row in rows],
                encoded,
                stream,
                self.plan.image_size,
            )
            for stream in SHARD_STREAMS
        }
        return arrays | {"ranges": np.array(ranges, np.float64)}

    def encode(
        self, indices: Sequence[int]
    ) -> tuple[list[labels.Row], Encoded, list[tuple[float, float]]]:
        """Rows, their pictures but the backgrounds, and the ranges of their depth."""
        encoded, rows, ranges = Encoded(), [], []
        for index in indices:
            row, composite, mask = self.composer.encode_row(index)
            data, near, far = self._depth(row, composite)
            encoded |= {row.fg_bg: composite, row.mask: mask, row.depth: data}
            rows.append(row)
            ranges.append((near, far))
        return rows, encoded, ranges

    def distance(self, composite: bytes) -> np.ndarray:
        """The teacher's answer to a composite, float32 [S, S]."""
        import tensorflow as tf

        from maskdepth_tf.images import preprocessing

        picture = preprocessing.decode_rgb(tf.constant(composite))
        return loading.estimate(self.teacher, picture)

    def _depth(self, row: labels.Row, composite: bytes) -> tuple[bytes, float, float]:
        distance = self.distance(composite)
        plausibility.check_finite(Path(row.fg_bg), distance)
        relative, near, far = conventions.to_relative(distance)
        pixels = np.rint(255 * relative).astype(np.uint8)
        return encoding.encode_jpeg(pixels, self.plan.depth_quality), near, far
