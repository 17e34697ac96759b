"""Labels of pictures that lie in another layout; no picture is opened or moved.

With `--convert` masks and depth maps that hold other values, as 0 and 1 or millimetres,
are written anew into another folder, with copies of the rest: see `converting`. That
takes the labels that are there, too.

Either a table names the pictures of each row by paths from its folder, `metadata.jsonl`
or any CSV with a header: its columns are `bg` or `bg_file_name`, as Hugging Face's
ImageFolder has them, and so on; plain `file_name` is `fg_bg`. Or there is a folder a
stream, called as `NAMES` and `ENDINGS` say, and `folders` says which pictures go
together. A table comes first; one that does not name both `bg` and `fg_bg` is none of
rows.

Where several data sets lie in the folder, each with its `labels.txt`, they become one:
their rows, and `groups.txt` with what is kept together in each. Packed sets are left
out.

Without `fg` no cut-out is known, and rows repeat their background there. Without
`depth` they name maps that are not there yet, `fg_bg/a/1.jpg` one of `depth/a/1.jpg`,
and the command `depth` writes them.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from maskdepth_tf import cli, errors, files, streams
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.dataset.indexing import converting, folders, sets, tables, values
from maskdepth_tf.images import stores
from maskdepth_tf.input import groups, labels

NAMES = {
    "bg": "bg",
    "background": "bg",
    "fg": "fg",
    "foreground": "fg",
    "fg_bg": "fg_bg",
    "fgbg": "fg_bg",
    "overlay": "fg_bg",
    "image": "fg_bg",
    "mask": "mask",
    "fg_bg_mask": "mask",
    "fgbg_mask": "mask",
    "depth": "depth",
    "depth_map": "depth",
    "fg_bg_depth": "depth",
    "fgbg_depth": "depth",
}
"""What folders and columns may be called -> column of the labels."""
ENDINGS = ("_file_name", "_filename", "_path", "_image", "_cropped")
"""What may follow, in the singular or plural; hyphens and spaces count as `_`."""
PAIR = {"bg", "fg_bg"}
"""Columns that tell a layout."""

Located = tuple[int | str, dict[str, str]]
"""Where a row comes from, a line or a picture, and its paths by column."""


class Layout(NamedTuple):
    """A layout that was recognised.

    Attributes:
        source: The table, or the folder of folders.
        names: Column of the labels -> what it is called there.
    """

    source: Path
    names: dict[str, str]


def index(root: Path) -> tuple[Layout, list[labels.Row]]:
    """Finds the rows of a folder of pictures.

    Returns:
        The layout, and the rows: in a table's order, else by path of `fg_bg`.

    Raises:
        DataError: No layout, or more than one, is recognised; pictures are missing,
            match none or several, or may not stand in a labels file.
    """
    layout = _recognise(root)
    read = folders.match if layout.source.is_dir() else tables.read
    records: list[Located] = list(read(layout.source, layout.names))
    faults = list(_faults(records, stores.Folder(root)))
    labels.raise_faults(layout.source, faults)
    return layout, [_complete(paths) for _, paths in records]


def _recognise(root: Path) -> Layout:
    entries = [path for path in sorted(root.iterdir()) if path.name[0] != "."]
    tables_of_rows = [path for path in entries if _is_of_rows(path)]
    if len(tables_of_rows) > 1:
        received = ", ".join(path.name for path in tables_of_rows)
        raise errors.DataError(
            f"{root}: expected one table of rows, received {received}"
        )
    if tables_of_rows:
        layout = _layout(tables_of_rows[0], tables.columns(tables_of_rows[0]))
    else:
        layout = _layout(root, [path.name for path in entries if path.is_dir()])
    if not layout.names.keys() >= PAIR:
        raise errors.DataError(
            f"{root}: expected folders bg, fg_bg and mask, or a CSV or metadata.jsonl "
            f"with such columns, received {folders.few([e.name for e in entries])}"
            + "".join(_columns_told(path) for path in entries if tables.is_table(path))
        )
    unused = [e.name for e in entries if e.is_dir() and _is_unused(e, layout)]
    if unused:
        print(
            f"warning: {root}: left alone {folders.few([f'{n}/' for n in unused])}",
            file=sys.stderr,
        )
    if "mask" not in layout.names:
        raise errors.DataError(
            f"{layout.source}: expected a mask for each fg_bg, grey, of its size, 255 "
            f"where the foreground is, received {', '.join(layout.names.values())}"
        )
    return layout


def _columns_told(table: Path) -> str:
    return f"; {table.name} has the columns {folders.few(tables.columns(table))}"


def _is_unused(folder: Path, layout: Layout) -> bool:
    """Whether a folder beside a stream's is none; tables may name any."""
    return layout.source.is_dir() and folder.name not in layout.names.values()


