"""Cut-outs pasted on rooms: composites with masks, and the labels that list them.

Every row shows one cut-out, plain or mirrored, on one room:

    fg_bg = alpha * cut-out + (1 - alpha) * room        mask = alpha on black

The room is the stored `Background/bg<n>.jpg` as decoded, so that outside the mask
`fg_bg` differs from it by its own JPEG compression alone, and by the shadows where
`--shadow` asks for them: the mask is of the figures alone. With `--figures` it is of
all of them; the labels name the first, so that a split by cut-outs does not know of
the others. Rows are numbered from 1:

    Background/bg1.jpg              the room, resized to the picture size, quality 95
    Background/bg1@1.jpg            the same room in another framing, if asked for
    Foreground/fg1.png              the cut-out, RGBA
    data_1/Fg-Bg/fg-bg1.jpg         the composite, quality 30 unless told otherwise
    data_1/Fg-Bg-Mask/fg-bg-mask1.jpg
    data_1/Depth/depth1.jpg         named in the labels; `depth` writes it
    labels.txt, files.sha256, manifest.json             written last, in this order

A part, `data_<k>`, holds 80,000 rows. Which cut-out, room, view, mirroring and place
a row has follows from the seed and the row's index alone; fewer rows are a prefix of
more.
"""

import argparse
import concurrent.futures
import hashlib
import importlib.metadata
import math
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import PIL

import maskdepth_tf
from maskdepth_tf import cli, errors, files
from maskdepth_tf.dataset import flags, progress, workers
from maskdepth_tf.dataset.composing import presets, sources
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.dataset.composing.rows import MASK_QUALITY, ROWS_PER_PART, Composer
from maskdepth_tf.images import encoding
from maskdepth_tf.input import labels

PLACEMENTS = 20
"""Placements of the reference for each cut-out, room and mirroring."""
CHUNK = 64
"""Rows that a worker makes before it reports."""
OUTPUT_FILES = (
    "labels.txt",
    "manifest.json",
    "files.sha256",
    "depth_range.csv",
    "depth_range.partial.csv",
)
"""Files of a data set beside the pictures."""


_composer: Composer | None = None


def _receive(composer: Composer) -> None:
    global _composer
    _composer = composer
    cv2.setNumThreads(1)  # the processes share the cores, not threads within them


def _work(method: str, *args: int) -> list[str]:
    if _composer is None:
        raise RuntimeError("the worker was given no composer")
    return getattr(_composer, method)(*args)


def _run(pool, method: str, noun: str, jobs: dict[tuple, int]) -> list[str]:
    """Runs a method of the composer; jobs are its arguments -> things it makes."""
    with progress.track("compose", sum(jobs.values()), noun) as advance:
        counts = {pool.submit(_work, method, *job): jobs[job] for job in jobs}
        for future in concurrent.futures.as_completed(counts):
            future.result()
            advance(counts[future])
        return [line for future in counts for line in future.result()]


def _write_pictures(composer: Composer, num_rows: int, num_workers: int) -> list[str]:
    """Writes all but the sources with a pool; lines of `files.sha256` in order."""
    views = {(room,): composer.recipe.views for room in range(len(composer.rooms))}
    starts = range(0, num_rows, CHUNK)
    rows = {(i, min(i + CHUNK, num_rows)): min(CHUNK, num_rows - i) for i in starts}
    with workers.pool(min(num_workers, len(rows)), _receive, (composer,)) as pool:
        lines = []
        if composer.recipe.views:  # first: rows read them
            lines = _run(pool, "write_views", "views", views)
        return lines + _run(pool, "write_rows", "rows", rows)


def _write_rows(
    composer: Composer, num_rows: int, num_workers: int, entries: dict
) -> None:
    """Writes all rows, then `files.sha256`, then the labels."""
    for part in range(math.ceil(num_rows / ROWS_PER_PART)):
        for name in ("Fg-Bg", "Fg-Bg-Mask"):
            (composer.output / f"data_{part + 1}" / name).mkdir(parents=True)
    lines = [f"{entry['sha256']}  {name}" for name, entry in entries.items()]
    lines += _write_pictures(composer, num_rows, num_workers)
    sums = "".join(f"{line}\n" for line in lines).encode()
    files.write_atomically(composer.output / "files.sha256", sums)
    labels.write(composer.output / "labels.txt", map(composer.row, range(num_rows)))


