"""Finds every bad row of a labelled set before it costs a training run.

All pictures are read and decoded once. A row is bad if

    bad_line            its line in the labels file does not hold five paths
    duplicate           the line, or the very bytes of fg_bg, came before
    missing             a file is not there, or a link that leads out of the folder
    unreadable          a file is no picture or damaged
    wrong_size          a picture does not have the shape of fg_bg
    transposed          mask or depth, on its side, fits better
    wrong_background    bg and fg_bg differ outside the mask, or another room of
                        the set fits better
    inverted_mask       255 is the background
    inverted_depth      near and far changed places
    constant_depth      depth is the same everywhere
    unscaled_depth      depth does not reach from 0 to 1 by far: units, say
    holes_in_depth      0 stands for depth that is not known
    grey_mask           most of a mask is neither black nor white: a depth map, say
    empty_mask, full_mask   no figure, nothing but figure; or a figure where
                        nobody is meant to stand (`labels.is_empty`)

Of background, turned and inverted pictures only those are called bad that surely
are; `measures` and `consensus` say by which limits and what they were tried on.
"""

import argparse
import collections
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from maskdepth_tf import cli, errors, files, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.checking import consensus, findings, sampling
from maskdepth_tf.dataset.checking.inspection import Inspector
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels

KINDS = (
    "bad_line duplicate missing unreadable wrong_size transposed wrong_background "
    "inverted_mask inverted_depth constant_depth unscaled_depth holes_in_depth "
    "grey_mask empty_mask full_mask"
).split()
"""Kinds of faults, in the order of the table."""
CONVERTED = {
    frozenset({"empty_mask"}): "--foreground",
    frozenset({"inverted_mask"}): "--foreground 0-127",
    frozenset({"unscaled_depth", "holes_in_depth"}): "--depth far --hole 0",
    frozenset({"inverted_depth"}): "--depth near",
}
"""Kinds of faults -> flags of `index --convert` that mend them in a whole set."""
SPELLED_OUT = 3
"""Faults of a kind that are spelled out."""


class Bad(NamedTuple):
    """A fault of a row.

    Attributes:
        row: Line in the labels file, from 1.
        fault: One of `KINDS`.
        detail: What was expected or received.
    """

    row: int
    fault: str
    detail: str


class Report(NamedTuple):
    """What is wrong with a labelled set.

    Attributes:
        num_rows: Lines that are not blank.
        bad: Faults, by row; a row may have several.
        good: Rows without a fault, in the file's order.
    """

    num_rows: int
    bad: list[Bad]
    good: list[labels.Row]


def verify(
    labels_path: str | os.PathLike,
    source: stores.Pictures,
    num_workers: int = 1,
    foregrounds: bool = True,
) -> Report:
    """Looks for all faults of all rows.

    Args:
        labels_path: The labels file.
        source: The pictures that it names.
        num_workers: Processes; the report does not depend on it.
        foregrounds: Whether the cut-outs must be there.

    Raises:
        DataError: If the labels file is missing or empty.
    """
    data = labels.read_member(labels_path, source)
    numbered, faults = labels.read_lines(labels_path, data)
    if not numbered and not faults:
        raise errors.DataError(
            f"{os.fspath(labels_path)}: expected at least one row, received none"
        )
    bad = {Bad(line, "bad_line", text) for line, text in faults}
    repeated = dict(labels.repeated_rows(numbered))
    bad.update(Bad(line, "duplicate", text) for line, text in repeated.items())
    first_ones = [
        (line, row if foregrounds else row._replace(fg=row.bg))
        for line, row in numbered
        if line not in repeated
    ]
    bad.update(_picture_faults(first_ones, source, num_workers))
    lines = {item.row for item in bad}
    return Report(
        num_rows=len(numbered) + len(faults),
        bad=sorted(bad, key=lambda item: (item.row, KINDS.index(item.fault), item)),
        good=[row for line, row in numbered if line not in lines],
    )


