"""Rendered rooms with figures in them: exact masks and depths, no download needed.

Row `i` shows room `i mod rooms`; every run of `figures` rows shows each figure once,
in an order of its own. Room, figure and row are functions of the seed and their
number alone, so files do not depend on the number of processes and fewer rows are a
prefix of more. Two in five figures are lit and pasted as cut-outs are, without a
shadow; the others stand in the room's light and darken it.

    Background/bg1.jpg              the room alone, quality 95
    Foreground/fg1.png              the figure alone, RGBA
    data_1/Fg-Bg/fg-bg1.jpg         the room with the figure
    data_1/Fg-Bg-Mask/fg-bg-mask1.png   8 bit, share of each pixel that it covers
    data_1/Depth/depth1.png         16 bit, 0 nearest, 65535 farthest of the picture
    depth_range.csv                 depth 0 and 1 of each map in metres
    files.sha256, manifest.json, labels.txt             written last, in this order

Every second composite, by chance, has the given JPEG quality, the others one between
it and 95: a network should stand both. Masks and depths are PNG since they are exact.

With `--hand-held` a hand takes both pictures: before `fg_bg` the camera moves 1 to 4
cm, turns by up to a degree, and exposes and balances anew. Mask and depth are those of
`fg_bg`. Figures stand in the room's light, and JPEG qualities are 70 to 95. Such sets
are to measure by: outside the mask `bg` and `fg_bg` differ, which `verify` calls a
fault.
"""

import argparse
import functools
import hashlib
import importlib.metadata
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL

import maskdepth_tf
from maskdepth_tf import cli, errors, files, streams, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.teachers import ranges
from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.images import encoding
from maskdepth_tf.input import labels

ROOM_QUALITY = 95
HAND_HELD_QUALITY = 70
"""Least JPEG quality of pictures that a hand takes."""
FOLDERS = (
    "Background",
    "Foreground",
    "data_1/Fg-Bg",
    "data_1/Fg-Bg-Mask",
    "data_1/Depth",
)


@dataclass(frozen=True)
class RenderedSet:
    """Which data set is made.

    Attributes:
        rows: Examples.
        image_size: Side of all pictures [pixels].
        rooms: Rooms, each seen by one camera.
        figures: Figures.
        seed: Not negative.
        quality: Least JPEG quality of the composites.
        hand_held: Whether the camera moves between the two pictures of a row.
    """

    rows: int
    image_size: int = 128
    rooms: int = 160
    figures: int = 160
    seed: int = 0
    quality: int = 30
    hand_held: bool = False

    def __post_init__(self) -> None:
        errors.check_range("--rows", self.rows, 1)
        errors.check_range("--image-size", self.image_size, *streams.IMAGE_SIZES)
        errors.check_range("--rooms", self.rooms, 1)
        errors.check_range("--figures", self.figures, 1)
        errors.check_range("--seed", self.seed, 0)
        errors.check_range("--quality", self.quality, 1, ROOM_QUALITY)

    def figure_of(self, row: int) -> int:
        """Number of the figure of a row, both counted from 0."""
        turn, place = divmod(row, self.figures)
        order = generator(self.seed, Rendered.ORDER, turn).permutation(self.figures)
        return int(order[place])

    def paths(self, row: int) -> labels.Row:
        """Paths of a row's files; rows count from 0, names from 1."""
        return labels.Row(
            bg=f"Background/bg{row % self.rooms + 1}.jpg",
            fg=f"Foreground/fg{self.figure_of(row) + 1}.png",
            fg_bg=f"data_1/Fg-Bg/fg-bg{row + 1}.jpg",
            mask=f"data_1/Fg-Bg-Mask/fg-bg-mask{row + 1}.png",
            depth=f"data_1/Depth/depth{row + 1}.png",
        )


