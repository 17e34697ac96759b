"""Seats: chairs, swivel chairs, armchairs and sofas.

A seat stands on z = 0, centred on x = y = 0, and looks towards +y.
"""

import numpy as np

from maskdepth_tf.scenes import colours, shapes
from maskdepth_tf.scenes.shapes import Material, Model, loft, pole
from maskdepth_tf.scenes.solids import block, cushion, four_legs

Draws = np.random.Generator


def chair(draws: Draws) -> Model:
    """A plain chair: legs, seat and back of slats or a board."""
    frame = colours.wood(draws) if draws.random() < 0.6 else colours.metal(draws)
    seat = colours.cloth(draws) if draws.random() < 0.6 else frame
    width, depth, height = draws.uniform(0.4, 0.5), 0.45, 0.45
    model = four_legs(width, depth, height, frame, draws.random() < 0.5, 0.02)
    model += cushion(0, 0, height - 0.01, width, depth, 0.06, seat)
    top = draws.uniform(0.8, 1.0)
    for x in (-1, 1):
        low = (x * (width / 2 - 0.03), -depth / 2 + 0.03, height)
        model += pole(low, (low[0], low[1] - 0.06, top), 0.02, frame)
    y = -depth / 2 - 0.02
    if draws.random() < 0.5:
        for z in np.linspace(height + 0.15, top - 0.06, 3):
            model += block(0, y, z, width - 0.06, 0.02, 0.06, frame)
    else:
        model += block(
            0, y, height + 0.12, width - 0.04, 0.03, top - height - 0.12, seat
        )
    return model


def office_chair(draws: Draws) -> Model:
    """A swivel chair on a star of five legs with castors."""
    black = colours.paint(colours.hsv(0.6, 0.05, 0.09), 0.25)
    star = colours.metal(draws) if draws.random() < 0.5 else black
    kind = draws.random()
    cover = colours.leather(draws) if kind < 0.4 else colours.cloth(draws, plain=True)
    if kind > 0.7:
        cover = Material([(0.05, 0.05, 0.06), (0.2, 0.2, 0.22)], "fabric", 0, 0.1)
    model: Model = []
    for k in range(5):
        angle = 2 * np.pi * (k + 0.25) / 5
        x, y = 0.3 * np.cos(angle), 0.3 * np.sin(angle)
        model += shapes.limb([(0, 0, 0.13), (x, y, 0.08)], [0.03, 0.02], star, 6)
        model += shapes.ellipsoid((x, y, 0.035), (0.03, 0.03, 0.035), black, 8)
    model += pole((0, 0, 0.1), (0, 0, 0.44), 0.03, star)
    model += cushion(0, 0, 0.43, 0.5, 0.48, 0.09, cover)
    top = draws.uniform(0.95, 1.25)
    heights = np.linspace(0.52, top, 6)
    path = [
        (0, -0.24 - 0.1 * t * t, z)
        for t, z in zip(np.linspace(0, 1, 6), heights, strict=True)
    ]
    widths = [(w, 0.045) for w in (0.14, 0.22, 0.24, 0.24, 0.22, 0.12)]
    model += loft(path, widths, cover, 14)
    if draws.random() < 0.75:
        for x in (-0.29, 0.29):
            arm = [(x * 0.8, 0, 0.46), (x, 0.02, 0.56), (x, 0.0, 0.67), (x, 0.18, 0.69)]
            model += shapes.limb(arm, [0.018, 0.018, 0.02, 0.025], star, 6)
    return model


def sofa(draws: Draws, width: float | None = None) -> Model:
    """A sofa or armchair with cushions."""
    width = width or draws.choice([0.9, 1.6, 2.0, 2.3])
    cover = colours.leather(draws) if draws.random() < 0.35 else colours.cloth(draws)
    depth, low = draws.uniform(0.8, 0.95), draws.uniform(0.08, 0.15)
    feet = colours.wood(draws)
    model = four_legs(width - 0.1, depth - 0.1, low, feet, True, 0.03)
    model += cushion(0, 0, low, width, depth, 0.24, cover)
    model += cushion(0, -depth / 2 + 0.12, low + 0.2, width, 0.22, 0.52, cover)
    for x in (-1, 1):
        model += cushion(
            x * (width / 2 - 0.09), 0.02, low + 0.1, 0.18, depth, 0.42, cover
        )
    seats = max(1, round((width - 0.3) / 0.65))
    step = (width - 0.36) / seats
    for k in range(seats):
        at = -width / 2 + 0.18 + step * (k + 0.5)
        model += cushion(at, 0.1, low + 0.23, step - 0.01, depth - 0.28, 0.14, cover)
        model += cushion(
            at, -depth / 2 + 0.28, low + 0.36, step - 0.02, 0.14, 0.4, cover
        )
    if draws.random() < 0.5:
        pillow = colours.cloth(draws)
        at = draws.uniform(-1, 1) * (width / 2 - 0.4)
        shape = shapes.ellipsoid((0, 0, 0), (0.2, 0.07, 0.2), pillow, 12)
        model += shapes.moved(
            shape, (at, -depth / 2 + 0.42, low + 0.56), shapes.turn_x(-20)
        )
    return model
