"""Cut-outs pasted on rooms: composites with masks, and the labels that list them.

Every row shows one cut-out, plain or mirrored, on one room:

    fg_bg = alpha * cut-out + (1 - alpha) * room        mask = alpha on black

The room is the stored `Background/bg<n>.jpg` as decoded, so that outside the mask
`fg_bg` differs from it by its own JPEG compression alone, and by the shadows where
flags ask for them: the mask is of the figures alone. With `--figures` it is of
all of them; the labels name the first, so that a split by cut-outs does not know of
the others. Rows are numbered from 1:

    Background/bg1.jpg              the room, resized to the picture size, quality 95
    Background/bg1@1.jpg            the same room in another framing, if asked for
    Foreground/fg1.png              the cut-out, RGBA
    data_1/Fg-Bg/fg-bg1.jpg         the composite, quality 30 unless told otherwise
    data_1/Fg-Bg-Mask/fg-bg-mask1.jpg
    data_1/Depth/depth1.jpg         named in the labels; `depth` writes it
    groups.txt                      with `--group-by-name`, see `groups`
    labels.txt, files.sha256, manifest.json             written last, in this order

With `--empty` nobody stands in some rows: `fg_bg` is the room, and the mask is called
`fg-bg-mask1@empty.jpg`. They still name a cut-out, whose side of a split is theirs.

A part, `data_<k>`, holds 80,000 rows. Which cut-out, room, view, mirroring and place
a row has follows from the seed and the row's index alone; fewer rows are a prefix of
more.
"""

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from maskdepth_tf import cli, errors, files, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.composing import presets, sources, storing
from maskdepth_tf.dataset.composing.recipe import PLACEMENTS, Recipe
from maskdepth_tf.dataset.composing.rows import MASK_QUALITY, ROWS_PER_PART, Composer
from maskdepth_tf.input import groups, labels

CHUNK = 64
"""Rows that a worker makes before it reports."""
PARTS = re.compile(
    r"labels\.txt|groups\.txt|manifest\.json|files\.sha256|depth_range(\.partial)?\.csv"
    r"|Background|Foreground|data_\d+|\.[0-9a-f]{16}\.partial.*"
)
"""Names in the folder of a data set; only such are replaced."""


def compose(
    foregrounds: Sequence[Path],
    backgrounds: Sequence[Path],
    output: Path,
    recipe: Recipe,
    *,
    num_rows: int | None = None,
    placements: int = PLACEMENTS,
    group_by_name: bool = False,
    num_workers: int = 1,
    force: bool = False,
) -> int:
    """Makes a data set without depth maps.

    Args:
        foregrounds: Folders of cut-outs, pictures with an alpha channel.
        backgrounds: Folders of rooms.
        output: Folder of the data set.
        recipe: How rows are made.
        num_rows: Rows; None for `placements` of each cut-out, room and mirroring.
        placements: Used without `num_rows`.
        group_by_name: Whether to write `groups.txt`, as `groups.by_name` tells.
        num_workers: Processes; the files do not depend on it.
        force: Whether to replace a data set in `output`.

    Returns:
        Number of rows.

    Raises:
        DataError: A source is missing, damaged or no cut-out, or two have one name.
        UsageError: The output folder is not empty or holds the sources.
    """
    for folder in (*foregrounds, *backgrounds):
        storing.check_apart(output, folder)
    # Everything that may be at fault is read before anything is written.
    originals = sources.read_sources(
        foregrounds, backgrounds, recipe.image_size, recipe.scale is not None
    )
    if num_rows is None:
        num_rows = placements * originals.num_combinations
    output = output.resolve()
    _check_output(output, force)
    with files.unfinished_folder(files.partial_of(output)) as folder:
        composer, entries = storing.store_sources(originals, folder, recipe)
        sums = {name: entry["sha256"] for name, entry in entries.items()}
        sums |= _write_pictures(composer, num_rows, num_workers)
        files.write_sums(folder, sums)
        if group_by_name:
            names = {path: entry["name"] for path, entry in entries.items()}
            groups.write(folder, groups.by_name(names))
        labels.write(folder / "labels.txt", map(composer.row, range(num_rows)))
        manifest = _manifest(recipe, num_rows, entries, folder)
        files.write_json(folder / files.MANIFEST, manifest)
        files.replace_folder(folder, output)
    return num_rows


def _check_output(output: Path, force: bool) -> None:
    """Refuses to replace anything, or with `force` anything but a data set."""
    names = files.names_in_output(output)
    if names and not force:
        raise errors.UsageError(
            "--output must be empty; --force replaces the data set in it. "
            f"Received: {output}"
        )
    others = [name for name in names if not PARTS.fullmatch(name)]
    if others:
        raise errors.UsageError(
            f"--output must hold nothing but a data set, to be replaced by --force. "
            f"Received: {output / others[0]}"
        )


def _write_pictures(
    composer: Composer, num_rows: int, num_workers: int
) -> dict[str, str]:
    """Writes all but the sources; SHA-256 by path, in order."""
    for part in range(math.ceil(num_rows / ROWS_PER_PART)):
        for name in ("Fg-Bg", "Fg-Bg-Mask"):
            (composer.output / f"data_{part + 1}" / name).mkdir(parents=True)
    views = {(room,): composer.recipe.views for room in range(len(composer.rooms))}
    starts = range(0, num_rows, CHUNK)
    rows = {(i, min(i + CHUNK, num_rows)): min(CHUNK, num_rows - i) for i in starts}
    num_workers = min(num_workers, len(rows))
    with workers.pool_or_here(num_workers, composer) as pool:
        written = []
        if composer.recipe.views:  # first: rows read them
            written = pool.run(Composer.write_views, views, "compose", "views")
        written += pool.run(Composer.write_rows, rows, "compose", "rows")
    return {path: sha256 for sums in written for path, sha256 in sums.items()}


def _manifest(recipe: Recipe, num_rows: int, entries: dict, folder: Path) -> dict:
    listed = ("labels.txt", files.SUMS, groups.FILE)
    return {
        "recipe": asdict(recipe) | {"mask_quality": MASK_QUALITY},
        "counts": {
            "rows": num_rows,
            "foregrounds": sum(name.startswith("Foreground") for name in entries),
            "backgrounds": sum(name.startswith("Background") for name in entries),
        },
        "files": {
            name: files.sha256_of(folder / name)
            for name in listed
            if (folder / name).exists()
        },
        "sources": entries,
        "versions": storing.versions(),
    }


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `compose`."""
    count = cli.number(int, 1)
    for flag, text in (
        ("--foregrounds", "folder of cut-outs, pictures with transparency"),
        ("--backgrounds", "folder of pictures of rooms"),
    ):
        text += "; may be given more than once"
        parser.add(flag, "DIR", text, type=Path, required=True, action="append")
    parser.add("--output", "DIR", "folder of the data set", type=Path, required=True)
    text = "keep pictures whose names differ in the number at their end (hall_1, "
    parser.switch("--group-by-name", f"{text}hall_f02) on one side of the unseen split")
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
        group_by_name=args.group_by_name,
        num_workers=args.num_workers,
        force=args.force,
    )
    print(f"{num_rows} rows in {args.output}")
    flags.suggest_depth(args.output)
