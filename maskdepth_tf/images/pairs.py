"""Which pictures are predicted together, and where the results go; opens no picture."""

import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

from maskdepth_tf.errors import DataError, UsageError, is_full_disk
from maskdepth_tf.images import listing

OUTPUTS = ("mask", "depth", "cutout", "overview")
"""Results of each pair, written as NAME_<output>.png."""

_MOST_NAMED = 10


class Pair(NamedTuple):
    """Two pictures that belong together.

    Attributes:
        name: Begins the names of the results.
        bg: Path of the scene alone.
        fg_bg: Path of the scene with something in front.
    """

    name: str
    bg: str
    fg_bg: str


def find_pairs(bg: str, fg_bg: str) -> list[Pair]:
    """Matches backgrounds and pictures.

    Args:
        bg: A file, which goes with every picture; or a folder, in which each picture
            has a background of the same name, whatever the suffix.
        fg_bg: A file or a folder of pictures; one of them that is the background
            itself is left out, and a line on stderr says so.

    Returns:
        The pairs, by name.

    Raises:
        DataError: If a path is missing, a folder has no pictures, or names do not
            match; names the files.
        UsageError: If `bg` is a folder and `fg_bg` is not.
    """
    pictures = _by_name(fg_bg)
    backgrounds = _by_name(bg)
    if not os.path.isdir(bg):
        if os.path.isdir(fg_bg):
            _leave_out(bg, pictures, fg_bg)
        return [Pair(name, bg, path) for name, path in pictures.items()]
    if not os.path.isdir(fg_bg):
        raise UsageError(
            "--bg must be a picture where --fg-bg is one. Received: "
            f"--bg {bg} --fg-bg {fg_bg}"
        )
    _check_matched(pictures, backgrounds, bg)
    _check_matched(backgrounds, pictures, fg_bg)
    return [Pair(name, backgrounds[name], path) for name, path in pictures.items()]


def output_paths(folder: str, name: str) -> dict[str, str]:
    """Where the results of a pair go, by the names of `OUTPUTS`.

    Args:
        folder: The output folder.
        name: The pair's; it has no slash, so no result is outside the folder.
    """
    return {kind: os.path.join(folder, f"{name}_{kind}.png") for kind in OUTPUTS}


def prepare_output(
    folder: str, sources: Iterable[str], pairs: list[Pair], force: bool
) -> None:
    """Refuses to write over anything, before any work; makes the output folder.

    Args:
        folder: The output folder.
        sources: Files and folders that the pairs were found in.
        pairs: What will be predicted.
        force: Whether earlier results may be replaced; inputs never are.

    Raises:
        UsageError: If a result exists, or would replace a picture that is read, or
            the folder is one of `sources` or cannot be made.
    """
    # The next run would take the results for pictures.
    if any(os.path.realpath(source) == os.path.realpath(folder) for source in sources):
        raise UsageError(
            f"--output must be another folder than the pictures'. Received: {folder}"
        )
    inputs = {os.path.realpath(path) for pair in pairs for path in pair[1:]}
    paths = [path for p in pairs for path in output_paths(folder, p.name).values()]
    for path in paths:
        if os.path.realpath(path) in inputs:
            raise UsageError(f"{path}: is read and would be replaced by a result")
    # A link counts even if it leads nowhere.
    existing = [path for path in paths if os.path.lexists(path)]
    if existing and not force:
        raise UsageError(
            f"{existing[0]}: exists, as {len(existing)} of {len(paths)} results do; "
            "--force replaces them"
        )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(
            f"--output must be a folder, received {folder}: {error.strerror}"
        ) from None


def failure(pair: Pair, error: Exception) -> str:
    """Why a pair could not be done, in a line that names a picture of it.

    Raises:
        OSError: `error`, if the disk is full: no other result will fit either.
    """
    if is_full_disk(error):
        raise error
    return str(error) if isinstance(error, DataError) else f"{pair.fg_bg}: {error}"


def _by_name(path) -> dict[str, str]:
    """Pictures of a folder, or the one file, by their names without suffix."""
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise DataError(f"{path}: No such file or directory")
        return {_stem(path): path}
    pictures: dict[str, str] = {}
    for name in listing.pictures(path):
        other = pictures.setdefault(_stem(name), os.path.join(path, name))
        if os.path.basename(other) != name:
            raise DataError(
                f"{path}: expected names that differ by more than the suffix, "
                f"received {os.path.basename(other)} and {name}"
            )
    if not pictures:
        raise DataError(
            f"{path}: expected a folder with pictures ({', '.join(listing.SUFFIXES)}), "
            "received one without"
        )
    return pictures


def _leave_out(bg, pictures, folder) -> None:
    """Removes the background from a folder's pictures."""
    found = [n for n, path in pictures.items() if os.path.samefile(path, bg)]
    for name in found:
        path = pictures.pop(name)
        print(f"warning: left out {path}, which is the background", file=sys.stderr)
    if not pictures:
        raise DataError(f"{folder}: expected a picture beside the background")


def _stem(path) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _check_matched(pictures, others, folder) -> None:
    alone = [path for name, path in pictures.items() if name not in others]
    if alone:
        rest = len(alone) - _MOST_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        raise DataError(
            f"{folder}: expected a picture of the same name for each of "
            f"{', '.join(alone[:_MOST_NAMED])}{more}"
        )
