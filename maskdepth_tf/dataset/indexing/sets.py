"""Labels of the data sets in a folder as one; their pictures stay where they are.

Packed sets are no part of it: they name pictures that lie elsewhere.
"""

from pathlib import Path

from maskdepth_tf.images import stores
from maskdepth_tf.input import groups, labels

LABELS = "labels.txt"
PLACES = "places.npy"
"""What a packed set has beside its labels, and no other."""


def find(root: Path) -> tuple[list[str], list[str]]:
    """Names of the labelled sets in a folder, and of the packed ones, sorted."""
    paths = [path for path in sorted(root.iterdir()) if path.name[0] != "."]
    sets = [path for path in paths if (path / LABELS).is_file()]
    packed = [path.name for path in sets if (path / PLACES).is_file()]
    return [path.name for path in sets if path.name not in packed], packed


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