def _is_of_rows(path: Path) -> bool:
    return tables.is_table(path) and PAIR <= set(map(_column, tables.columns(path)))


def _column(name: str) -> str | None:
    """Column of the labels that a folder or a table's column is; None for others."""
    if name == "file_name":
        return "fg_bg"
    plain = re.sub("[- ]", "_", name.strip().lower()).removesuffix("s")
    for ending in ENDINGS:
        plain = plain.removesuffix(ending).removesuffix("s")
    return NAMES.get(plain)


def _layout(source: Path, names: Iterable[str]) -> Layout:
    layout: dict[str, str] = {}
    for name in names:
        column = _column(name)
        if column and layout.setdefault(column, name) != name:
            raise errors.DataError(
                f"{source}: expected one {column}, received {layout[column]} and {name}"
            )
    return Layout(source, layout)


def _complete(paths: Mapping[str, str]) -> labels.Row:
    """A row, also of a picture whose cut-out or depth is not there."""
    stem = os.path.splitext(paths["fg_bg"])[0]
    folder, _, rest = stem.partition("/")
    # As those of composites, JPEG; `depth` gives those of 16 bits their own suffix.
    depth = f"depth/{rest if _column(folder) == 'fg_bg' else stem}.jpg"
    return labels.Row(**{"fg": paths["bg"], "depth": depth, **paths})


