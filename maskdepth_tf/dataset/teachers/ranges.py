"""Ranges of depth maps: what nearest and farthest are, which the maps do not tell.

`depth_range.csv` has a line a map: its path, near and far, in metres (columns near_m,
far_m) if the teacher's convention is metric. While maps are made, lines are added to a
journal in the order in which maps are done, before the map is there.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from maskdepth_tf import errors, files

RANGES = "depth_range.csv"
JOURNAL = "depth_range.partial.csv"
"""Ranges in order of completion, until all maps are there."""
FIRST_COLUMN = "depth"

Ranges = dict[str, tuple[float, float]]
"""Path of a map -> near and far."""


def to_csv(
    limits: Iterable[tuple[str, float, float]], is_metric: bool, digits: str = ".6g"
) -> bytes:
    """Returns a whole file, of paths with near and far."""
    unit = "_m" if is_metric else ""
    return f"{FIRST_COLUMN},near{unit},far{unit}\n".encode() + _lines(limits, digits)


def read(path: Path) -> Ranges:
    """Reads a file of ranges; a last line that was cut off is left out.

    Raises:
        DataError: Another line is damaged.
    """
    if not path.exists():
        return {}
    ranges = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            ((depth, near, far),) = csv.reader([line.decode()])
            # A path has a suffix: it is not mistaken for the header.
            if depth != FIRST_COLUMN:
                ranges[depth] = (float(near), float(far))
        except (ValueError, csv.Error):
            raise errors.DataError(
                f"{path}:{number}: expected a path and two numbers, "
                f"received {line[:200]!r}"
            ) from None
    return ranges


def note(root: Path, depth: str, near: float, far: float) -> None:
    """Adds a map's range to the journal of a data set."""
    line = _lines([(depth, near, far)])
    # Unbuffered: lines of several processes must not be mixed. A full disk takes a
    # part of a line before it is an error.
    with (root / JOURNAL).open("ab", buffering=0) as file:
        while line:
            line = line[file.write(line) :]


def mend_journal(root: Path) -> None:
    """Cuts off a line that a killed process left unfinished in the journal."""
    journal = root / JOURNAL
    if journal.exists():
        lines = journal.read_bytes()
        files.write_atomically(journal, lines[: lines.rfind(b"\n") + 1])


def complete(root: Path, maps: Iterable[str], is_metric: bool) -> None:
    """Writes the ranges of all maps, from those known before and the journal."""
    ranges = read(root / RANGES) | read(root / JOURNAL)
    lines = [(path, *ranges[path]) for path in maps if path in ranges]
    files.write_atomically(root / RANGES, to_csv(lines, is_metric))


def _lines(limits, digits=".6g") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        (path, format(near, digits), format(far, digits)) for path, near, far in limits
    )
    return text.getvalue().encode()
