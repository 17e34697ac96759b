"""From linear light to the bytes of a picture, as a camera would."""

from dataclasses import dataclass, replace

import numpy as np

from maskdepth_tf.scenes.shapes import Draws

WHITE = 3.0
"""Exposed light that becomes white."""


@dataclass(frozen=True, eq=False)
class Film:
    """How a camera turns light into a picture.

    Attributes:
        exposure: Factor on the light.
        balance: Factors on red, green and blue, [3].
        contrast: Steepness added at middle grey; 0 changes nothing.
        saturation: 0 is grey, 1 changes nothing.
        vignette: Share of light lost in the corners.
        blur: Weight of each direct neighbour, along rows and columns.
        noise: Standard deviation of the noise at middle grey, of 1.
    """

    exposure: float
    balance: np.ndarray
    contrast: float
    saturation: float
    vignette: float
    blur: float
    noise: float

    def develop(self, light: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Linear light [S, S, 3] and standard normal noise [S, S, 3] -> uint8."""
        side = np.linspace(-1, 1, len(light))
        corner = (side[:, None] ** 2 + side**2) / 2
        light = blurred(light, self.blur)
        light = light * (1 - self.vignette * corner)[..., None]
        picture = self.curve(light)
        grain = self.noise * np.sqrt(0.2 + picture) * noise
        return np.rint(255 * np.clip(picture + grain, 0, 1)).astype(np.uint8)

    def curve(self, light: np.ndarray) -> np.ndarray:
        """Linear light [..., 3] -> sRGB in [0, 1]."""
        x = np.maximum(light, 0) * self.exposure * self.balance
        x = np.clip(x * (1 + x / WHITE**2) / (1 + x), 0, 1)
        grey = x.mean(-1, keepdims=True)
        x = np.clip(grey + self.saturation * (x - grey), 0, 1)
        x **= 1 / 2.2
        return x + self.contrast * x * (1 - x) * (2 * x - 1)


def blurred(light: np.ndarray, weight: float) -> np.ndarray:
    """Light [S, S, 3] of which each direct neighbour gets a share."""
    wide, rest = np.pad(light, [(1, 1), (1, 1), (0, 0)], "edge"), 1 - 2 * weight
    rows = rest * wide[1:-1] + weight * (wide[:-2] + wide[2:])
    return rest * rows[:, 1:-1] + weight * (rows[:, :-2] + rows[:, 2:])


def choose(light: np.ndarray, brightness: float, draws: Draws) -> Film:
    """Draws a film and exposes a room's light [S, S, 3] for a mean brightness.

    Args:
        light: The room.
        brightness: Mean of the picture, in [0, 1].
        draws: Source of randomness.
    """
    warmth, tint = draws.normal(0, 0.08), draws.normal(0, 0.02)
    balance = np.exp([warmth, tint, -warmth])
    film = Film(
        1.0,
        balance / balance.mean(),
        draws.uniform(-0.3, 0.8),
        draws.uniform(0.7, 1.15),
        draws.uniform(0, 0.35) * (draws.random() < 0.6),
        draws.uniform(0, 0.12),
        draws.uniform(0.002, 0.012) * draws.choice([1, 1, 2]),
    )
    low, high = -12.0, 12.0
    sample = light[::2, ::2]
    for _ in range(16):
        middle = (low + high) / 2
        mean = film.curve(sample * 2.0**middle).mean()
        low, high = (middle, high) if mean < brightness else (low, middle)
    return replace(film, exposure=2.0**low)
