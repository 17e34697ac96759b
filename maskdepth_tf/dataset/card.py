"""A data set card: what a labelled set holds and how it was made, in Markdown.

Its figures are those of `stats`; how it was made is what the `manifest.json` beside
the labels says, and left out where that says nothing. Its picture is the sheet that
`show` draws.
"""

import argparse
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from maskdepth_tf import cli, errors, files, startup
from maskdepth_tf.dataset import flags, show, stats
from maskdepth_tf.dataset.checking import counting, decoding
from maskdepth_tf.images import stores

SECTIONS = {
    "recipe": "Recipe",
    "depth": "Depth",
    "versions": "Made with",
    "licence": "Licence",
    "license": "Licence",
}
"""Key of the manifest -> heading."""
FORMAT = """\
Each line of the labels file names five pictures, separated by tabs: background,
cut-out, background with the cut-out, mask and depth, as paths from the folder of the
set with forward slashes. Masks are grey, white where the cut-out is; depth maps are
grey of 8 or 16 bits and relative to their own picture, black nearest and white
farthest.
"""

# An underscore between letters is one; at the end of a word it would slant the word.
_SPECIAL = re.compile(r"[\\`*<>\[\]|~$&#]|(?<![^\W_])_|_(?![^\W_])")


def read_manifest(labels_path: Path, source: stores.Pictures) -> dict[str, Any]:
    """Reads the manifest beside a labels file, on the disk or among the pictures.

    Returns:
        What it says; empty if there is none.

    Raises:
        DataError: If it is damaged.
    """
    path = labels_path.parent / files.MANIFEST
    if labels_path.exists():
        data = path.read_bytes() if path.is_file() else b"{}"
    else:
        name = path.as_posix()
        data = source.read(name) if name in source else b"{}"
    return files.parse_json(data, path)


def write_text(
    name: str, summary: dict[str, Any], manifest: dict[str, Any], picture: str
) -> str:
    """The card.

    Args:
        name: What the set is called.
        summary: What `stats.stats` returned.
        manifest: What `read_manifest` returned.
        picture: Name of the contact sheet, in the folder of the card.

    Returns:
        Markdown.
    """
    sections = [
        f"# Data set {_escape(name)}\n",
        "Pictures of places with something put into them, each with the place alone, "
        "the mask of\nwhat was put in and a depth map.\n",
        f"![Rows of the set]({urllib.parse.quote(picture)})\n",
        "Rows spread over the set, by their lines in the labels file. Depth is in "
        "colour: red is\nnear, blue is far.\n",
        "## Contents\n",
        _table(("what", "count"), _counts(summary)),
        _table(("channels", "mean", "deviation"), _moments(summary)),
        "Values are in [0, 1], over all pixels of all rows.\n",
        "## Mask area and depth\n",
        _table(("from", "to", "rows by mask area", "pixels by depth"), _bins(summary)),
        "The mask area is a share of the picture.\n",
    ]
    for key, heading in SECTIONS.items():
        part = manifest.get(key)
        facts = list(_facts(part if isinstance(part, dict) else {key: part}))
        if facts:
            sections += [f"## {heading}\n", _table(("key", "value"), facts)]
    sections += ["## Format\n", FORMAT]
    return "\n".join(sections)


def _counts(summary) -> Iterator[tuple[str, str]]:
    for key in ("rows", "backgrounds", "views", "foregrounds"):
        yield key, f"{summary[key]:,}"


def _moments(summary) -> Iterator[tuple[str, ...]]:
    for column in decoding.COLUMNS:
        values = (summary[column][key] for key in ("mean", "deviation"))
        yield column, *(" ".join(f"{x:.4f}" for x in channels) for channels in values)


def _bins(summary) -> Iterator[tuple[str, ...]]:
    for place in range(counting.BINS):
        shares = (summary[key][place] for key in stats.HISTOGRAMS)
        bounds = (f"{bound / counting.BINS:.1f}" for bound in (place, place + 1))
        yield (
            *bounds,
            *(f"{100 * x:.1f} % {'█' * round(40 * x)}".strip() for x in shares),
        )


def _facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """What a part of a manifest says, by dotted names; nothing for null."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _facts(part, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield _escape(name), _escape(_written(value))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_written, value)) if isinstance(value, list) else str(value)


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, in a line."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `card`."""
    flags.add_labelled_set(parser)
    text = "the card; its picture, CARD.png, is written beside it"
    parser.add("--output", "CARD.md", text, type=Path, required=True)
    parser.switch("--force", "replace an older card")
    flags.add_workers(parser)


def main(args: argparse.Namespace) -> None:
    """Runs `card` with parsed flags."""
    flags.check_suffix("--output", args.output, ".md")
    picture = args.output.with_suffix(".png")
    for path in (args.output, picture):
        files.check_output("--output", path, args.labels)
        if os.path.lexists(path) and not args.force:
            raise errors.UsageError(f"{path}: exists; --force replaces it")
    source = flags.open_pictures(args)
    manifest = read_manifest(args.labels, source)
    summary = stats.stats(args.labels, source, args.workers)
    startup.load_tensorflow()
    from maskdepth_tf.dataset.checking import sheets
    from maskdepth_tf.images import encoding

    name = Path((args.root or [args.labels.parent])[0]).resolve().name
    text = write_text(name, summary, manifest, picture.name)
    encoding.write_image(picture, sheets.spread_sheet(args.labels, source, show.ROWS))
    files.write_atomically(args.output, text.encode("utf-8", "replace"))
    print(f"wrote {args.output} and {picture}")