def _prepare_output(output: Path, force: bool) -> None:
    """Makes the folder; with `force`, clears an older data set out of it."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise errors.UsageError(
            f"--output must be a folder that can be made: {error.strerror}. "
            f"Received: {output}"
        ) from error
    if any(output.iterdir()) and not force:
        raise errors.UsageError(
            "--output must be empty; --force replaces the data set in it. "
            f"Received: {output}"
        )
    _clear(output)


def _clear(output: Path) -> None:
    """Removes a data set, also one that was not finished."""
    # The labels go first: without them nobody takes the rest for a data set.
    for name in (*OUTPUT_FILES, "Background", "Foreground"):
        _remove(output / name)
    for path in output.glob("data_*"):
        _remove(path)
    files.remove_partials(output)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_apart(output: Path, folder: Path) -> None:
    """Raises a UsageError if an output folder contains source pictures."""
    if folder.resolve().is_relative_to(output.resolve()):
        raise errors.UsageError(
            f"--output must not contain the source pictures in {folder}. "
            f"Received: {output}"
        )


def _store(path: Path, data: bytes, source: Path) -> dict[str, str]:
    """Stores a source in the data set; its entry in the manifest."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return {
        "name": source.name,
        "source_sha256": files.sha256_of(source),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _manifest(recipe: Recipe, num_rows: int, entries: dict, output: Path) -> dict:
    written = ("labels.txt", "files.sha256")
    return {
        "recipe": asdict(recipe) | {"mask_quality": MASK_QUALITY},
        "counts": {
            "rows": num_rows,
            "foregrounds": sum(name.startswith("Foreground") for name in entries),
            "backgrounds": sum(name.startswith("Background") for name in entries),
        },
        "files": {name: files.sha256_of(output / name) for name in written},
        "sources": entries,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of all that pictures depend on."""
    return {
        "maskdepth_tf": maskdepth_tf.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
    }


def compose(
    foregrounds: Path,
    backgrounds: Path,
    output: Path,
    recipe: Recipe,
    *,
    num_rows: int | None = None,
    placements: int = PLACEMENTS,
    num_workers: int = 1,
    force: bool = False,
) -> int:
    """Makes a data set without depth maps.

    Args:
        foregrounds: Folder of cut-outs, pictures with an alpha channel.
        backgrounds: Folder of rooms.
        output: Folder of the data set.
        recipe: How rows are made.
        num_rows: Rows; None for `placements` of each cut-out, room and mirroring.
        placements: Used without `num_rows`.
        num_workers: Processes; the files do not depend on it.
        force: Whether to replace a data set in `output`.

    Returns:
        Number of rows.

    Raises:
        DataError: A source is missing, damaged or no cut-out.
        UsageError: The output folder is not empty or holds the sources.
    """
    for folder in (foregrounds, backgrounds):
        check_apart(output, folder)
    # Everything that may be at fault is read before an older data set is cleared.
    given = sources.read_sources(
        foregrounds, backgrounds, recipe.image_size, recipe.scale is not None
    )
    if num_rows is None:
        num_rows = placements * given.num_combinations
    _prepare_output(output, force)
    try:
        composer, entries = store_sources(given, output, recipe)
        _write_rows(composer, num_rows, num_workers, entries)
        manifest = _manifest(recipe, num_rows, entries, output)
        files.write_json(output / "manifest.json", manifest)
    except BaseException:
        _clear(output)
        raise
    return num_rows


def store_sources(
    given: sources.Sources, output: Path, recipe: Recipe
) -> tuple[Composer, dict]:
    """Stores cut-outs and rooms in a data set.

    Returns:
        composer: Makes its rows.
        entries: What the manifest says of them, by path.
    """
    from maskdepth_tf.images import preprocessing

    entries, rooms = {}, []
    for number, (path, cutout) in enumerate(given.cutouts.items(), 1):
        stored = f"Foreground/fg{number}.png"
        entries[stored] = _store(output / stored, encoding.encode_png(cutout), path)
    for number, (path, room) in enumerate(given.rooms.items(), 1):
        stored = f"Background/bg{number}.jpg"
        entries[stored] = _store(output / stored, sources.encode_room(room), path)
        # From now on what the file shows, not what was put into it.
        rooms.append(preprocessing.read_rgb(output / stored))
    return Composer(recipe, list(given.cutouts.values()), rooms, output), entries


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `compose`."""
    count = cli.number(int, 1)
    for flag, text in (
        ("--foregrounds", "folder of cut-outs, pictures with transparency"),
        ("--backgrounds", "folder of pictures of rooms"),
        ("--output", "folder of the data set"),
    ):
        parser.add(flag, "DIR", text, type=Path, required=True)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--rows", type=count, metavar="N", help="rows in all")
    amount.add_argument(
        "--placements",
        type=count,
        default=PLACEMENTS,
        metavar="K",
        help="rows of each cut-out, room and mirroring (%(default)s)",
    )
    presets.add_arguments(parser)
    flags.add_workers(parser)
    parser.switch("--force", "replace a data set in the output folder")


def main(args: argparse.Namespace) -> None:
    """Runs `compose` with parsed flags."""
    num_rows = compose(
        args.foregrounds,
        args.backgrounds,
        args.output,
        presets.from_arguments(args),
        num_rows=args.rows,
        placements=args.placements,
        num_workers=args.workers,
        force=args.force,
    )
    print(f"{num_rows} rows in {args.output}")
    teacher = ("--teacher", "teacher.tflite")
    cli.suggest("dataset", "depth", "--data", args.output, *teacher)
