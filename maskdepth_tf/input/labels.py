"""The labels file: one line a row, five pictures each.

    bg <TAB> fg <TAB> fg_bg <TAB> mask <TAB> depth

UTF-8, no header, any order. Every field is a path relative to the data set's
folder, with forward slashes and a file suffix. A byte order mark, carriage returns
and blank lines are accepted when reading and never written. Nothing in a labels
file can name a file outside its folder: such paths are refused while parsing, and
symbolic links that lead out are refused by `check_files`.
"""

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from maskdepth_tf import files
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers, stores

MAX_FAULTS = 20
"""Most faults that are spelled out in one report."""
VIEW_MARK = "@"
"""Stands between a room's name and the number of a view: `bg1@3.jpg`."""
EMPTY_MARK = "@empty"
"""Ends the name of a mask that is meant to be empty: `mask7@empty.jpg`."""
UNKNOWN_MARK = "@unknown"
"""Ends the name of a depth map that is meant to be of one value, as it is not known:
`depth7@unknown.jpg`."""
MAX_LINE_BYTES = 65536
"""Longest accepted line; five paths of the longest name a disk takes fit easily."""


class Row(NamedTuple):
    """One example: relative paths of its pictures.

    Attributes:
        bg: The scene alone.
        fg: The cut-out that was put into it; `bg` again if none is known.
        fg_bg: The scene with the cut-out.
        mask: Where the cut-out is.
        depth: Relative depth of `fg_bg`.
    """

    bg: str
    fg: str
    fg_bg: str
    mask: str
    depth: str


Fault = tuple[int | str, str]
"""Line number, "?" if unknown, and what was expected and received there."""

# Most real lines: these need no closer look, which would cost three times as much.
_NAME = rb"[A-Za-z0-9_@-]++(?:/[A-Za-z0-9_@-]++)*+\.[A-Za-z0-9]++"
_PLAIN_LINE = re.compile(rb"\t".join([_NAME] * 5) + rb"\r?\n?")
_VIEW = re.compile(rf"{VIEW_MARK}\d+(?=\.[^./]+$)")
_CONTROL = re.compile("[\x00-\x1f\x7f\ufeff\ud800-\udfff]")
_DRIVE = re.compile("[A-Za-z]:")


def room_of(bg: str) -> str:
    """The background that a view shows a part of, `a/bg1@3.jpg` -> `a/bg1.jpg`.

    A background that is no view is returned as it is.
    """
    return _VIEW.sub("", bg)


def knows_cutout(row: Row) -> bool:
    """Whether a row names its cut-out; one that does not repeats its background."""
    return row.fg != row.bg


def is_empty(row: Row) -> bool:
    """Whether nobody is meant to stand in a row's picture."""
    return os.path.splitext(row.mask)[0].endswith(EMPTY_MARK)


def is_unknown(row: Row) -> bool:
    """Whether nobody knows the depth of a row's picture."""
    return os.path.splitext(row.depth)[0].endswith(UNKNOWN_MARK)


def read(path: str | os.PathLike, data: bytes | None = None) -> list[Row]:
    """Reads and checks a labels file; opens none of the pictures.

    Args:
        path: The labels file.
        data: The bytes of the file if it is not on the disk but, say, in an archive;
            `path` is then only what errors call it.

    Returns:
        The rows, in the order of the file.

    Raises:
        DataError: If the file is missing, empty or has a faulty line. One line of
            text a fault, each as `labels.txt:48213: expected 5 tab-separated
            fields, received 4`.
    """
    numbered, faults = read_lines(path, data)
    raise_faults(path, sorted([*faults, *repeated_rows(numbered)]))
    if not numbered:
        raise DataError(f"{os.fspath(path)}: expected at least one row, received none")
    return [row for _, row in numbered]


def read_member(path: str | os.PathLike, source: stores.Pictures) -> bytes | None:
    """Reads a labels file that lies among the pictures; None if it is on the disk."""
    name = os.fspath(path)
    return source.read(name) if not os.path.exists(path) and name in source else None


def read_lines(
    path: str | os.PathLike, data: bytes | None = None
) -> tuple[list[tuple[int, Row]], list[tuple[int, str]]]:
    """Reads a labels file in which lines may be faulty.

    Args:
        path: The labels file.
        data: The bytes of the file if it is not on the disk.

    Returns:
        numbered: Line number and row of every line that holds one.
        faults: Line number of every other line that is not blank, and what was
            expected and received there.

    Raises:
        DataError: If the file is missing.
    """
    numbered: list[tuple[int, Row]] = []
    faults: list[tuple[int, str]] = []
    with headers.open_file(path) if data is None else io.BytesIO(data) as file:
        for number, line in enumerate(_lines(file), 1):
            if len(line) <= MAX_LINE_BYTES and _PLAIN_LINE.fullmatch(line):
                numbered.append((number, Row._make(line.decode().split())))
                continue
            row, fault = _decode_line(line, number == 1)
            if fault:
                faults.append((number, fault))
            elif row:
                numbered.append((number, row))
    return numbered, faults


