"""A data set card: what a labelled set holds and how it was made, in Markdown.

Its figures are those of `stats`; how it was made, and of whose pictures, is what the
`manifest.json` beside the labels says. Its picture is the sheet that `show` draws.
"""

import argparse
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maskdepth_tf import cli, errors, files, startup
from maskdepth_tf.dataset import flags, show, stats
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.images import stores
from maskdepth_tf.reports import page

SECTIONS = {
    "recipe": "Recipe",
    "build": "Plan",
    "teacher": "Teacher",
    "depth": "Depth",
    "versions": "Made with",
    "licence": "Licence",
    "license": "Licence",
}
"""Key of the manifest -> heading."""
TOLD = (*SECTIONS, "sources")
"""Keys of the manifest that a card is made of."""
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
    sections = []
    for key, heading in SECTIONS.items():
        part = manifest.get(key)
        facts = list(_facts(part if isinstance(part, dict) else {key: part}))
        if facts:
            sections.append((heading, facts))
    return page.render(
        "data_set_card.md",
        name=_escape(name),
        picture=urllib.parse.quote(picture),
        summary=summary,
        counts=stats.COUNTS,
        columns=decoding.COLUMNS,
        histograms=stats.HISTOGRAMS,
        sections=sections,
        licences=_licences(manifest.get("sources")),
    )


def _licences(sources: Any) -> list[tuple[int, str, str]] | None:
    """Number of pictures, licence and authors, by licence; None if nothing is said."""
    if not isinstance(sources, dict):
        return None
    authors: dict[str, list[str]] = {}
    for entry in sources.values():
        known = entry if isinstance(entry, dict) else {}
        licence, author = (
            str(known.get(key, "not known")) for key in ("licence", "author")
        )
        authors.setdefault(licence, []).append(author)
    return [
        (len(names), _escape(licence), _escape(", ".join(sorted(set(names)))))
        for licence, names in sorted(authors.items())
    ]


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
    summary = stats.stats(args.labels, source, args.num_workers)
    startup.load_tensorflow()
    from maskdepth_tf.dataset.checking import sheets
    from maskdepth_tf.images import encoding

    name = Path((args.root or [args.labels.parent])[0]).resolve().name
    text = write_text(name, summary, manifest, picture.name)
    encoding.write_image(picture, sheets.spread_sheet(args.labels, source, show.ROWS))
    files.write_atomically(args.output, text.encode("utf-8", "replace"))
    print(f"wrote {args.output} and {picture}")
