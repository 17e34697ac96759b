"""Which files of a folder are its pictures, for every command alike."""

import os
import sys
from collections.abc import Iterable

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
"""Endings of the names of pictures, in small letters."""

# What systems and people put beside pictures.
_STRAY = (".csv", ".db", ".ini", ".json", ".jsonl", ".md", ".txt", ".yaml", ".yml")
_MOST_NAMED = 5


def is_picture(name: str) -> bool:
    """Whether a file counts as a picture, by its name; hidden ones do not."""
    return name[:1] != "." and name.lower().endswith(SUFFIXES)


def pictures(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the pictures in a folder, sorted.

    A line on stderr tells what else is there, except hidden files and notes.
    """
    found: list[str] = []
    others: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            others.append(f"{entry.name}/")
        else:
            (found if is_picture(entry.name) else others).append(entry.name)
    tell_left_out(folder, others)
    return found


def tell_left_out(folder: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Prints which files of a folder are no pictures.

    Args:
        folder: The folder.
        names: Of what is left out, folders with a slash at the end.
    """
    told = [n for n in names if n[0] != "." and not n.lower().endswith(_STRAY)]
    if told:
        shown = told[:_MOST_NAMED] + ["..."] * (len(told) > _MOST_NAMED)
        print(
            f"warning: {os.fspath(folder)}: left out {len(told)}, which are no "
            f"pictures ({' '.join(SUFFIXES)}): {', '.join(shown)}",
            file=sys.stderr,
        )
