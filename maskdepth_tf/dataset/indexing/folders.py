"""Pictures in a folder a stream, matched by their paths below it without suffix.

`mask`, `depth`: of the same path, `fg_bg/a/1.jpg` with `mask/a/1.png`; none left over.
`bg`, `fg`: of the same path or that of a folder above it, `bg/a.jpg`, not both; where
there is one picture and its path is no row's, it goes with all.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from maskdepth_tf import errors
from maskdepth_tf.images import listing

SHARED = ("bg", "fg")
"""Columns of which rows may share a picture."""
MOST_NAMED = 5

Pictures = dict[str, str]
"""Path below a stream's folder without suffix -> path below the set's."""


def match(root: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Pictures]]:
    """Finds the rows of a set.

    Args:
        root: Folder of the set.
        names: Column, `fg_bg` among them -> the name of its folder.

    Yields:
        Path of `fg_bg`, and the paths of its row by column; in order of the former.

    Raises:
        DataError: If a folder has no pictures, or some match none or several.
    """
    pictures = {column: list_pictures(root, name) for column, name in names.items()}
    for column in pictures.keys() & SHARED:
        pictures[column] = _match_above(root, column, pictures)
    for column in names:
        _check_matched(root, "fg_bg", column, pictures)
        if column not in SHARED:
            _check_matched(root, column, "fg_bg", pictures)
    for key, where in pictures["fg_bg"].items():
        yield where, {column: pictures[column][key] for column in names}


def list_pictures(root: Path, name: str) -> Pictures:
    """Pictures below a folder in order of their paths; hidden ones are left out."""

    def stop(error: OSError) -> None:
        raise errors.DataError(f"{error.filename}: {error.strerror}")

    paths = []
    for folder, inner, here in os.walk(root / name, onerror=stop):
        inner[:] = [entry for entry in inner if entry[0] != "."]
        paths += [Path(folder, entry) for entry in here if entry[0] != "."]
    pictures: Pictures = {}
    left_out = []
    for path in sorted(paths):
        if not listing.is_picture(path.name):
            left_out.append(path.relative_to(root / name).as_posix())
            continue
        own = path.relative_to(root).as_posix()
        key = path.relative_to(root / name).with_suffix("").as_posix()
        if pictures.setdefault(key, own) != own:
            raise errors.DataError(
                f"{root}: expected names that differ by more than the suffix, "
                f"received {pictures[key]} and {own}"
            )
    listing.tell_left_out(root / name, left_out)
    if not pictures:
        suffixes = ", ".join(listing.SUFFIXES)
        raise errors.DataError(
            f"{root / name}: expected pictures ({suffixes}), received none"
        )
    return pictures


def few(names: list[str]) -> str:
    """How many names there are, and the first of them."""
    more = ["..."] * (len(names) > MOST_NAMED)
    return f"{len(names)}: {', '.join(names[:MOST_NAMED] + more)}"


def _match_above(root: Path, column: str, pictures: Mapping[str, Pictures]) -> Pictures:
    """Pictures of a shared column by the paths of `fg_bg`, those that have one."""
    candidates = pictures[column]
    near = {key: _same_or_above(key, candidates) for key in pictures["fg_bg"]}
    if len(candidates) == 1 and not any(near.values()):
        (only,) = candidates.values()
        return dict.fromkeys(near, only)
    several = [pictures["fg_bg"][key] for key, paths in near.items() if len(paths) > 1]
    if several:
        raise errors.DataError(
            f"{root}: expected for each fg_bg one {column} of the same path or that of "
            f"a folder above it, suffixes aside, received several for {few(several)}"
        )
    return {key: path for key, paths in near.items() for path in paths}


def _same_or_above(key: str, candidates: Pictures) -> list[str]:
    parts = key.split("/")
    above = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return [candidates[path] for path in above if path in candidates]


def _check_matched(
    root: Path, column: str, other: str, pictures: Mapping[str, Pictures]
) -> None:
    matched = pictures[other]
    alone = [path for key, path in pictures[column].items() if key not in matched]
    if alone:
        above = " or that of a folder above it" if other in SHARED else ""
        raise errors.DataError(
            f"{root}: expected for each {column} one {other} of the same path{above}, "
            f"suffixes aside, received none for {few(alone)}"
        )
