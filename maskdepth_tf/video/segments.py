"""A video in the making: whole segments in a folder, to go on from at any time.

    OUTPUT.partial/
      settings.json      what is being made, of what
      lock               held by the process that is at work
      placed             which results were about to get their names
      00000/             frames 0 to 239, complete or not there
        output.mp4 ...   one file for each output
        segment.json     its frames' numbers, times and fits, and how they look
        state.npz        what the next segment must know

A segment is made in a folder of another name and then renamed. A process that is
killed loses at most the segment that it was at.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from maskdepth_tf import files
from maskdepth_tf.errors import LockedError, StateError
from maskdepth_tf.video.codecs.decoding import Look

LENGTH = 240
"""Frames of a segment."""
_BEGUN = "begun-"
_LOCK = "lock"
_SETTINGS = "settings.json"
_PLACED = "placed"


@dataclass(frozen=True)
class Segment:
    """A part of the video that is done.

    Attributes:
        folder: Where it is.
        first: Number of its first frame.
        times: Of its frames, in seconds.
        mismatches: Those of its frames (`comparing.mismatch`).
        look: Of the video.
    """

    folder: Path
    first: int
    times: tuple[Fraction, ...]
    mismatches: tuple[float, ...]
    look: Look

    @property
    def end(self) -> int:
        """Number of the frame after it."""
        return self.first + len(self.times)

    def state(self) -> dict[str, np.ndarray]:
        """What the next segment must know."""
        with np.load(self.folder / "state.npz", allow_pickle=False) as arrays:
            return dict(arrays)


class Segments:
    """The segments of a video, in a folder that `claim` gave.

    Attributes:
        folder: That folder.
        done: Those that are complete, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[Segment] = []
        for path in folder.glob(f"{_BEGUN}*"):
            shutil.rmtree(path)
        while (path := folder / _name(len(self.done))).is_dir():
            told = files.parse_json((path / "segment.json").read_bytes(), path)
            times = tuple(Fraction(time) for time in told["times"])
            mismatches, look = tuple(told["mismatches"]), Look.of_json(told["look"])
            self.done.append(Segment(path, told["first"], times, mismatches, look))

    @property
    def num_frames(self) -> int:
        """Frames that are done."""
        return self.done[-1].end if self.done else 0

    def begin(self) -> Path:
        """Makes a folder for the next segment's files."""
        folder = self.folder / f"{_BEGUN}{secrets.token_hex(8)}"
        folder.mkdir()
        return folder

    def complete(
        self,
        folder: Path,
        times: list[Fraction],
        mismatches: list[float],
        look: Look,
        state: Mapping[str, np.ndarray],
    ) -> None:
        """Takes a folder that `begin` made and all is in as the next segment.

        Args:
            folder: It.
            times: Of its frames, in seconds.
            mismatches: Those of its frames (`comparing.mismatch`).
            look: Of the video.
            state: What the next segment must know.
        """
        first = self.num_frames
        told = {
            "first": first,
            "times": list(map(str, times)),
            "mismatches": mismatches,
            "look": look.to_json(),
        }
        (folder / "segment.json").write_text(json.dumps(told), encoding="ascii")
        np.savez(folder / "state.npz", **state)  # type: ignore[arg-type]
        final = self.folder / _name(len(self.done))
        folder.rename(final)
        self.done.append(Segment(final, first, tuple(times), tuple(mismatches), look))


def _name(number: int) -> str:
    """Of a segment's folder."""
    return f"{number:05d}"


@contextlib.contextmanager
def claim(folder: Path, settings: dict, force: bool) -> Iterator[Segments]:
    """Holds the folder of a video in the making for this process.

    It is removed when the body ends, unless an error ends it and frames are done.

    Args:
        folder: Where its segments are or will be.
        settings: What is made of what; frames that are there must be of the same.
        force: Whether to begin anew if they are not.

    Raises:
        LockedError: If another process is at work there.
        StateError: If frames are there of other settings, or it is something else.
    """
    _check_ours(folder)
    folder.mkdir(exist_ok=True)
    with open(folder / _LOCK, "ab") as lock:
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"{folder}: another process is at work there") from None
        if not _is_begun(folder, settings, force):
            _forget(folder)
            files.write_json(folder / _SETTINGS, settings)
        made = Segments(folder)
        try:
            yield made
        except BaseException:
            if not made.done:
                _remove(folder)
            raise
        _remove(folder)


def is_placed(folder: Path, path: Path) -> bool:
    """Whether what is at a path is a result of the video in the making."""
    placed = folder / _PLACED
    if not path.exists() or not placed.exists():
        return False
    return _identity(path) in placed.read_text(encoding="ascii").split()


def note_placing(folder: Path, whole: Path) -> None:
    """Notes that a result is about to get its name, which leaves it what it is."""
    with open(folder / _PLACED, "a", encoding="ascii") as file:
        file.write(_identity(whole) + "\n")


def _identity(path: Path) -> str:
    """What tells a file or folder from all others, whatever its name."""
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"


def _check_ours(folder: Path) -> None:
    """Refuses what no run has left: it would be removed."""
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if os.path.lexists(folder) and not is_empty and not (folder / _LOCK).is_file():
        raise StateError(
            f"{folder}: must be a video in the making or not be there, is something "
            "else"
        )


def _is_begun(folder: Path, settings: dict, force: bool) -> bool:
    """Whether it was begun with these settings; keeps frames of others from harm."""
    path = folder / _SETTINGS
    if not path.exists():
        return False
    before = files.parse_json(path.read_bytes(), path)
    names = [n for n in settings | before if before.get(n) != settings.get(n)]
    if names and (folder / _name(0)).is_dir() and not force:
        raise StateError(
            f"{folder}: was begun with another {names[0]}; --force begins anew"
        )
    return not names


def _remove(folder: Path) -> None:
    """Removes all, the lock last: what has none is not ours."""
    _forget(folder)
    shutil.rmtree(folder)


def _forget(folder: Path) -> None:
    """Removes all that a former run has left but the lock."""
    # Without settings, what is left counts for nothing: this may be killed, too.
    (folder / _SETTINGS).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
