"""What a video file holds, as ffmpeg tells it; no frame is decoded."""

import os
import re
import subprocess
from dataclasses import dataclass

from maskdepth_tf.errors import DataError
from maskdepth_tf.video.codecs import ffmpeg


@dataclass(frozen=True)
class Contents:
    """What a file says of itself.

    Attributes:
        seconds: How long it is; None if it does not say.
        rate: Frames a second, in the mean; None if it does not say.
        audio: Codec of each of its sounds, as ffmpeg calls it.
    """

    seconds: float | None
    rate: float | None
    audio: tuple[str, ...]

    @property
    def num_frames(self) -> int | None:
        """About how many frames it has; None if it does not say."""
        if self.seconds is None or self.rate is None:
            return None
        return max(1, round(self.seconds * self.rate))


def probe(path: str | os.PathLike) -> Contents:
    """Asks what a video file holds.

    Raises:
        DataError: If it is missing, or is none.
        StateError: If there is no ffmpeg.
    """
    name = os.fspath(path)
    if not os.path.isfile(path):
        raise DataError(f"{name}: expected a video, received no file")
    # Without an output ffmpeg tells what it found, and then that it lacks one. What
    # stands beside the command, ffprobe, does not come with imageio-ffmpeg.
    command = [ffmpeg.find(), "-hide_banner", "-nostdin", "-i", f"file:{name}"]
    said = subprocess.run(command, capture_output=True, check=False).stderr
    text = said.decode("utf-8", "replace")
    if "Input #0" not in text:
        lines = [line for line in text.splitlines() if line]
        reason = lines[-1].rpartition(": ")[2] if lines else "nothing is known of it"
        raise DataError(f"{name}: expected a video: {reason}")
    streams = [line for line in text.splitlines() if line.startswith("  Stream #0:")]
    pictures = [s for s in streams if ": Video: " in s and "(attached pic)" not in s]
    if not pictures:
        raise DataError(f"{name}: expected a video, received a file without one")
    return Contents(
        _seconds(text),
        _first_number(r"([0-9.]+k?) fps", pictures[0]),
        tuple(found[1] for s in streams if (found := re.search(r": Audio: (\w+)", s))),
    )


def _seconds(text) -> float | None:
    found = re.search(r"^  Duration: (\d+):(\d+):([0-9.]+)", text, re.MULTILINE)
    if not found:
        return None
    hours, minutes, seconds = found.groups()
    return (int(hours) * 60 + int(minutes)) * 60 + float(seconds)


def _first_number(pattern, text) -> float | None:
    found = re.search(pattern, text)
    if not found:
        return None
    value = found[1]
    number = float(value[:-1]) * 1000 if value.endswith("k") else float(value)
    return number or None