def _picture_faults(
    numbered, source: stores.Pictures, num_workers: int
) -> Iterator[Bad]:
    """Faults of the pictures of all rows."""
    if not numbered:
        return
    rows = [row for _, row in numbered]
    names = sorted({row.bg for row in rows})
    names = names if len(names) <= consensus.MOST_ROOMS else []
    num_workers = max(1, min(num_workers, len(rows) // workers.CHUNK))
    first_lines: dict[bytes, int] = {}
    judged: list[tuple[int, str, findings.Depth]] = []
    with workers.pool_or_here(num_workers, source, Inspector) as pool:
        cells = pool.map_chunks(Inspector.inspect_rooms, names, "rooms", "pictures")
        rooms = consensus.Rooms(dict(zip(names, cells, strict=True)))
        inspections = pool.map_chunks(Inspector.inspect_rows, rows, "verify", "rows")
        for (line, row), inspected in zip(numbered, inspections, strict=True):
            faults = list(inspected.faults)
            # Of one room all pictures with nobody in them are the same.
            if inspected.digest is not None and not labels.is_empty(row):
                first = first_lines.setdefault(inspected.digest, line)
                if first != line:
                    text = f"expected an fg_bg of its own, received line {first}'s"
                    faults.append(findings.Fault("duplicate", text))
            if inspected.surroundings is not None:
                faults += rooms.faults(row.bg, inspected.surroundings)
            if inspected.depth is not None and not faults:
                judged.append((line, row.bg, inspected.depth))
            yield from (Bad(line, *fault) for fault in faults)
    if judged:
        lines, backgrounds, depths = zip(*judged, strict=True)
        for number, fault in consensus.depth_faults(backgrounds, depths):
            yield Bad(lines[number], *fault)


def table(report: Report, name: str) -> str:
    """The report as lines for a terminal.

    Args:
        report: What `verify` found.
        name: What the labels file is called.
    """
    num_bad = report.num_rows - len(report.good)
    lines = [f"{name}: {report.num_rows:,} rows, {num_bad:,} bad"]
    if report.bad:
        lines.append(f"\n{'fault':18}{'rows':>9}  lines")
    details = [""]
    for kind in KINDS:
        faults = [item for item in report.bad if item.fault == kind]
        if not faults:
            continue
        rows = sorted({item.row for item in faults})
        more = ["..."] * (len(rows) > SPELLED_OUT)
        first = ", ".join([*map(str, rows[:SPELLED_OUT]), *more])
        lines.append(f"{kind:18}{len(rows):9,}  {first}")
        details += [f"{name}:{i.row}: {kind}: {i.detail}" for i in faults[:SPELLED_OUT]]
    return "\n".join(lines + details * bool(report.bad))


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `verify`."""
    flags.add_labelled_set(parser)
    parser.add("--json", "FILE", "where to write the faults", type=Path)
    text = "where to write a labels file of the good rows"
    parser.add("--drop-bad", "FILE", text, type=Path)
    flags.add_workers(parser)


def main(args: argparse.Namespace) -> int:
    """Runs `verify` with parsed flags; 3 if a row is bad."""
    for flag, path in (("--json", args.json), ("--drop-bad", args.drop_bad)):
        if path is not None:
            files.check_output(flag, path, args.labels)
    folder = args.labels.absolute().parent
    if args.drop_bad and flags.is_packed(args):
        raise errors.UsageError(
            "--drop-bad must be left out where --labels is a packed set: pack the good "
            f"rows anew. Received: {args.drop_bad}"
        )
    is_elsewhere = args.drop_bad and args.drop_bad.parent.resolve() != folder.resolve()
    if is_elsewhere and not args.root:
        raise errors.UsageError(
            "--drop-bad must be in the folder of --labels, which its paths start from, "
            f"unless --root is given. Received: {args.drop_bad}"
        )
    source, is_packed = flags.open_pictures(args), flags.is_packed(args)
    report = verify(args.labels, source, args.num_workers, foregrounds=not is_packed)
    print(table(report, os.fspath(args.labels)))
    shown = sampling.spread(report.good, sampling.MOST_ROWS)
    sampling.tell_remarks(args.labels, shown, flags.open_pictures(args))
    if args.json:
        bad = [item._asdict() for item in report.bad]
        files.write_json(args.json, {"rows": report.num_rows, "bad": bad})
    if args.drop_bad:
        if not report.good:
            raise errors.DataError(
                f"{args.drop_bad}: expected a good row to write, received none"
            )
        labels.write(args.drop_bad, report.good)
        print(f"wrote {len(report.good):,} rows to {args.drop_bad}")
    _suggest(args, report, source)
    return errors.DataError.exit_code if report.bad else 0


def _suggest(args, report: Report, source: stores.Pictures) -> None:
    """Says what comes next: depth, other values, no bad rows, packing, or training."""
    if flags.is_packed(args):
        return  # `pack` has said what comes next
    counts = collections.Counter(item.fault for item in report.bad)
    most = {kind for kind, n in counts.items() if 2 * n > report.num_rows}
    more = [text for kinds, text in CONVERTED.items() if most & kinds]
    if more:
        folder = args.labels.absolute().parent
        words = " ".join(["--convert", "data/converted", *more]).split()
        cli.suggest("dataset", "index", folder, *words)
    elif report.bad and not args.root and _lacks_depth(args.labels, report, source):
        flags.suggest_depth(args.labels.parent)
    elif report.bad and not report.good:
        return  # there is nothing that could be kept
    elif report.bad and not args.drop_bad:
        good = args.labels.with_name("good.txt")
        cli.suggest("dataset", "verify", "--labels", args.labels, "--drop-bad", good)
    elif args.root:
        named = ("--labels", args.drop_bad or args.labels, "--root", *args.root)
        cli.suggest("dataset", "pack", *named, "--output", "data/packed")
    else:
        flags.suggest_training(args.drop_bad or args.labels)


def _lacks_depth(path: Path, report: Report, source: stores.Pictures) -> bool:
    """Whether most bad rows have no depth map, and else a picture."""
    rows = [row for _, row in labels.read_lines(path)[0]]
    num_bad = report.num_rows - len(report.good)
    return 2 * labels.count_without_depth(rows, source) > num_bad
