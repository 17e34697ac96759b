"""Video files to frames, upright and with the times at which they are shown."""

import os
import queue
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from maskdepth_tf.errors import DataError
from maskdepth_tf.video import ffmpeg

DEFAULT_RATE = Fraction(25)
"""Of videos that tell none, in frames a second."""
_CLOCK = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(
    r"n: *\d+ pts: *(\S+) .* fmt:(\S+) .*sar:(\d+)/(\d+) s:(\d+)x(\d+)"
)
_COLOUR = re.compile(
    r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)"
)


@dataclass(frozen=True)
class Look:
    """How a video's pixels are to be shown, and its clock.

    Attributes:
        width: In pixels, upright.
        height: The same.
        aspect: Width of a pixel by its height; 0 if unknown.
        tick: The unit of its timestamps, in seconds.
        rate: Frames a second, nominally.
        colour: Range, matrix, primaries and transfer, as ffmpeg names them; "unknown"
            is one that the file does not tell.
    """

    width: int
    height: int
    aspect: Fraction
    tick: Fraction
    rate: Fraction
    colour: tuple[str, str, str, str]


class Frame(NamedTuple):
    """A picture of a video.

    Attributes:
        number: From 0.
        time: When it is shown, in seconds after the file's beginning.
        pixels: uint8 [H, W, 3].
    """

    number: int
    time: Fraction
    pixels: np.ndarray


class Decoder:
    """Frames of a video file, in the order in which they are shown.

    Args:
        path: The file.
        first: Number of the frame to begin with. Those before it are decoded too, so
            that it is the same wherever one begins.
        choose: A filter of ffmpeg's that leaves frames out, as `select=...`.

    Attributes:
        look: How its pixels are to be shown.
        num_damaged: Complaints of the decoder so far.

    Raises:
        DataError: If there is no frame.
    """

    def __init__(
        self, path: str | os.PathLike, first: int = 0, choose: str = "null"
    ) -> None:
        self._name, self._first = os.fspath(path), first
        self._told: queue.Queue = queue.Queue()
        self._clock = (Fraction(1), DEFAULT_RATE)
        self._colour = ("unknown",) * 4
        self.num_damaged = 0
        begin = f"select=gte(n\\,{first})," if first else ""
        # The listener tells each frame's time before its pixels are in the pipe.
        filters = f"{begin}{choose},showinfo=checksum=0,format=rgb24"
        arguments = ["-i", f"file:{self._name}", "-map", "0:V:0", "-vf", filters]
        arguments += ["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
        self._process = ffmpeg.Process(
            ["-nostdin", *arguments], path, writes=True, listen=self._hear
        )
        self._next = self._read()
        if self._next is None:
            self._process.kill()
            raise DataError(f"{self._name}: expected a video, received no frame")
        self.look = self._look

    def __iter__(self) -> Iterator[Frame]:
        """Gives the frames; the pixels of each are its own.

        Raises:
            DataError: If ffmpeg fails, or the frames' size changes on the way.
        """
        number, last = self._first, Fraction(-1)
        while self._next is not None:
            (time, width, height), pixels = self._next
            if (width, height) != (self.look.width, self.look.height):
                raise DataError(
                    f"{self._name}: all frames must have one size. Received: "
                    f"{self.look.width}x{self.look.height}, then {width}x{height}"
                )
            # A time that is missing or not after the last one: a tick after it.
            time = last + self.look.tick if time is None or time <= last else time
            last = max(time, Fraction(0))
            yield Frame(number, last, pixels)
            number += 1
            self._next = self._read()
        self._process.wait()

    def close(self) -> None:
        """Ends the decoder, wherever it is."""
        self._process.kill()

    def _read(self):
        """The next frame's time and size, and its pixels; None at the end."""
        pipe = self._process.output
        first = pipe.read(1)
        if not first:
            self._process.wait()
            return None
        told = self._told.get()
        if told is None:
            raise DataError(f"{self._name}: ffmpeg tells no times of its frames")
        _, width, height = told
        pixels = np.empty(height * width * 3, np.uint8)
        pixels[0] = first[0]
        view, count = memoryview(pixels), 1
        while count < len(pixels):
            read = pipe.readinto(view[count:])
            if not read:
                self._process.wait()
                raise DataError(f"{self._name}: ffmpeg ended within a frame")
            count += read
        return told, pixels.reshape(height, width, 3)

    def _hear(self, line) -> None:
        if line is None:
            self._told.put(None)
        elif clock := _CLOCK.search(line):
            ticks, second, frames, seconds = map(int, clock.groups())
            rate = Fraction(frames, seconds) if frames and seconds else DEFAULT_RATE
            self._clock = (Fraction(ticks, second), rate)
        elif frame := _FRAME.search(line):
            pts, _, *numbers = frame.groups()
            across, down, width, height = map(int, numbers)
            tick, rate = self._clock
            time = None if pts == "NOPTS" else int(pts) * tick
            aspect = Fraction(across, down or 1)
            self._size = (width, height, aspect, tick, rate)
            self._pending = (time, width, height)
        elif colour := _COLOUR.search(line):
            # The last of what is said of a frame.
            self._colour = colour.groups()
            self._look = Look(*self._size, self._colour)
            self._told.put(self._pending)
        elif "rror while decoding" in line or "corrupt" in line:
            self.num_damaged += 1
