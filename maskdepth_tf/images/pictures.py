"""A picture that a user names: read whole, once, with what was odd about it."""

import os
import threading
import warnings
from typing import NamedTuple

import numpy as np

from maskdepth_tf.images import headers, preprocessing, profiles

_READING = threading.Lock()


class Picture(NamedTuple):
    """A picture as its file holds it and as it looks.

    Attributes:
        data: Encoded bytes.
        pixels: uint8 [H, W, 3].
        profile: Colour profile, as `profiles.keepable` has it.
        warnings: What was odd about the file.
    """

    data: bytes
    pixels: np.ndarray
    profile: bytes = b""
    warnings: tuple[str, ...] = ()


def read(path: str | os.PathLike) -> Picture:
    """Reads a picture.

    Raises:
        DataError: If it is missing, damaged or over a limit; names the file.
    """
    return of_bytes(headers.read_all(path), os.fspath(path))


def of_bytes(data: bytes, name: str) -> Picture:
    """Makes a picture of the bytes of its file, as `read`; errors call it `name`."""
    # What Python catches, it catches for all threads.
    with _READING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = preprocessing.rgb_of(data, name)
    odd = tuple(sorted({str(warning.message) for warning in caught}))
    profile = profiles.keepable(headers.profile_of(data, name))
    return Picture(data, pixels, profile, odd)
