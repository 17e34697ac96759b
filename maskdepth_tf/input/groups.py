"""Pictures of one thing, such as views of one model: the unseen split never parts them.

`groups.txt` lies in the folder that the paths of the labels start from. A line holds
the path of a background or a cut-out, a tab, and the name of its group, any text:

    Background/bg2.jpg <TAB> Background/bg1.jpg

Without the file, and of pictures that it does not name, near-duplicates alone are kept
together.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from maskdepth_tf import files
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels

FILE = "groups.txt"
# A letter may stand before it: `hall_f02`. More digits are no number but a name.
_NUMBER = re.compile(r"_[a-z]?\d{1,3}$")


def by_name(names: Mapping[str, str]) -> dict[str, str]:
    """Groups pictures whose names differ in nothing but the number at their end.

    Such are `hall_1.jpg`, `hall_02.jpg` and `hall_f3.png`, of one folder of the set.

    Args:
        names: Path of a picture in the set -> name of the file that it comes from.

    Returns:
        Path -> group: the path of the first picture in it.
    """
    first: dict[tuple[PurePosixPath, str], str] = {}
    groups = {}
    for path, name in names.items():
        stem = _NUMBER.sub("", PurePosixPath(name).stem)
        groups[path] = first.setdefault((PurePosixPath(path).parent, stem), path)
    return groups


def write(folder: Path, groups: Mapping[str, str]) -> None:
    """Writes `groups.txt` of a set."""
    lines = [f"{path}\t{group}\n" for path, group in groups.items()]
    files.write_atomically(folder / FILE, "".join(lines).encode())


def read(store: stores.Pictures) -> dict[str, str]:
    """Reads `groups.txt`: path -> group; empty if there is none.

    Raises:
        DataError: If a line does not hold a path and a group, or a path comes twice.
    """
    if FILE not in store:
        return {}
    try:
        lines = store.read(FILE).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        byte = f"received byte {error.object[error.start]:#04x}"
        raise DataError(f"{store.place(FILE)}: expected UTF-8, {byte}") from None
    groups: dict[str, str] = {}
    faults: list[labels.Fault] = []
    for number, line in enumerate(lines, 1):
        path, _, group = line.partition("\t")
        if not line.strip():
            continue
        if not path or not group.strip():
            faults.append((number, "expected a path, a tab and a group"))
        elif groups.setdefault(path, group) != group:
            faults.append((number, f"expected one group of each picture: {path}"))
    labels.raise_faults(store.place(FILE), faults)
    return groups
