"""The light changed, or how the camera answers it: uint8 [H, W, 3] to the same."""

import numpy as np


def _scaled(picture: np.ndarray, factors: object) -> np.ndarray:
    """Multiplies a picture by factors that fit its shape; what is too bright is 255."""
    scaled = picture * np.asarray(factors, np.float32)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def gain(picture: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies all values by a factor."""
    return _scaled(picture, factor)


def gamma(picture: np.ndarray, exponent: float) -> np.ndarray:
    """Raises values, as shares of 255, to a power; black and white stay."""
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return table[picture]


def white_balance(picture: np.ndarray, share: float) -> np.ndarray:
    """Multiplies red by 1 + `share` and blue by 1 - `share`; a negative one cools."""
    return _scaled(picture, [1 + share, 1, 1 - share])


def gradient(picture: np.ndarray, share: float, side: int) -> np.ndarray:
    """Lets light fall off evenly from one side, 1, to the other, 1 - `share`.

    Args:
        picture: uint8 [H, W, 3].
        share: What is lost, from 0 to 1.
        side: Which side stays bright: 0 left, 1 right, 2 top, 3 bottom.
    """
    length = picture.shape[1 if side < 2 else 0]
    ramp = np.linspace(1, 1 - share, length)
    ramp = ramp[::-1] if side % 2 else ramp
    return _scaled(picture, ramp[None, :, None] if side < 2 else ramp[:, None, None])
