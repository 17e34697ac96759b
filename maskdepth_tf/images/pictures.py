"""A picture that a user names: read whole, once, with what it should be told of."""

import os
import warnings
from typing import NamedTuple

import numpy as np

from maskdepth_tf.images import headers, preprocessing, profiles


class Picture(NamedTuple):
    """A picture as its file holds it and as it looks.

    Attributes:
        data: Encoded bytes.
        pixels: uint8 [H, W, 3].
        profile: Colour profile, as `profiles.keepable` has it.
    """

    data: bytes
    pixels: np.ndarray
    profile: bytes = b""


def read(path: str | os.PathLike) -> tuple[Picture, list[str]]:
    """Reads a picture.

    Returns:
        It, and what was seen while it was read, for the user.

    Raises:
        DataError: If it is missing, damaged or over a limit; names the file.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = preprocessing.read(path)
        pixels = preprocessing.read_rgb(path)
    texts = sorted({str(warning.message) for warning in caught})
    profile = profiles.keepable(headers.profile_of(data, os.fspath(path)))
    return Picture(data, pixels, profile), texts