class Written(NamedTuple):
    """What a worker has done.

    Attributes:
        sums: Path -> SHA-256.
        ranges: Path of a depth map -> near and far [m].
    """

    sums: dict[str, str]
    ranges: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Writer:
    """Writes the pictures of a set; what a worker process is given.

    Attributes:
        data_set: The set.
        folder: Where it is made.
    """

    data_set: RenderedSet
    folder: Path

    def write_room(self, room: int) -> Written:
        """Writes a room's background and all rows in it."""
        # Here, not above: `--help` need not wait for the ray caster.
        from maskdepth_tf.scenes import stage

        data_set = self.data_set
        scene = stage.Stage(data_set.seed, room, data_set.image_size)
        written = Written({}, {})
        quality = ROOM_QUALITY
        if data_set.hand_held:
            draws = generator(data_set.seed, Rendered.QUALITY, room)
            quality = self._drawn_quality(draws)
        picture = encoding.encode_jpeg(scene.background(), quality)
        self._write(f"Background/bg{room + 1}.jpg", picture, written)
        for row in range(room, data_set.rows, data_set.rooms):
            paths = data_set.paths(row)
            figure = _figure(data_set.seed, data_set.figure_of(row))
            example, quality = self._example(scene, figure, row)
            composite = encoding.encode_jpeg(example.fg_bg, quality)
            self._write(paths.fg_bg, composite, written)
            self._write_png(paths.mask, example.mask, written)
            self._write_png(paths.depth, example.depth, written)
            written.ranges[paths.depth] = (example.near_m, example.far_m)
        return written

    def _example(self, scene, figure, row: int):
        """A row's pictures, and the JPEG quality of its composite."""
        data_set = self.data_set
        if data_set.hand_held:
            draws = generator(data_set.seed, Rendered.SECOND, row)
            example = scene.taken_again(draws).example(figure, draws, is_real=True)
            return example, self._drawn_quality(draws)
        draws = generator(data_set.seed, Rendered.ROW, row)
        example, quality = scene.example(figure, draws), data_set.quality
        if draws.random() < 0.5:
            quality = int(draws.integers(quality, ROOM_QUALITY, endpoint=True))
        return example, quality

    def _drawn_quality(self, draws: np.random.Generator) -> int:
        """JPEG quality of a picture that a hand takes."""
        least = max(self.data_set.quality, HAND_HELD_QUALITY)
        return int(draws.integers(least, ROOM_QUALITY, endpoint=True))

    def write_figure(self, figure: int) -> Written:
        """Writes a figure alone, as a cut-out."""
        from maskdepth_tf.scenes import stage

        draws = generator(self.data_set.seed, Rendered.CUTOUT, figure)
        model = _figure(self.data_set.seed, figure)
        cutout = stage.cutout(model, self.data_set.image_size, draws)
        written = Written({}, {})
        self._write_png(f"Foreground/fg{figure + 1}.png", cutout, written)
        return written

    def write_all(self, num_workers: int) -> Written:
        """Writes all pictures, with a number of processes."""
        num_rooms = min(self.data_set.rooms, self.data_set.rows)
        rooms = {
            (room,): len(range(room, self.data_set.rows, self.data_set.rooms))
            for room in range(num_rooms)
        }
        figures = {self.data_set.figure_of(row) for row in range(self.data_set.rows)}
        with workers.pool_or_here(min(num_workers, num_rooms), self) as pool:
            written = pool.run(Writer.write_room, rooms, "synthesize", "rows")
            cutouts = {(figure,): 1 for figure in sorted(figures)}
            written += pool.run(Writer.write_figure, cutouts, "synthesize", "cut-outs")
        return Written(
            {path: part.sums[path] for part in written for path in part.sums},
            {path: part.ranges[path] for part in written for path in part.ranges},
        )

    def _write(self, path: str, data: bytes, written: Written) -> None:
        (self.folder / path).write_bytes(data)
        written.sums[path] = hashlib.sha256(data).hexdigest()

    def _write_png(self, path: str, pixels: np.ndarray, written: Written) -> None:
        self._write(path, encoding.encode_png(pixels, compression=4), written)


