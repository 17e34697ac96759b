"""The scene alone, found in a video of somebody who comes and goes.

Of frames spread over the video each pixel's median is the background where that is
seen in more than half of them. One of the frames that shows nobody, if there is one,
is better than the median, which is of many frames' light. Where somebody never leaves,
the frames do not agree with their median: then there is no background to be found.

Shapes: F frames, H and W their size.
"""

import os
import tempfile
from typing import IO

import numpy as np

from maskdepth_tf.errors import DataError
from maskdepth_tf.video.codecs import probing
from maskdepth_tf.video.codecs.decoding import Decoder

AUTO = "auto"
"""Stands for a background that is found in the video itself."""
NUM_FRAMES = 30
"""Frames that are looked at."""
DIFFERENCE = 24
"""Difference in some channel, of 255, from which a pixel is not the background's."""
MOST_AWAY = 0.35
"""Share of the frames in which a pixel may show something else and still be known."""
MOST_UNKNOWN = 0.005
"""Share of the picture that may be unknown."""
LEAST_CHANGE = 0.0005
"""Share of the picture that must be something else in some frame."""
CLEAN = 0.0002
"""Share of a frame that may differ from the median in one that shows nobody."""
_ROWS = 32


def find(source: str | os.PathLike) -> np.ndarray:
    """Finds the background of a video.

    Returns:
        uint8 [H, W, 3].

    Raises:
        DataError: If somebody never leaves a place, or nothing ever moves; says so.
    """
    name = os.fspath(source)
    # On the disk: 30 frames of 4K would take 750 MB.
    with tempfile.TemporaryFile() as file:
        shape = _collect(name, file)
        median, away, changes = _medians(file, shape)
        unknown = float(np.mean(away > MOST_AWAY))
        if unknown > MOST_UNKNOWN:
            raise DataError(
                f"{name}: --bg auto needs to see everything without anybody in front, "
                f"and {unknown:.1%} of the picture is never free for long enough; give "
                "a picture of the scene alone: --bg FILE"
            )
        if changes.max() < LEAST_CHANGE:
            raise DataError(
                f"{name}: --bg auto finds what moves, and nothing moves here; give a "
                "picture of the scene alone: --bg FILE"
            )
        cleanest = int(np.argmin(changes))
        if changes[cleanest] > CLEAN:
            return median
        file.seek(cleanest * median.size)
        return np.frombuffer(file.read(median.size), np.uint8).reshape(median.shape)


def _collect(name: str, file: IO[bytes]) -> tuple[int, int, int]:
    """Writes spread frames into a file, one after another: F, H and W."""
    total = probing.probe(name).num_frames
    step = max(1, (total or NUM_FRAMES) // NUM_FRAMES)
    decoder = Decoder(name, choose=f"select=not(mod(n\\,{step}))")
    count, size = 0, (0, 0)
    try:
        for frame in decoder.frames():
            file.write(frame.pixels.data)
            count, size = count + 1, frame.pixels.shape[:2]
    finally:
        decoder.close()
    if not count:
        raise DataError(f"{name}: expected a video, received no frame")
    return count, *size


def _medians(file, shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, and what differs from it: by pixel, and by frame.

    Returns:
        median: uint8 [H, W, 3].
        away: float [H, W], share of the frames that differ.
        changes: float [F], share of the pixels that differ.
    """
    count, height, width = shape
    median = np.empty((height, width, 3), np.uint8)
    away = np.empty((height, width), np.float32)
    changes = np.zeros(count)
    for top in range(0, height, _ROWS):
        rows = min(_ROWS, height - top)
        strip = np.empty((count, rows, width, 3), np.uint8)
        for number in range(count):
            file.seek((number * height + top) * width * 3)
            strip[number] = np.frombuffer(
                file.read(rows * width * 3), np.uint8
            ).reshape(rows, width, 3)
        middle = np.sort(strip, axis=0)[count // 2]
        off = np.abs(strip.astype(np.int16) - middle).max(-1) > DIFFERENCE
        median[top : top + rows] = middle
        away[top : top + rows] = off.mean(0)
        changes += off.sum((1, 2))
    return median, away, changes / (height * width)
