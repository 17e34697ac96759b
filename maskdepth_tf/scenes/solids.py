"""Solids that several pieces of furniture share: blocks, cushions, legs."""

import numpy as np

from maskdepth_tf.scenes.shapes import Material, Model, box, loft, pole


def block(x, y, z, width, depth, height, material) -> Model:
    """A box by the middle of its underside and its size."""
    low = (x - width / 2, y - depth / 2, z)
    return box(low, (x + width / 2, y + depth / 2, z + height), material)


def cushion(x, y, z, width, depth, height, material: Material) -> Model:
    """A box with rounded sides, upright axis."""
    path = [(x, y, z + height * t) for t in (0, 0.06, 0.3, 0.7, 0.94, 1)]
    # Circles of four sides turned by half a side: a rounded square.
    sizes = [0.9, 0.97, 1, 1, 0.97, 0.88]
    half = [(0.5 * width * s * 1.38, 0.5 * depth * s * 1.38) for s in sizes]
    model = loft(path, half, material, 20)
    limit = np.array([width / 2, depth / 2])
    part = model[0]
    vertices = part.vertices.copy()
    middle = np.array([x, y])
    vertices[..., :2] = np.clip(vertices[..., :2], middle - limit, middle + limit)
    return [part._replace(vertices=vertices)]


def four_legs(width, depth, height, material, round_legs: bool, radius=0.025) -> Model:
    """Legs in the corners of a rectangle, round or square."""
    model: Model = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width / 2 - 0.05), sy * (depth / 2 - 0.05)
            if round_legs:
                model += pole((x, y, 0), (x * 0.94, y * 0.94, height), radius, material)
            else:
                side = 2 * radius
                model += block(x, y, 0, side, side, height, material)
    return model
