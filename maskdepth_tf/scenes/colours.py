"""Colours and materials as rooms, clothes and furniture have them."""

import colorsys
from collections.abc import Sequence

import numpy as np

from maskdepth_tf.scenes.shapes import Material

Draws = np.random.Generator
Colour = np.ndarray

WOODS = (
    (0.80, 0.64, 0.45),
    (0.72, 0.50, 0.30),
    (0.58, 0.36, 0.20),
    (0.42, 0.24, 0.14),
    (0.30, 0.19, 0.13),
    (0.85, 0.75, 0.60),
    (0.66, 0.58, 0.50),
    (0.88, 0.84, 0.78),
)
SKINS = (
    (0.93, 0.76, 0.65),
    (0.87, 0.67, 0.53),
    (0.78, 0.57, 0.42),
    (0.62, 0.42, 0.29),
    (0.45, 0.29, 0.20),
    (0.32, 0.21, 0.16),
)
HAIRS = (
    (0.10, 0.08, 0.07),
    (0.20, 0.13, 0.09),
    (0.35, 0.22, 0.13),
    (0.62, 0.45, 0.26),
    (0.82, 0.70, 0.48),
    (0.55, 0.25, 0.12),
    (0.72, 0.71, 0.70),
)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """SRGB [3] from hue, saturation and value in [0, 1]."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value))


def pick(draws: Draws, choices: Sequence) -> Colour:
    """One of some colours, slightly changed."""
    chosen = np.array(choices[int(draws.integers(len(choices)))])
    return np.clip(chosen * draws.uniform(0.88, 1.1) + draws.normal(0, 0.02, 3), 0, 1)


def any_colour(draws: Draws) -> Colour:
    """Any colour, dull ones more often."""
    return hsv(draws.random(), draws.random() ** 1.3, draws.uniform(0.12, 0.95))


def neutral(draws: Draws) -> Colour:
    """White, beige, grey or black."""
    value = draws.choice([0.93, 0.85, 0.7, 0.5, 0.3, 0.12])
    return hsv(
        draws.uniform(0.05, 0.15), draws.uniform(0, 0.18), value * draws.uniform(0.9, 1)
    )


def wall(draws: Draws) -> Colour:
    """White most often, else pastel, else strong."""
    kind = draws.random()
    if kind < 0.6:
        hue, strength = draws.uniform(0.05, 0.16), draws.uniform(0, 0.12)
        return hsv(hue, strength, draws.uniform(0.8, 0.97))
    if kind < 0.9:
        return hsv(draws.random(), draws.uniform(0.03, 0.22), draws.uniform(0.6, 0.92))
    return hsv(draws.random(), draws.uniform(0.25, 0.6), draws.uniform(0.3, 0.7))


def ramp(colour: Colour, depth: float = 0.5) -> np.ndarray:
    """From a darker to a lighter shade of a colour, [3, 3]."""
    return np.clip(
        np.outer([1 - depth, 1 - depth * 0.45, 1 + 0.1 * depth], colour), 0, 1
    )


def wood(draws: Draws, scale: float | None = None, texture: str = "wood") -> Material:
    """Varnished or dull wood."""
    return Material(
        ramp(pick(draws, WOODS), draws.uniform(0.3, 0.7)),
        texture,
        int(draws.integers(99)),
        scale or draws.uniform(0.4, 1.2),
        gloss=draws.uniform(0, 0.3),
        mirror=draws.choice([0.0, 0.02, 0.06]),
    )


def paint(colour: Colour, gloss: float = 0.05, mirror: float = 0.0) -> Material:
    """An even coat, hardly mottled."""
    return Material(ramp(colour, 0.15), "plain", 0, 1.5, gloss, mirror)


def metal(draws: Draws) -> Material:
    """Chrome, grey or black metal."""
    colour = hsv(0.6, 0.03, draws.choice([0.8, 0.55, 0.15]))
    return Material(ramp(colour, 0.2), "plain", 0, 0.5, gloss=0.8, mirror=0.15)


def plastic(draws: Draws) -> Material:
    """Smooth, often dark."""
    dark = hsv(0.6, 0.05, draws.uniform(0.06, 0.2))
    colour = dark if draws.random() < 0.5 else any_colour(draws)
    return Material(ramp(colour, 0.2), "plain", 1, 0.5, gloss=draws.uniform(0.1, 0.4))


_CLOTHS = ("fabric", "fabric", "plain", "stripes", "checks", "plaid", "dots", "clouds")


def cloth(draws: Draws, colour: Colour | None = None, plain: bool = False) -> Material:
    """Woven cloth: upholstery, curtains, clothes."""
    colour = any_colour(draws) if colour is None else colour
    texture = "fabric" if plain else str(draws.choice(_CLOTHS))
    stops = ramp(colour, draws.uniform(0.25, 0.6))
    if texture in ("stripes", "checks", "plaid", "dots"):
        other = any_colour(draws) if draws.random() < 0.5 else neutral(draws)
        stops = np.stack([other, colour, 0.5 * (colour + other)])
    scale = draws.uniform(0.15, 0.5)
    return Material(stops, texture, int(draws.integers(99)), scale)


def leather(draws: Draws) -> Material:
    """Black, brown or coloured leather."""
    colour = pick(
        draws,
        [(0.08, 0.08, 0.09), (0.3, 0.17, 0.1), (0.7, 0.1, 0.1), (0.8, 0.75, 0.66)],
    )
    return Material(
        ramp(colour, 0.3), "clouds", int(draws.integers(9)), 0.4, gloss=0.35
    )


def photographic(draws: Draws, material: Material) -> Material:
    """The material under strong noise in all colours, as photographs have."""
    return Material(**{**vars(material), "noise": draws.uniform(0.4, 1.2)})
