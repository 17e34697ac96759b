"""Furniture and plants: lists of simple solids, and what they are made of.

A piece stands on z = 0, centred on x = y = 0. Its back is at -y: the side for the
wall.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from maskdepth_tf.scenes import materials, shapes
from maskdepth_tf.scenes.materials import finish, hsv, paint
from maskdepth_tf.scenes.shapes import Draws, Material, Model, vector

KINDS: dict[str, tuple] = {
    "chair": (
        ((0.4, 0.43, 0.8), (0.5, 0.5, 1.0)),
        ("frame", "pole", "xy", 0.42, 0.42, 0, 0.08, 0.08, 0.5),
        ("frame", "pole", "x", 0.42, -0.45, 0.45, 0.08, 0.08, 0.55),
        ("cover", "cushion", "", 0, 0, 0.48, 1, 1, 0.07),
        ("frame", "block", "", 0, -0.45, 0.85, 0.8, 0.05, 0.12),
        ("frame", "block", "", 0, -0.45, 0.66, 0.8, 0.05, 0.1),
        ("cover?", "block", "", 0, -0.43, 0.6, 0.84, 0.07, 0.38),
    ),
    "office chair": (
        ((0.58, 0.6, 0.95), (0.65, 0.65, 1.25)),
        ("dark", "block", "", 0, 0, 0.04, 0.95, 0.08, 0.05),
        ("dark", "block", "", 0, 0, 0.04, 0.08, 0.95, 0.05),
        ("dark", "ball", "x", 0.46, 0, 0, 0.08, 0.08, 0.06),
        ("dark", "ball", "y", 0, 0.46, 0, 0.08, 0.08, 0.06),
        ("dark", "pole", "", 0, 0, 0.08, 0.1, 0.1, 0.32),
        ("cover", "cushion", "", 0, 0.02, 0.38, 0.8, 0.8, 0.08),
        ("cover", "ball", "", 0, -0.4, 0.42, 0.76, 0.18, 0.58),
        ("dark?", "block", "x", 0.44, 0, 0.54, 0.08, 0.42, 0.03),
        ("dark", "block", "x", 0.44, -0.1, 0.4, 0.05, 0.06, 0.15),
    ),
    "sofa": (
        ((0.9, 0.8, 0.7), (2.3, 0.95, 0.95)),
        ("frame", "block", "xy", 0.46, 0.42, 0, 0.04, 0.07, 0.15),
        ("cover", "cushion", "", 0, 0, 0.12, 1, 1, 0.32),
        ("cover", "cushion", "x", 0.2, 0.07, 0.4, 0.4, 0.8, 0.17),
        ("cover", "cushion", "x", 0.2, -0.28, 0.5, 0.39, 0.2, 0.48),
        ("cover", "cushion", "", 0, -0.38, 0.3, 1, 0.24, 0.65),
        ("cover", "cushion", "x", 0.45, 0.04, 0.2, 0.1, 0.92, 0.48),
        ("cloth?", "ball", "", 0.25, 0, 0.57, 0.2, 0.16, 0.4),
    ),
    "table": (
        ((0.8, 0.6, 0.45), (2.2, 1.1, 0.78)),
        ("body", "block", "", 0, 0, 0.94, 1, 1, 0.06),
        ("frame", "block", "xy", 0.45, 0.43, 0, 0.05, 0.07, 0.94),
    ),
    "desk": (
        ((1.2, 0.6, 1.15), (1.8, 0.8, 1.3)),
        ("body", "block", "", 0, 0, 0.57, 1, 1, 0.03),
        ("body", "block", "", 0.36, 0, 0, 0.26, 0.9, 0.57),
        ("front", "block", "", 0.36, 0.46, 0.04, 0.23, 0.03, 0.5),
        ("frame", "block", "", -0.47, 0, 0, 0.04, 0.9, 0.57),
        ("body?", "block", "", -0.1, -0.4, 0.2, 0.7, 0.03, 0.37),
        ("dark?", "block", "", -0.12, 0.25, 0.6, 0.3, 0.2, 0.015),
        ("dark", "block", "", -0.12, -0.1, 0.6, 0.14, 0.22, 0.015),
        ("dark", "block", "", -0.12, -0.14, 0.6, 0.04, 0.05, 0.2),
        ("dark", "block", "", -0.12, -0.1, 0.7, 0.4, 0.05, 0.3),
        ("screen", "panel", "", -0.12, -0.07, 0.715, 0.38, 0, 0.27),
    ),
    "cupboard": (
        ((0.7, 0.38, 0.7), (1.6, 0.55, 2.0)),
        ("body", "block", "", 0, -0.02, 0, 1, 0.95, 1),
        ("front", "block", "x", 0.25, 0.465, 0.07, 0.47, 0.03, 0.9),
        ("frame", "block", "x", 0.05, 0.49, 0.5, 0.03, 0.04, 0.1),
    ),
    "shelf": (
        ((0.6, 0.28, 0.9), (1.4, 0.34, 2.1)),
        ("body", "block", "x", 0.485, 0, 0, 0.03, 1, 1),
        ("body", "block", "", 0, 0, 0.98, 0.95, 1, 0.02),
        ("body", "block", "", 0, -0.1, 0, 0.95, 0.8, 0.98),
        ("books", "panel", "", 0, 0.31, 0.03, 0.94, 0, 0.95),
    ),
    "lamp": (
        ((0.3, 0.3, 1.2), (0.55, 0.55, 1.8)),
        ("frame", "pole", "", 0, 0, 0, 0.8, 0.8, 0.02),
        ("frame", "pole", "", 0, 0, 0.02, 0.08, 0.08, 0.8),
        ("shade", "cone", "", 0, 0, 0.78, 1, 1, 0.22),
    ),
    "board": (
        ((0.7, 0.6, 1.5), (1.5, 0.6, 1.9)),
        ("frame", "pole", "x", 0.46, 0, 0, 0.03, 0.06, 1),
        ("frame", "block", "x", 0.46, 0, 0, 0.03, 1, 0.03),
        ("frame", "block", "", 0, 0.06, 0.42, 1, 0.05, 0.58),
        ("sheet", "panel", "", 0, 0.09, 0.44, 0.95, 0, 0.54),
    ),
}
"""The least and the most width, depth and height [m], then the solids of each kind.

