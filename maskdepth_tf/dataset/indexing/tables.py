"""Tables that name pictures: a CSV with a header, or a JSON object a line.

They follow Hugging Face's ImageFolder: UTF-8, commas, paths relative to the table.
"""

import csv
import io
import itertools
import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from maskdepth_tf import errors
from maskdepth_tf.images import headers
from maskdepth_tf.input import labels

JSON_LINES = ".jsonl"
MAX_HEADER = 65536
"""Longest first line that is looked at [characters]."""


def is_table(path: Path) -> bool:
    """Whether a file may be one, by its name."""
    is_named = path.suffix.lower() == ".csv" or path.name == f"metadata{JSON_LINES}"
    return is_named and path.is_file()


def columns(path: Path) -> list[str]:
    """Names of a table's columns, from its first line; none if it holds none.

    They are parted by commas, semicolons or tabs, whichever there are most of.
    """
    with _open(path, "replace") as file:
        line = file.readline(MAX_HEADER)
    if path.suffix != JSON_LINES:
        delimiter = _delimiter(line)
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(record) if isinstance(record, dict) else []


def read(path: Path, names: Mapping[str, str]) -> list[tuple[int, dict[str, str]]]:
    """Reads the paths of all rows.

    Args:
        path: The table.
        names: What a column is called in the result -> in the table.

    Returns:
        Line and paths of each row, by column, in the table's order.

    Raises:
        DataError: If the table is damaged, empty, or lacks a path; names the lines.
    """
    rows, faults = [], []
    for line, record in _records(path):
        paths = _paths(record, names)
        if isinstance(paths, str):
            faults.append((line, paths))
        else:
            rows.append((line, paths))
    labels.raise_faults(path, faults)
    if not rows:
        raise errors.DataError(f"{path}: expected at least one row, received none")
    return rows


def _delimiter(header) -> str:
    """What parts the columns: a comma, or what tables of Europe and sheets have."""
    return max(",;\t", key=header.count)  # the first of equals


def _open(path: Path, on_error: str) -> io.TextIOWrapper:
    file = headers.open_file(path)
    return io.TextIOWrapper(file, "utf-8-sig", errors=on_error, newline="")


def _records(path: Path) -> Iterator[tuple[int, object]]:
    """Line, the last of a record over several, and content of each record."""
    line = 0
    try:
        with _open(path, "strict") as file:
            if path.suffix == JSON_LINES:
                for line, text in enumerate(file, 1):
                    if text.strip():
                        yield line, json.loads(text)
                return
            header = file.readline(MAX_HEADER)
            reader = csv.DictReader(
                itertools.chain([header], file),
                delimiter=_delimiter(header),
                skipinitialspace=True,
                strict=True,
            )
            for record in reader:
                line = reader.line_num
                yield line, record
    except (ValueError, RecursionError, csv.Error) as error:
        raise errors.DataError(f"{path}: after line {line}: {error}") from None


def _paths(record: object, names: Mapping[str, str]) -> dict[str, str] | str:
    """Paths of a record by column, or what is wrong with it."""
    if not isinstance(record, dict):
        return f"expected a JSON object, received {str(record)[:200]}"
    if None in record:  # as `csv` has it
        return f"expected a field for each column, received {len(record[None])} more"
    paths = {}
    for column, name in names.items():
        path = record.get(name)
        if not isinstance(path, str) or not path.strip():
            return f"expected a path in {name}, received {path!r}"
        # As ImageFolder reads them, also those that were written on Windows.
        paths[column] = posixpath.normpath(path.replace("\\", "/"))
    return paths