def _faults(
    records: Iterable[Located], source: stores.Pictures
) -> Iterator[labels.Fault]:
    """Paths that may not be in labels or name no file; rows and depths there twice."""
    first_rows: dict[labels.Row, int | str] = {}
    composites: dict[str, str] = {}
    for where, paths in records:
        for column, path in paths.items():
            if fault := labels.path_fault(path):
                yield where, f"{fault}, received {path[:200]!r}"
            elif path not in source:
                text = f"expected {column} to be a file that no link leads out to"
                yield where, f"{text}, received {path!r}"
        row = _complete(paths)
        first = first_rows.setdefault(row, where)
        if first != where:
            yield where, f"expected every row once, received again line {first}'s"
        other = composites.setdefault(row.depth, row.fg_bg)
        if "depth" not in paths and other != row.fg_bg:
            text = f"expected a depth for each fg_bg, received {row.depth} for"
            yield where, f"{text} {other} and {row.fg_bg}"


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `index`."""
    parser.add("folder", "FOLDER", "where the pictures are", type=Path)
    text = "labels file; its paths start from FOLDER (labels.txt in FOLDER)"
    parser.add("--output", "FILE", text, type=Path)
    parser.switch("--force", "replace labels that are there")
    text = "new folder: all pictures, masks and depth as they should be"
    parser.add("--convert", "DIR", text, type=Path)
    text = "values of the masks that are foreground, as 1 or 1-255 (greater of the two)"
    parser.add("--foreground", "VALUES", text, type=_span, nargs="*")
    text = "depth has values of its own, of which large ones are %(choices)s"
    parser.add("--depth", "WHAT", text, choices=("far", "near"))
    text = "metres that a value of 1 is, as 0.001; kept beside the maps"
    parser.add("--depth-unit", "METRES", text, type=cli.number(float, 1e-9))
    text = "values of depth that stand for not known, as 0; nothing is learned there"
    parser.add("--hole", "VALUES", text, type=_span, nargs="+", default=[])


def _span(text: str) -> values.Span:
    """An argparse type: a value, or the least and the greatest of some."""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    span = found and (int(found[1]), int(found[2] or found[1]))
    if not span or not span[0] <= span[1] <= streams.DEPTH_SCALE:
        raise argparse.ArgumentTypeError(
            f"must be a value or a span, as 1 or 1-255, up to 65535. Received: {text}"
        )
    return span


def _meaning(args: argparse.Namespace) -> values.Meaning | None:
    """What the flags say of values; None if nothing is to be converted."""
    flag_of = {"--foreground": args.foreground is not None, "--depth": args.depth}
    needs_depth = {"--depth-unit": args.depth_unit, "--hole": args.hole}
    given = [flag for flag, value in (flag_of | needs_depth).items() if value]
    if args.convert is None and given:
        raise errors.UsageError(f"{given[0]} needs --convert DIR")
    if args.convert is None:
        return None
    if not any(flag_of.values()):
        raise errors.UsageError("--convert needs --foreground, --depth or both")
    if not args.depth and any(needs_depth.values()):
        raise errors.UsageError(f"{given[-1]} needs --depth far or near")
    if args.depth == "near" and args.depth_unit:
        raise errors.UsageError("--depth-unit goes with --depth far alone")
    foreground = None if args.foreground is None else tuple(args.foreground)
    holes = tuple(args.hole)
    return values.Meaning(foreground, args.depth, holes, args.depth_unit)


def main(args: argparse.Namespace) -> None:
    """Runs `index` with parsed flags."""
    if not args.folder.is_dir():
        raise errors.UsageError(f"FOLDER must be a folder. Received: {args.folder}")
    output = args.output or args.folder / "labels.txt"
    if meaning := _meaning(args):
        storing.check_apart(args.convert, args.folder, "--convert")
        is_there = output.exists() and not args.force
        rows = labels.read(output) if is_there else index(args.folder)[1]
        source = stores.Folder(args.folder)
        count = converting.convert(rows, source, args.convert, meaning)
        print(f"{count:,} rows in {args.convert}")
        cli.suggest("dataset", "verify", "--labels", args.convert / "labels.txt")
        return
    flags.check_suffix("--output", output, ".txt")
    files.check_output("--output", output, args.folder)
    if os.path.lexists(output) and not args.force:
        if args.output:
            raise errors.UsageError(f"{output}: exists; --force replaces it")
        count = len(labels.read(output))
        print(f"{output}: is there already, {count:,} rows; nothing to do")
        return
    names, packed = sets.find(args.folder)
    if packed:
        print(
            f"warning: {args.folder}: left out {folders.few(packed)}: packed sets have "
            "arrays in place of the pictures that rows name",
            file=sys.stderr,
        )
    if names:
        _join(args.folder, names, output, args.force)
        return
    layout, rows = index(args.folder)
    labels.write(output, rows)
    print(_report(layout, rows, args.folder, output))
    if "depth" in layout.names:
        root = ("--root", args.folder) if args.output else ()
        cli.suggest("dataset", "verify", "--labels", output, *root)


def _join(root: Path, names: list[str], output: Path, force: bool) -> None:
    """Writes labels and groups of the data sets in a folder."""
    rows, together = sets.join(root, names)
    path = root / groups.FILE
    if together and path.exists() and not force:
        raise errors.UsageError(f"{path}: exists; --force replaces it")
    if together:
        groups.write(root, together)
    labels.write(output, rows)
    print(f"{root}: data sets {', '.join(names)}; {len(rows):,} rows in {output}")
    where = ("--root", root) if output.resolve().parent != root.resolve() else ()
    cli.suggest("dataset", "verify", "--labels", output, *where)


def _report(layout: Layout, rows: list[labels.Row], root: Path, output: Path) -> str:
    kind = "folders" if layout.source.is_dir() else "a table with columns"
    names = ", ".join(layout.names.values())
    lines = [f"{layout.source}: {kind} {names}; {len(rows):,} rows in {output}"]
    if output.resolve().parent != root.resolve():
        lines.append(f"its paths start from {root}: give other commands --root")
    if "fg" not in layout.names:
        lines.append(
            "no cut-outs are named: the unseen split keeps backgrounds apart, and "
            "foregrounds not"
        )
    if "depth" not in layout.names:
        lines.append(
            f"no depth: `maskdepth dataset depth --data {root} --teacher NAME` writes "
            f"the maps that {root / 'labels.txt'} names"
        )
    return "\n".join(lines)
