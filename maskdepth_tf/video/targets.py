"""What is made of a video: files and folders, by the endings of their names.

    --output  .mp4   on another background, H.264
              .mov   cut out, with alpha, ProRes 4444
              .webm  cut out, with alpha, VP9
              DIR    cut out, a PNG of each frame
    --depth   .mkv   16 bits, lossless, FFV1
              .mp4   in colours, H.264
              DIR    16 bits, a PNG of each frame

Beside the PNGs lies `timestamps.txt`, a line in milliseconds for each frame.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from maskdepth_tf import files
from maskdepth_tf.errors import UsageError
from maskdepth_tf.images import encoding as pictures
from maskdepth_tf.video import rendering
from maskdepth_tf.video.codecs import encoding
from maskdepth_tf.video.codecs.decoding import Look
from maskdepth_tf.video.following import Answer, Follower
from maskdepth_tf.video.segments import Segment

TIMESTAMPS = "timestamps.txt"
_RESULT = re.compile(rf"\d{{8,}}\.png|{re.escape(TIMESTAMPS)}")
_FORMATS = {
    "output": (encoding.H264, encoding.PRORES, encoding.VP9),
    "depth": (encoding.FFV1, encoding.H264),
}


class Writer(Protocol):
    """What the frames of a segment are written with, one after another."""

    def write(self, time: Fraction, drawn: np.ndarray) -> None:
        """Adds a frame and the time at which it is shown, in seconds."""

    def end(self) -> None:
        """Completes what is written."""

    def close(self) -> None:
        """Ends it, whether it is complete or not."""


@dataclass(frozen=True)
class Target:
    """Something that is made of a video.

    Attributes:
        flag: "output" or "depth".
        path: Where it goes.
        kind: The format of the file; None is a folder of PNGs.
        draw: Draws a frame of it.
    """

    flag: str
    path: Path
    kind: encoding.Format | None
    draw: rendering.Draw

    def prepare(self, follower: Follower, answer: Answer) -> np.ndarray:
        """What is written of a frame; may be called in threads."""
        drawn = self.draw(follower, answer)
        if self.kind is not None:
            return drawn
        return np.frombuffer(
            pictures.encode_png(drawn, compression=pictures.QUICK), np.uint8
        )

    def begin(
        self, folder: Path, look: Look, first: int, time: Fraction, threads: int
    ) -> Writer:
        """Begins the file of a segment.

        Args:
            folder: The segment's.
            look: Of the video.
            first: Number of its first frame.
            time: Of that frame, in seconds.
            threads: Cores that the encoder may use.
        """
        if self.kind is None:
            return _Pictures(folder / self.flag, first)
        path = folder / f"{self.flag}{self.kind.suffix}"
        return encoding.Encoder(path, self.kind, look, time, threads)

    def join(
        self,
        segments: Sequence[Segment],
        folder: Path,
        source: str,
        sounds: tuple[str, ...],
    ) -> Path:
        """Makes the whole of its segments.

        Args:
            segments: All of them.
            folder: Where they are.
            source: The video, whose sounds are kept.
            sounds: Their codecs.

        Returns:
            The file or folder, in `folder`.
        """
        whole = folder / f"{self.flag}-whole"
        if self.kind is None:
            _gather(segments, whole, self.flag)
            return whole
        name = f"{self.flag}{self.kind.suffix}"
        parts = [(f"{s.folder.name}/{name}", s.times[0]) for s in segments]
        look = segments[-1].look
        joined = encoding.join(parts, folder, source, sounds, self.kind, look)
        return joined.replace(whole.with_suffix(self.kind.suffix))

    def place(self, whole: Path) -> None:
        """Puts what `join` made where it goes, in place of earlier results."""
        if self.kind is None:
            files.replace_folder(whole, self.path)
        else:
            whole.replace(self.path)


def find(flag: str, path: str, onto: str) -> Target:
    """What is to be made at a path.

    Args:
        flag: "output" or "depth".
        path: Its value.
        onto: What stands behind the foreground, as `rendering.find_backdrop`.

    Raises:
        DataError: If the picture behind cannot be read.
        UsageError: If the path's ending says nothing, its folder is missing, or a
            file is where a folder goes or the other way round.
    """
    suffix = os.path.splitext(path)[1].lower()
    kinds = {kind.suffix: kind for kind in _FORMATS[flag]}
    kind = kinds.get(suffix)
    if kind is None and suffix:
        endings = ", ".join(kinds)
        raise UsageError(
            f"--{flag} must end in {endings}, or name a folder for PNGs. "
            f"Received: {path}"
        )
    final = Path(os.path.normpath(path))
    if not final.absolute().parent.is_dir():
        raise UsageError(f"the folder of --{flag} must be there. Received: {path}")
    if kind is not None and final.is_dir():
        raise UsageError(f"--{flag} must be a file. Received: {path}")
    if kind is None and os.path.lexists(final) and not final.is_dir():
        raise UsageError(f"--{flag} must be a folder. Received: {path}")
    if flag == "output":
        is_composite = kind is encoding.H264
        draw = (
            rendering.composite(rendering.find_backdrop(onto))
            if is_composite
            else rendering.cutout
        )
    else:
        in_colour = kind is encoding.H264
        draw = rendering.depth_in_colour if in_colour else rendering.depth
    return Target(flag, final, kind, draw)


def check_free(targets: Sequence[Target], sources: Sequence[str], force: bool) -> None:
    """Refuses to write over anything, or with `force` anything but earlier results.

    Args:
        targets: What is to be made.
        sources: Files that are read, which no result replaces.
        force: Whether files, and folders that hold nothing but results, are replaced.

    Raises:
        UsageError: Names what is there.
    """
    for target in targets:
        path = target.path
        if not os.path.lexists(path):
            continue
        if any(_is_within(source, path) for source in sources):
            raise UsageError(f"{path}: is read and would be replaced by a result")
        if not force:
            raise UsageError(f"{path}: exists; --force replaces it")
        if others := _strangers(path) if path.is_dir() else []:
            raise UsageError(
                f"--{target.flag} must hold nothing but PNGs of frames and "
                f"{TIMESTAMPS}, to be replaced by --force. Received: {others[0]}"
            )


def _is_within(source: str, path: Path) -> bool:
    """Whether a file is a path, also by another name, or lies in it."""
    if path.exists() and path.samefile(source):
        return True
    return Path(source).resolve().is_relative_to(path.resolve())


def _strangers(folder: Path) -> list[Path]:
    """What is in a folder and no result."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not (_RESULT.fullmatch(path.name) and path.is_file())
    ]


class _Pictures:
    """A folder of PNGs that is being written."""

    def __init__(self, folder: Path, first: int) -> None:
        folder.mkdir()
        self._folder, self._next = folder, first

    def write(self, time: Fraction, drawn: np.ndarray) -> None:
        (self._folder / f"{self._next:08d}.png").write_bytes(drawn.data)
        self._next += 1

    def end(self) -> None:
        pass

    def close(self) -> None:
        pass


def _gather(segments, joined, flag) -> None:
    """Puts the PNGs of all segments into one folder."""
    shutil.rmtree(joined, ignore_errors=True)
    joined.mkdir()
    lines = ["# timestamp format v2"]
    for segment in segments:
        # Linked, so that the segments are whole until all is in its place.
        for picture in (segment.folder / flag).iterdir():
            os.link(picture, joined / picture.name)
        lines += [f"{float(1000 * time):.6f}" for time in segment.times]
    (joined / TIMESTAMPS).write_text("\n".join(lines) + "\n", encoding="ascii")