def repeated_rows(numbered: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, str]]:
    """Yields line number and fault of each row that an earlier line holds, too."""
    first_lines: dict[Row, int] = {}
    for number, row in numbered:
        first = first_lines.setdefault(row, number)
        if first != number:
            fault = f"expected every row once, received again the row of line {first}"
            yield number, fault


def write(path: str | os.PathLike, rows: Iterable[Row]) -> None:
    """Writes a labels file that `read` gives back unchanged.

    Args:
        path: Where to write; appears complete or not at all.
        rows: The rows, each once.

    Raises:
        DataError: If a path is not allowed in a labels file.
    """
    numbered = list(enumerate(rows, 1))
    lines = ["\t".join(row) for _, row in numbered]
    for number, line in enumerate(lines, 1):
        parsed, fault = _parse(line)
        if parsed is None:
            blank = "expected 5 paths, received a blank row"
            raise DataError(f"{os.fspath(path)}:{number}: {fault or blank}")
    raise_faults(path, list(repeated_rows(numbered))[:1])
    files.write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def check_files(
    rows: Iterable[Row],
    root: str | os.PathLike,
    labels_path: str | os.PathLike,
    foregrounds: bool = True,
) -> dict[str, headers.Header]:
    """Checks every picture that the rows name, from its header, before training.

    Each must exist, lie inside `root` even after symbolic links are followed, and
    pass `headers.check`. The mask must have the size of `fg_bg`; `bg` and `depth`
    may have another size, but the same aspect ratio to within a pixel of rounding.

    Args:
        rows: The rows.
        root: Folder that the paths are relative to.
        labels_path: The file that the rows come from, for the line numbers.
        foregrounds: Whether the cut-outs must be there: a split by foreground looks
            at them, training and evaluation do not.

    Returns:
        The header of each picture by its name.

    Raises:
        DataError: If any picture is at fault. One line of text a fault, then the
            number of those left out. A file is reported once, at its first row.
    """
    rows, source = list(rows), stores.Folder(root)
    header_of = dict(look(names_of(rows, foregrounds), source))
    check_headers(rows, header_of, source, labels_path)
    return {n: h for n, h in header_of.items() if isinstance(h, headers.Header)}


def names_of(rows: Iterable[Row], foregrounds: bool = True) -> list[str]:
    """Lists the pictures that rows name, each once, with or without the cut-outs."""
    columns = [name for name in Row._fields if foregrounds or name != "fg"]
    return list(dict.fromkeys(getattr(row, c) for row in rows for c in columns))


def look(
    names: Iterable[str], source: stores.Pictures
) -> Iterator[tuple[str, headers.Header | str]]:
    """Yields each picture's name and its header, or what is wrong with it."""
    # One after the other: threads that wait for each other take three times as long.
    for name in names:
        try:
            yield name, source.header(name)
        except DataError as error:
            yield name, str(error)


def check_headers(
    rows: Sequence[Row],
    header_of: Mapping[str, headers.Header | str],
    source: stores.Pictures,
    labels_path: str | os.PathLike,
    data: bytes | None = None,
) -> None:
    """Raises what `find_faults` finds; in one line if depth maps are still to be made.

    Args:
        rows: As `find_faults`; so are the others.
        header_of: What `look` yields.
        source: The pictures.
        labels_path: The file that the rows come from.
        data: Its bytes if it is not on the disk.
    """
    faults = find_faults(rows, header_of, labels_path, data)
    lacking = count_without_depth(rows, source) if faults else 0
    if 2 * lacking > len(rows):
        raise DataError(
            f"{os.fspath(labels_path)}: expected a depth map for each row, received "
            f"none for {lacking:,} of {len(rows):,}; `maskdepth dataset depth --data "
            f"{os.path.dirname(labels_path) or '.'} --teacher NAME` makes them"
        )
    raise_faults(labels_path, faults)


def count_without_depth(rows: Iterable[Row], source: stores.Pictures) -> int:
    """Counts the rows whose picture is there, and whose depth map is not."""
    return sum(row.fg_bg in source and row.depth not in source for row in rows)


