"""Labels of the data sets in a folder as one; their pictures stay where they are."""

import os
from pathlib import Path

from maskdepth_tf.images import stores
from maskdepth_tf.input import groups, labels

LABELS = "labels.txt"


def find(root: Path) -> list[str]:
    """Names of the folders in `root` that are data sets, sorted."""
    return sorted(
        entry.name
        for entry in os.scandir(root)
        if entry.name[0] != "." and os.path.isfile(os.path.join(entry.path, LABELS))
    )


def join(root: Path, names: list[str]) -> tuple[list[labels.Row], dict[str, str]]:
    """Joins the sets of a folder.

    Args:
        root: The folder.
        names: Its sets.

    Returns:
        The rows, set after set, and what is kept together (`groups`), as paths below
        `root`.

    Raises:
        DataError: Labels or groups of a set are faulty.
    """
    rows: list[labels.Row] = []
    together: dict[str, str] = {}
    for name in names:
        own = labels.read(root / name / LABELS)
        rows += [labels.Row._make(f"{name}/{path}" for path in row) for row in own]
        for path, group in groups.read(stores.Folder(root / name)).items():
            together[f"{name}/{path}"] = f"{name}/{group}"
    return rows, together
