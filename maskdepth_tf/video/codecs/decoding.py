"""Video files to frames, upright and with the times at which they are shown."""

import os
import queue
import re
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from maskdepth_tf.errors import DataError
from maskdepth_tf.video.codecs import ffmpeg

DEFAULT_RATE = Fraction(25)
"""Of videos that tell none, in frames a second."""
_CLOCK = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(r"n: *\d+ pts: *(\S+) .*sar:(\d+)/(\d+) s:(\d+)x(\d+)")
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
    colour: tuple[str, ...]

    def to_json(self) -> dict:
        """The same in JSON's types."""
        fractions = {n: str(getattr(self, n)) for n in ("aspect", "tick", "rate")}
        return asdict(self) | fractions

    @classmethod
    def of_json(cls, value: Mapping) -> "Look":
        """Makes it of what `to_json` gave."""
        fractions = {n: Fraction(value[n]) for n in ("aspect", "tick", "rate")}
        return cls(**{**value, **fractions, "colour": tuple(value["colour"])})


class Frame(NamedTuple):
    """A picture of a video.

    Attributes:
        number: From 0.
        time: When it is shown, in seconds after the file's beginning.
        pixels: uint8 [H, W, 3].
        look: How they are to be shown; the same for all frames.
    """

    number: int
    time: Fraction
    pixels: np.ndarray
    look: Look


class Decoder:
    """Frames of a video file, in the order in which they are shown.

    Args:
        path: The file.
        first: Number of the frame to begin with. Those before it are decoded too, so
            that it is the same wherever one begins.
        choose: A filter of ffmpeg's that leaves frames out, as `select=...`.

    Attributes:
        num_damaged: Complaints of the decoder so far.
    """

    def __init__(
        self, path: str | os.PathLike, first: int = 0, choose: str = "null"
    ) -> None:
        self._name, self._first = os.fspath(path), first
        self._told: queue.Queue[tuple[Fraction | None, Look] | None] = queue.Queue()
        self._clock = (Fraction(1), DEFAULT_RATE)
        self.num_damaged = 0
        begin = f"select=gte(n\\,{first})," if first else ""
        # The listener tells each frame's time before its pixels are in the pipe.
        # Without `scale` frames that are turned would be RGB before they are told of.
        filters = f"{begin}{choose},showinfo=checksum=0,scale,format=rgb24"
        arguments = ["-i", f"file:{self._name}", "-map", "0:V:0", "-vf", filters]
        arguments += ["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
        self._process = ffmpeg.Process(
            ["-nostdin", *arguments], path, writes=True, listen=self._hear
        )

    def frames(self) -> Generator[Frame]:
        """Gives the frames; the pixels of each are its own.

        Raises:
            DataError: If ffmpeg fails, or the frames' size changes on the way.
        """
        number, last, look = self._first, Fraction(-1), None
        while (read := self._read()) is not None:
            time, now, pixels = read
            look = look or now
            if (now.width, now.height) != (look.width, look.height):
                raise DataError(
                    f"{self._name}: all frames must have one size. Received: "
                    f"{look.width}x{look.height}, then {now.width}x{now.height}"
                )
            # A time that is missing or not after the last one: a tick after it.
            time = last + look.tick if time is None or time <= last else time
            last = max(time, Fraction(0))
            yield Frame(number, last, pixels, look)
            number += 1

    def close(self) -> None:
        """Ends the decoder, wherever it is."""
        self._process.kill()

    def _read(self) -> tuple[Fraction | None, Look, np.ndarray] | None:
        """The next frame's time, look and pixels; None at the end."""
        pipe = ffmpeg.pipe(self._process.output)
        first = pipe.read(1)
        if not first:
            self._process.wait()
            return None
        told = self._told.get()
        if told is None:
            raise DataError(f"{self._name}: ffmpeg tells no times of its frames")
        time, look = told
        pixels = np.empty(look.height * look.width * 3, np.uint8)
        pixels[0] = first[0]
        view, count = memoryview(pixels), 1  # type: ignore[arg-type]
        while count < len(pixels):
            num_read = pipe.readinto(view[count:])
            if not num_read:
                self._process.wait()
                raise DataError(f"{self._name}: ffmpeg ended within a frame")
            count += num_read
        return time, look, pixels.reshape(look.height, look.width, 3)

    def _hear(self, line: str | None) -> None:
        if line is None:
            self._told.put(None)
        elif clock := _CLOCK.search(line):
            ticks, second, frames, seconds = map(int, clock.groups())
            rate = Fraction(frames, seconds) if frames and seconds else DEFAULT_RATE
            self._clock = (Fraction(ticks, second), rate)
        elif frame := _FRAME.search(line):
            pts, *numbers = frame.groups()
            tick, _ = self._clock
            self._time = None if pts == "NOPTS" else int(pts) * tick
            self._shape = tuple(map(int, numbers))
        elif colour := _COLOUR.search(line):
            # The last of what is said of a frame.
            across, down, width, height = self._shape
            aspect = Fraction(across, down or 1)
            look = Look(width, height, aspect, *self._clock, colour.groups())
            self._told.put((self._time, look))
        elif "rror while decoding" in line or "corrupt" in line:
            self.num_damaged += 1