def find_faults(
    rows: Iterable[Row],
    header_of: Mapping[str, headers.Header | str],
    labels_path: str | os.PathLike,
    data: bytes | None = None,
    every_row: bool = False,
) -> list[Fault]:
    """Finds the faults that `check_files` reports, also of pictures in archives.

    Args:
        rows: The rows.
        header_of: What `look` yields of their pictures, at least of all but the
            cut-outs.
        labels_path: The file that the rows come from, for the line numbers.
        data: The bytes of the labels file if it is not on the disk.
        every_row: Whether a file at fault is reported at each row that names it, not
            only at the first.
    """
    faults = list(_picture_faults(dict.fromkeys(rows), header_of, every_row))
    if not faults:
        return []
    lines = {row: number for number, row in read_lines(labels_path, data)[0]}
    return [(lines.get(row, "?"), text) for row, text in faults]


def _picture_faults(rows, header_of, every_row) -> Iterator[tuple[Row, str]]:
    reported: set[str] = set()
    for row in rows:
        names = dict.fromkeys(row)
        bad = [name for name in names if isinstance(header_of.get(name), str)]
        for name in bad:
            if every_row or name not in reported:
                reported.add(name)
                yield row, header_of[name]
        if not bad:
            for _, fault in size_faults(row, header_of):
                yield row, fault


def size_faults(
    row: Row, header_of: Mapping[str, headers.Header]
) -> Iterator[tuple[str, str]]:
    """Finds pictures of a row whose sizes do not fit `fg_bg`, see `check_files`.

    Args:
        row: The row.
        header_of: Headers by path, of all pictures of the row but the cut-out.

    Yields:
        Column of a picture, and what was expected and received.
    """
    whole = header_of[row.fg_bg]
    mask = header_of[row.mask]
    if (mask.width, mask.height) != (whole.width, whole.height):
        yield (
            "mask",
            f"expected the mask in the size of fg_bg, {whole.width}x{whole.height}, "
            f"received {mask.width}x{mask.height}: {row.mask}",
        )
    for column in ("bg", "depth"):
        path = getattr(row, column)
        if not have_same_shape(header_of[path], whole):
            yield (
                column,
                f"expected the aspect ratio of fg_bg, {whole.width}x{whole.height}, "
                f"received {header_of[path].width}x{header_of[path].height}: {path}",
            )


def have_same_shape(a: headers.Header, b: headers.Header) -> bool:
    """Tells whether one size is the other, scaled and rounded to whole pixels."""
    difference = abs(a.width * b.height - b.width * a.height)
    return difference < max(a.width + a.height, b.width + b.height)


def _lines(file) -> Iterator[bytes]:
    """Lines of a binary file, cut just over the longest that is accepted."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _decode_line(line, is_first) -> tuple[Row | None, str | None]:
    if len(line) > MAX_LINE_BYTES:
        return None, f"expected at most {MAX_LINE_BYTES} bytes, received a longer line"
    if is_first and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None, "expected UTF-8, received UTF-16"
    try:
        text = line.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        return None, f"expected UTF-8, received byte {line[error.start]:#04x}"
    return _parse(text.removesuffix("\n").removesuffix("\r"))


def _parse(line) -> tuple[Row | None, str | None]:
    """A row, or what is wrong with the line, or neither if it is blank."""
    fields = line.split("\t")
    if not line.strip():
        return None, None
    if len(fields) != 5:
        return None, f"expected 5 tab-separated fields, received {len(fields)}"
    for field in fields:
        if fault := path_fault(field):
            return None, f"{fault}, received {field[:200]!r}"
    return Row._make(fields), None


def path_fault(path: str) -> str | None:
    """Says what a path must be to stand in a labels file; None if it is that."""
    if _CONTROL.search(path):
        return "expected a path without control characters"
    if path != path.strip():
        return "expected a path without spaces at its ends"
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return "expected a path relative to the folder of the labels"
    if "\\" in path or "$" in path:
        return "expected a path with forward slashes and no variables"
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts:
        return "expected a path without empty, '.' or '..' parts or a scheme"
    if not os.path.splitext(path)[1]:
        return "expected a path with a file suffix such as .jpg (and no header row)"
    return None


def raise_faults(path: str | os.PathLike, faults: Sequence[Fault]) -> None:
    """Raises one DataError of all faults, if there are any, a line of text each.

    Args:
        path: What the lines are called after, the labels file.
        faults: What is wrong, and in which lines; `MAX_FAULTS` are spelled out.
    """
    if not faults:
        return
    lines = [f"{os.fspath(path)}:{n}: {fault}" for n, fault in faults[:MAX_FAULTS]]
    if len(faults) > MAX_FAULTS:
        lines.append(f"... and {len(faults) - MAX_FAULTS} more")
    raise DataError("\n".join(lines))
