"""Whose the source pictures are and under which licence, where files beside them say.

`SOURCES.csv`, in the folder of a picture or up to two above it, names pictures by their
paths from its own folder in the column `file`, and says what it knows in the columns
`source`, `author` and `licence`. Of all others a `LICENSE` in their folder, or in the
one above it, is taken for theirs.
"""

import csv
import functools
from pathlib import Path

TABLE = "SOURCES.csv"
COLUMNS = ("source", "author", "licence")
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md")


def origin_of(picture: Path) -> dict[str, str]:
    """What is known of a picture's origin, by `COLUMNS`; nothing where nothing is."""
    picture = picture.absolute()
    for folder in picture.parents[:3]:
        known = _read_table(folder).get(picture.relative_to(folder).as_posix())
        if known:
            return known
    licence = _read_licence(picture.parent) or _read_licence(picture.parent.parent)
    return {"licence": licence} if licence else {}


@functools.cache
def _read_table(folder: Path) -> dict[str, dict[str, str]]:
    """What the table in a folder says of each file; nothing if there is no table."""
    path = folder / TABLE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return {
            row["file"]: {key: row[key] for key in COLUMNS if row.get(key)}
            for row in csv.DictReader(file)
            if row.get("file")
        }


@functools.cache
def _read_licence(folder: Path) -> str | None:
    """First line of the licence in a folder, and where it stands."""
    for path in (folder / name for name in LICENCES):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            title = next((line.strip() for line in lines if line.strip()), "")
            return f"{title} ({folder.name}/{path.name})"
    return None
