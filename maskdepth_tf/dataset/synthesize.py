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
"""

import argparse
import concurrent.futures
import csv
import functools
import importlib.metadata
import io
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image

import maskdepth_tf
from maskdepth_tf import errors, files
from maskdepth_tf.dataset import progress, workers
from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.images import encoding
from maskdepth_tf.input import labels

ROOM_QUALITY = 95
FINAL_FILES = ("labels.txt", "manifest.json", "files.sha256", "depth_range.csv")
MARKER = ".unfinished"
"""Empty file in a set that is being made: only what holds it is ever cleared."""
FOLDERS = (
    "Background",
    "Foreground",
    "data_1/Fg-Bg",
    "data_1/Fg-Bg-Mask",
    "data_1/Depth",
)


@dataclass(frozen=True)
class Recipe:
    """Which data set is made.

    Attributes:
        rows: Examples.
        image_size: Side of all pictures [pixels].
        rooms: Rooms, each seen by one camera.
        figures: Figures.
        seed: Not negative.
        quality: Least JPEG quality of the composites.
    """

    rows: int
    image_size: int = 128
    rooms: int = 160
    figures: int = 160
    seed: int = 0
    quality: int = 30

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rows", 1, None),
            ("image_size", 16, 2048),
            ("rooms", 1, None),
            ("figures", 1, None),
            ("seed", 0, None),
            ("quality", 1, ROOM_QUALITY),
        ):
            value = getattr(self, name)
            if value < least or (most is not None and value > most):
                limits = f"{least} or more" if most is None else f"{least} to {most}"
                flag = name.replace("_", "-")
                raise errors.UsageError(f"--{flag} must be {limits}. Received: {value}")

    def figure_of(self, row: int) -> int:
        """Number of the figure of a row, both counted from 0."""
        turn, place = divmod(row, self.figures)
        order = generator(self.seed, Rendered.ORDER, turn).permutation(self.figures)
        return int(order[place])


def row_paths(recipe: Recipe, row: int) -> labels.Row:
    """Paths of a row's files; rows count from 0, names from 1."""
    return labels.Row(
        bg=f"Background/bg{row % recipe.rooms + 1}.jpg",
        fg=f"Foreground/fg{recipe.figure_of(row) + 1}.png",
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


def write_room(recipe: Recipe, output: Path, room: int) -> Written:
    """Writes a room's background and all rows in it."""
    # Here, not above: `--help` need not wait for the ray caster.
    from maskdepth_tf.scenes import stage

    scene = stage.Stage(recipe.seed, room, recipe.image_size)
    written = Written({}, {})
    picture = encoding.encode_jpeg(scene.background(), ROOM_QUALITY)
    _write(output, f"Background/bg{room + 1}.jpg", picture, written)
    for row in range(room, recipe.rows, recipe.rooms):
        paths, draws = row_paths(recipe, row), generator(recipe.seed, Rendered.ROW, row)
        figure = _figure(recipe.seed, recipe.figure_of(row))
        example = scene.example(figure, draws)
        quality = recipe.quality
        if draws.random() < 0.5:
            quality = int(draws.integers(recipe.quality, ROOM_QUALITY, endpoint=True))
        composite = encoding.encode_jpeg(example.fg_bg, quality)
        _write(output, paths.fg_bg, composite, written)
        _write(output, paths.mask, _png(example.mask), written)
        _write(output, paths.depth, _png(example.depth), written)
        written.ranges[paths.depth] = (example.near_m, example.far_m)
    return written


def write_figure(recipe: Recipe, output: Path, figure: int) -> Written:
    """Writes a figure alone, as a cut-out."""
    from maskdepth_tf.scenes import stage

    draws = generator(recipe.seed, Rendered.CUTOUT, figure)
    model = _figure(recipe.seed, figure)
    cutout = stage.cutout(model, recipe.image_size, draws)
    written = Written({}, {})
    _write(output, f"Foreground/fg{figure + 1}.png", _png(cutout), written)
    return written


@functools.lru_cache(maxsize=256)
def _figure(seed: int, number: int):
    from maskdepth_tf.scenes import people, shapes

    return shapes.compact(people.figure(generator(seed, Rendered.FIGURE, number)))


def _write(output: Path, path: str, data: bytes, written: Written) -> None:
    (output / path).write_bytes(data)
    written.sums[path] = encoding.sha256(data)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _write_pictures(recipe: Recipe, output: Path, num_workers: int) -> Written:
    """Writes all pictures with a pool of processes."""
    num_rooms = min(recipe.rooms, recipe.rows)
    figures = sorted({recipe.figure_of(row) for row in range(recipe.rows)})
    everything = Written({}, {})
    with (
        workers.pool(min(num_workers, num_rooms)) as pool,
        progress.track("synthesize", recipe.rows, "rows") as advance,
    ):
        jobs = [
            *(pool.submit(write_room, recipe, output, k) for k in range(num_rooms)),
            *(pool.submit(write_figure, recipe, output, k) for k in figures),
        ]
        for job in concurrent.futures.as_completed(jobs):
            advance(len(job.result().ranges))
            everything.sums.update(job.result().sums)
            everything.ranges.update(job.result().ranges)
    return everything


def synthesize(
    output: str | os.PathLike,
    rows: int,
    image_size: int = 128,
    rooms: int = 160,
    figures: int = 160,
    seed: int = 0,
    quality: int = 30,
    workers: int | None = None,
) -> None:
    """Makes a data set of rendered rooms.

    Args:
        output: Folder of the data set: absent, empty, or left by a run that was cut
            off, which is cleared.
        rows: Examples.
        image_size: Side of all pictures [pixels].
        rooms: Rooms, each seen by one camera.
        figures: Figures.
        seed: Decides everything.
        quality: Least JPEG quality of the composites.
        workers: Processes; the files do not depend on it. None for one a core.

    Raises:
        UsageError: A value is out of range or `output` holds something else.
    """
    recipe = Recipe(rows, image_size, rooms, figures, seed, quality)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    if workers < 1:
        raise errors.UsageError(f"--workers must be 1 or more. Received: {workers}")
    output = Path(output)
    _prepare_output(output)
    written = _write_pictures(recipe, output, workers)
    sums = "".join(f"{written.sums[path]}  {path}\n" for path in sorted(written.sums))
    files.write_atomically(output / "files.sha256", sums.encode())
    ranges = [written.ranges[row_paths(recipe, row).depth] for row in range(rows)]
    files.write_atomically(output / "depth_range.csv", _table(recipe, ranges))
    manifest = _manifest(recipe, len(written.sums), ranges, output)
    files.write_json(output / "manifest.json", manifest)
    labels.write(output / "labels.txt", (row_paths(recipe, row) for row in range(rows)))
    (output / MARKER).unlink()


def _prepare_output(output: Path) -> None:
    """Makes the folders; clears what a run that was cut off has left."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in output.iterdir()}
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise errors.UsageError(
            f"--output must be a folder that can be made: {error.strerror}. "
            f"Received: {output}"
        ) from error
    if found and MARKER not in found:
        raise errors.UsageError(f"--output must be empty. Received: {output}")
    (output / MARKER).touch()
    for name in FINAL_FILES:
        (output / name).unlink(missing_ok=True)
    for folder in FOLDERS:
        shutil.rmtree(output / folder, ignore_errors=True)
        (output / folder).mkdir(parents=True)


def _table(recipe: Recipe, ranges: list[tuple[float, float]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("depth", "near_m", "far_m"))
    for row, (near, far) in enumerate(ranges):
        table.writerow((row_paths(recipe, row).depth, f"{near:.4f}", f"{far:.4f}"))
    return text.getvalue().encode()


def _manifest(recipe: Recipe, num_files: int, ranges, output: Path) -> dict:
    return {
        "recipe": asdict(recipe) | {"name": "synthetic rooms"},
        "counts": {
            "rows": recipe.rows,
            "foregrounds": min(recipe.figures, recipe.rows),
            "backgrounds": min(recipe.rooms, recipe.rows),
            "pictures": num_files,
        },
        "depth": {
            "source": "exact",
            "near_m": min(near for near, _ in ranges),
            "far_m": max(far for _, far in ranges),
        },
        "files": {
            name: files.sha256_of(output / name)
            for name in ("files.sha256", "depth_range.csv")
        },
        "versions": {
            "maskdepth_tf": maskdepth_tf.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "embreex": importlib.metadata.version("embreex"),
        },
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `synthesize`."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rows", type=int, required=True, metavar="N")
    parser.add_argument("--image-size", type=int, default=128, metavar="PIXELS")
    parser.add_argument("--rooms", type=int, default=160, help="(%(default)s)")
    parser.add_argument("--figures", type=int, default=160, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quality", type=int, default=30, help="least JPEG quality (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))


def main(args: argparse.Namespace) -> None:
    """Runs `synthesize` with parsed flags."""
    synthesize(
        args.output,
        rows=args.rows,
        image_size=args.image_size,
        rooms=args.rooms,
        figures=args.figures,
        seed=args.seed,
        quality=args.quality,
        workers=args.workers,
    )
    print(f"{args.rows} rows in {args.output}")