A solid tells its material's role ("?": half of the pieces lack it), its shape, along
which axes it has a mirrored copy, x, y, z of the middle of its underside, and its
width, depth and height, all as shares of the piece's own; x and y from -0.5 to 0.5.
"""


def _shade(draws: Draws) -> Material:
    warm = hsv(0.11, draws.uniform(0.05, 0.4), 0.9)
    return replace(paint(warm), emission=draws.choice([0.0, 0.6, 1.5]))


ROLES: dict[str, Callable[[Draws], Material]] = {
    "body": finish,
    "front": finish,
    "frame": finish,
    "cover": materials.upholstery,
    "cloth": materials.cloth,
    "dark": lambda draws: paint(hsv(0.6, 0.05, draws.uniform(0.05, 0.2)), 0.25),
    "clay": lambda draws: paint(materials.any_colour(draws), 0.4),
    "sheet": lambda draws: paint(materials.neutral(draws), 0.2),
    "screen": lambda draws: materials.printed(draws, "print", 4, emission=0.5),
    "books": lambda draws: materials.printed(draws, "books", 7),
    "shade": _shade,
}
"""What draws each role's material; a piece draws it once."""


def build(draws: Draws, kind: str) -> Model:
    """Draws a piece of a kind of `KINDS`."""
    limits, *solids = KINDS[kind]
    size = draws.uniform(*limits)
    surfaces: dict[str, Material] = {}
    model: Model = []
    for role, shape, axes, *numbers in solids:
        if role.endswith("?") and draws.random() < 0.5:
            continue
        role = role.rstrip("?")
        if role not in surfaces:
            surfaces[role] = ROLES[role](draws)
        foot, extent = np.reshape(numbers, (2, 3)) * size
        for x in (1, -1) if "x" in axes else (1,):
            for y in (1, -1) if "y" in axes else (1,):
                model += _solid(shape, foot * [x, y, 1], extent, surfaces[role])
    return model


def _solid(shape: str, foot: np.ndarray, size: np.ndarray, material: Material) -> Model:
    """A solid by the middle of its underside; panels look to the front."""
    top = foot + [0, 0, size[2]]
    if shape == "block":
        return shapes.block(foot, size, material)
    if shape == "cushion":
        return shapes.cushion(foot, size, material)
    if shape == "ball":
        return shapes.ellipsoid((foot + top) / 2, size / 2, material)
    if shape == "panel":
        corner, across = foot + [size[0] / 2, 0, 0], vector(-size[0], 0, 0)
        return [shapes.quad(corner, across, top - foot, material, fit=True)]
    radii = [size[:2] / 2, size[:2] / (3 if shape == "cone" else 2)]
    return shapes.loft([foot, top], radii, material, 12)


def workplace(draws: Draws) -> Model:
    """Draws a desk or table with a chair at it."""
    turn = shapes.turn_z(180 + draws.normal(0, 25))
    seat = piece(draws, "office chair, chair")
    place = (draws.normal(0, 0.2), 0.7, 0)
    return piece(draws, "desk, table") + shapes.moved(seat, place, turn)


def plant(draws: Draws) -> Model:
    """Draws a plant in a pot: a bush of leaves or a palm of long ones."""
    green = hsv(*draws.uniform([0.2, 0.3, 0.25], [0.38, 0.8, 0.65]))
    leaf = Material(materials.ramp(green, 0.8), "noise", 0, 0.5, gloss=0.1)
    size, radius = draws.uniform(0.6, 1.9), draws.uniform(0.1, 0.2)
    foot = vector(0, 0, radius * draws.uniform(1.2, 2.2))
    height = size - foot[2]
    radii, clay = [radius * 0.7, radius], ROLES["clay"](draws)
    pot = shapes.loft([0 * foot, foot], radii, clay, 16)
    model = pot + shapes.block(foot, (0.03, 0.03, height * 0.6), leaf)
    for _ in range(int(draws.integers(25, 60))):
        angle, lift = draws.uniform(0, 2 * np.pi), draws.uniform(0.05, 1)
        c, s, reach = np.cos(angle), np.sin(angle), height * draws.uniform(0.25, 0.5)
        start = foot + vector(0, 0, height * lift * 0.55)
        half = reach / 2 * vector(c, s, draws.uniform(0.0, 1.0) * (0.4 + lift))
        across = height * draws.uniform(0.03, 0.1) * vector(-s, c, 0)
        model.append(shapes.quad(start, half - across, half + across, leaf))
    return model


def piece(draws: Draws, kinds: str) -> Model:
    """Draws a piece of one of some kinds, separated by commas."""
    kind = str(draws.choice(kinds.split(", ")))
    special = {"workplace": workplace, "plant": plant}
    return special[kind](draws) if kind in special else build(draws, kind)


ALONG = "cupboard, shelf, shelf, sofa, desk, table, plant, lamp"
"""What stands along the walls of rooms."""
FREE = "table, workplace, chair, office chair, sofa, plant"
"""What stands free."""
FIGURES = (
    "chair, office chair, office chair, table, desk, desk, cupboard, shelf, "
    "sofa, sofa, plant, plant, lamp, board, workplace, workplace"
)
"""What furniture may be a figure."""