@functools.lru_cache(maxsize=256)
def _figure(seed: int, number: int):
    from maskdepth_tf.scenes import people, shapes

    return shapes.compact(people.figure(generator(seed, Rendered.FIGURE, number)))


def synthesize(
    output: str | os.PathLike,
    rows: int,
    *,
    num_workers: int | None = None,
    hand_held: bool = False,
    **options: int,
) -> None:
    """Makes a data set of rendered rooms.

    Args:
        output: Folder of the data set: absent or empty; appears complete or not at all.
        rows: Examples.
        num_workers: Processes; the files do not depend on it. None for one a core.
        hand_held: As that of `RenderedSet`.
        **options: Other attributes of `RenderedSet`.

    Raises:
        UsageError: A value is out of range or `output` holds something else.
    """
    data_set = RenderedSet(rows, hand_held=hand_held, **options)
    if num_workers is None:
        num_workers = len(os.sched_getaffinity(0))
    errors.check_range("--workers", num_workers, 1)
    output = Path(output).resolve()
    if files.names_in_output(output):
        raise errors.UsageError(f"--output must be empty. Received: {output}")
    with files.unfinished_folder(files.partial_of(output)) as folder:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        written = Writer(data_set, folder).write_all(num_workers)
        files.write_sums(folder, dict(sorted(written.sums.items())))
        paths = [data_set.paths(row) for row in range(rows)]
        limits = [(row.depth, *written.ranges[row.depth]) for row in paths]
        table = ranges.to_csv(limits, is_metric=True, digits=".4f")
        files.write_atomically(folder / ranges.RANGES, table)
        manifest = _manifest(data_set, written, folder)
        files.write_json(folder / files.MANIFEST, manifest)
        labels.write(folder / "labels.txt", paths)
        files.replace_folder(folder, output)


def _manifest(data_set: RenderedSet, written: Written, folder: Path) -> dict:
    near, far = zip(*written.ranges.values(), strict=True)
    return {
        "recipe": asdict(data_set) | {"name": "synthetic rooms"},
        "counts": {
            "rows": data_set.rows,
            "foregrounds": min(data_set.figures, data_set.rows),
            "backgrounds": min(data_set.rooms, data_set.rows),
            "pictures": len(written.sums),
        },
        "sources": {},  # no pictures of others
        "depth": {"source": "exact", "near_m": min(near), "far_m": max(far)},
        "files": {
            name: files.sha256_of(folder / name) for name in (files.SUMS, ranges.RANGES)
        },
        "versions": {
            "maskdepth_tf": maskdepth_tf.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "embreex": importlib.metadata.version("embreex"),
        },
    }


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `synthesize`."""
    text = "folder of the data set: absent, empty, or left by a run that was cut off"
    parser.add("--output", "DIR", text, type=Path, required=True)
    parser.add("--rows", "N", "examples", type=int, required=True)
    for name, metavar, text in (
        ("image_size", "PIXELS", "side of the pictures"),
        ("rooms", "N", "rooms, each seen by one camera"),
        ("figures", "N", "figures, which stand in the rooms"),
        ("seed", "N", "decides everything"),
        ("quality", "Q", "least JPEG quality; of --hand-held at least 70"),
    ):
        flag, default = f"--{name.replace('_', '-')}", getattr(RenderedSet, name)
        parser.add(flag, metavar, text, type=int, default=default)
    text = "move the camera between the two pictures of a row, as a hand does"
    parser.switch("--hand-held", text)
    flags.add_workers(parser)


def main(args: argparse.Namespace) -> None:
    """Runs `synthesize` with parsed flags."""
    synthesize(**vars(args))
    print(f"{args.rows} rows in {args.output}")
    labels_path = args.output / "labels.txt"
    if args.hand_held:
        cli.suggest("evaluate", "--model", "runs/quickstart", "--labels", labels_path)
    else:
        flags.suggest_training(labels_path)
