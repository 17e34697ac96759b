"""Furniture and plants, each a function of a stream of random numbers.

A piece stands on z = 0, centred on x = y = 0. Its back is at -y: the side for the
wall.
"""

from collections.abc import Callable

import numpy as np

from maskdepth_tf.scenes import colours, seats, shapes
from maskdepth_tf.scenes.shapes import Material, Model, loft, moved, pole
from maskdepth_tf.scenes.solids import block, four_legs

Draws = np.random.Generator


def table(draws: Draws, width=None, depth=None, height=None) -> Model:
    """A table: slab or round top, four legs or a column."""
    width = width or draws.uniform(0.8, 2.0)
    depth = depth or draws.uniform(0.6, 1.0)
    height = height or draws.choice([0.45, 0.74, 0.74])
    top = colours.wood(draws) if draws.random() < 0.75 else _finish(draws)
    legs = colours.metal(draws) if draws.random() < 0.4 else top
    if draws.random() < 0.25:
        disc = [(0, 0, height - 0.04), (0, 0, height)]
        return (
            loft(disc, [width / 2.4] * 2, top, 24)
            + pole((0, 0, 0.03), (0, 0, height - 0.04), 0.05, legs)
            + loft([(0, 0, 0), (0, 0, 0.04)], [0.3, 0.25], legs, 16)
        )
    slab = block(0, 0, height - 0.04, width, depth, 0.04, top)
    return slab + four_legs(width, depth, height - 0.04, legs, draws.random() < 0.5)


def _finish(draws: Draws) -> Material:
    """Paint, laminate or glass-like: what is not wood."""
    return colours.paint(
        colours.neutral(draws) if draws.random() < 0.6 else colours.any_colour(draws),
        gloss=0.2,
        mirror=draws.choice([0, 0.03, 0.1]),
    )


def desk(draws: Draws) -> Model:
    """A desk with drawers, often with a computer, papers and a lamp."""
    width, depth, height = draws.uniform(1.2, 1.8), draws.uniform(0.6, 0.8), 0.74
    wood = colours.wood(draws) if draws.random() < 0.6 else _finish(draws)
    dark = colours.plastic(draws)
    model = block(0, 0, height - 0.035, width, depth, 0.035, wood)
    side = draws.choice([-1, 1])
    x = side * (width / 2 - 0.22)
    model += block(x, 0, 0.02, 0.4, depth * 0.9, height - 0.06, wood)
    for k in range(3):
        z = 0.07 + 0.21 * k
        model += block(x, depth * 0.455, z, 0.36, 0.02, 0.19, wood)
        model += block(x, depth * 0.475, z + 0.09, 0.12, 0.02, 0.02, dark)
    if draws.random() < 0.5:
        model += block(-x, 0, 0, 0.04, depth * 0.9, height - 0.03, wood)
        model += block(0, -depth * 0.4, 0.25, width * 0.9, 0.02, 0.45, wood)
    else:
        for y in (-0.4, 0.4):
            model += block(-x - 0, y * depth * 0.9, 0, 0.05, 0.05, height - 0.03, dark)
    if draws.random() < 0.75:
        model += moved(monitor(draws), (-x * 0.3, -0.1, height))
        model += block(-x * 0.3, 0.17, height, 0.42, 0.14, 0.02, dark)
    if draws.random() < 0.5:
        paper = colours.paint(colours.hsv(0.1, 0.03, 0.95))
        model += block(
            x * 0.5, 0.1, height, 0.21, 0.3, 0.01 + 0.04 * draws.random(), paper
        )
    if draws.random() < 0.3:
        model += moved(lamp(draws, 0.45), (x * 0.9, -0.15, height))
    return model


def monitor(draws: Draws) -> Model:
    """A screen on a foot; its front is at +y."""
    case = colours.paint(colours.hsv(0.6, 0.05, draws.choice([0.08, 0.12, 0.75])), 0.2)
    width = draws.uniform(0.45, 0.7)
    height = width * 0.6
    shown = Material(
        np.array(
            [colours.any_colour(draws), colours.any_colour(draws), (0.95, 0.95, 0.97)]
        ),
        "screen",
        int(draws.integers(9)),
        emission=draws.choice([0.0, 0.5, 0.9]),
        mirror=0.05,
    )
    model = block(0, 0, 0, 0.22, 0.16, 0.015, case)
    model += block(0, -0.02, 0, 0.05, 0.03, 0.2, case)
    model += block(0, 0, 0.12, width, 0.035, height, case)
    corner = shapes.vector(width / 2 - 0.015, 0.019, 0.135)
    across, up = shapes.vector(0.03 - width, 0, 0), shapes.vector(0, 0, height - 0.03)
    return [*model, shapes.quad(corner, across, up, shown, fit=True)]


def cabinet(draws: Draws) -> Model:
    """A cupboard, sideboard or chest with doors or drawers."""
    width, height = draws.choice(
        [(0.45, 0.7), (0.8, 0.75), (0.9, 1.9), (1.6, 0.75), (1.2, 1.1)]
    )
    depth = draws.uniform(0.38, 0.55)
    body = colours.wood(draws) if draws.random() < 0.65 else _finish(draws)
    front = body if draws.random() < 0.6 else _finish(draws)
    knob = colours.metal(draws)
    model = block(0, 0, 0.06, width, depth, height - 0.06, body)
    model += block(
        0, -0.02, 0, width - 0.06, depth - 0.06, 0.06, colours.plastic(draws)
    )
    columns = max(1, round(width / 0.45))
    rows = draws.choice([1, 1, max(1, round(height / 0.25))])
    w, h = (width - 0.02) / columns, (height - 0.1) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = -width / 2 + 0.01 + w * (i + 0.5), 0.08 + h * j
            model += block(x, depth / 2 + 0.008, z, w - 0.012, 0.016, h - 0.012, front)
            side = 0 if rows > 1 else (0.5 - i % 2) * 0.75 * w
            model += block(
                x + side, depth / 2 + 0.03, z + h * 0.55, 0.06, 0.03, 0.025, knob
            )
    if height < 1.2 and draws.random() < 0.5:
        model += moved(vase(draws), (draws.uniform(-0.3, 0.3) * width, 0, height))
    return model


def shelf(draws: Draws) -> Model:
    """A bookcase with books, boxes and gaps."""
    width, height, depth = draws.uniform(0.6, 1.4), draws.uniform(0.9, 2.1), 0.3
    wood = colours.wood(draws) if draws.random() < 0.7 else _finish(draws)
    model: Model = []
    for x in (-1, 1):
        model += block(x * (width / 2 - 0.012), 0, 0, 0.024, depth, height, wood)
    if draws.random() < 0.7:
        model += block(0, -depth / 2 + 0.01, 0, width - 0.04, 0.01, height, wood)
    rows = max(2, round(height / 0.36))
    for z in np.linspace(0.05, height - 0.025, rows + 1):
        model += block(0, 0, z, width - 0.04, depth - 0.01, 0.025, wood)
    step = (height - 0.075) / rows
    for k in range(rows):
        if draws.random() < 0.8:
            model += books(draws, width - 0.08, step - 0.05, 0.075 + step * k)
    return model


def books(draws: Draws, width: float, height: float, z: float) -> Model:
    """A row of books on a shelf, not always full."""
    spines = np.array([colours.any_colour(draws) for _ in range(7)])
    spines[0] = 0.04
    skin = Material(spines, "books", int(draws.integers(9)))
    share = draws.uniform(0.4, 1)
    left = -width / 2 + (1 - share) * width * draws.random()
    corner = shapes.vector(left + share * width, 0.09, z)
    across, up = shapes.vector(-share * width, 0, 0), shapes.vector(0, 0, height)
    back = shapes.vector(0, -0.2, 0)
    page = colours.paint(colours.hsv(0.1, 0.1, 0.8))
    return [
        shapes.quad(corner, across, up, skin, fit=True),
        shapes.quad(corner + up * 0.9, across, back, page),
        shapes.quad(corner, up * 0.9, back, page),
        shapes.quad(corner + across + back, up * 0.9, -back, page),
    ]


def vase(draws: Draws) -> Model:
    """A vase, bowl or pot."""
    clay = colours.paint(colours.any_colour(draws), 0.5, 0.05)
    r, h = draws.uniform(0.06, 0.12), draws.uniform(0.12, 0.35)
    path = [(0, 0, h * t) for t in (0, 0.2, 0.45, 0.7, 0.85, 1)]
    belly = draws.uniform(0.5, 1.1, 6) * r
    return loft(path, list(belly), clay, 14)


def lamp(draws: Draws, height: float | None = None) -> Model:
    """A floor or table lamp with a shade, lit or not."""
    height = height or draws.uniform(1.3, 1.8)
    shade = colours.cloth(draws, colours.hsv(0.11, draws.uniform(0.05, 0.4), 0.9), True)
    glow = draws.choice([0.0, 0.6, 1.5])
    shade = Material(**{**vars(shade), "emission": glow})
    metal = colours.metal(draws)
    r = height * draws.uniform(0.1, 0.17)
    cone = [(0, 0, height * 0.78), (0, 0, height)]
    return (
        loft([(0, 0, 0), (0, 0, 0.03)], [r * 0.8, r * 0.7], metal, 14)
        + pole((0, 0, 0), (0, 0, height * 0.8), 0.012 + 0.006 * height, metal)
        + loft(cone, [r, r * draws.uniform(0.5, 0.95)], shade, 16)
    )


def plant(draws: Draws) -> Model:
    """A plant in a pot: a bush of leaves or a palm of arching ones."""
    green = colours.hsv(
        draws.uniform(0.2, 0.38), draws.uniform(0.3, 0.8), draws.uniform(0.25, 0.65)
    )
    leaf = Material(colours.ramp(green, 0.8), "leaves", 0, gloss=0.1)
    pot = colours.paint(colours.any_colour(draws), 0.2)
    size = draws.uniform(0.6, 1.9)
    r = draws.uniform(0.12, 0.2) * min(1, size)
    pot_height = r * draws.uniform(1.2, 2.2)
    path = [(0, 0, 0), (0, 0, pot_height)]
    model = loft(path, [r * 0.7, r], pot, 16)
    stem = colours.paint(colours.hsv(0.09, 0.5, 0.35))
    height = max(size - pot_height, 0.2)
    model += pole((0, 0, pot_height), (0, 0, pot_height + height * 0.6), 0.015, stem)
    for _ in range(int(draws.integers(18, 45))):
        angle, lift = draws.uniform(0, 2 * np.pi), draws.uniform(0.05, 1)
        way = shapes.vector(np.cos(angle), np.sin(angle), 0)
        start = shapes.vector(0, 0, pot_height + height * lift * 0.55)
        reach = height * draws.uniform(0.25, 0.5)
        up = shapes.vector(0, 0, reach * draws.uniform(0.1, 1.0) * (0.4 + lift))
        middle, tip = start + way * reach * 0.5 + up, start + way * reach + up * 0.6
        across = (
            shapes.cross(way, shapes.vector(0, 0, 1))
            * height
            * draws.uniform(0.03, 0.1)
        )
        for a, b, wa, wb in ((start, middle, 0.15, 1.0), (middle, tip, 1.0, 0.05)):
            model.append(_leaf(a, b, across * wa, across * wb, leaf))
    return model


def _leaf(a, b, across_a, across_b, leaf: Material) -> shapes.Part:
    vertices = np.array(
        [
            [a - across_a, a + across_a, b + across_b],
            [a - across_a, b + across_b, b - across_b],
        ]
    )
    normal = shapes.unit(shapes.cross(across_a + across_b, b - a))
    uv = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1.0]]])
    return shapes.Part(vertices, np.broadcast_to(normal, (2, 3, 3)), uv, leaf)


def boxes(draws: Draws) -> Model:
    """A stack of cartons."""
    model, z = [], 0.0
    for _ in range(int(draws.integers(1, 5))):
        w, d, h = (
            draws.uniform(0.3, 0.6),
            draws.uniform(0.3, 0.5),
            draws.uniform(0.2, 0.45),
        )
        carton = colours.paint(
            colours.pick(draws, [(0.7, 0.53, 0.36), (0.85, 0.84, 0.8)])
        )
        tape = colours.paint(colours.hsv(0.1, 0.3, 0.8))
        piece = block(0, 0, 0, w, d, h, carton) + block(
            0, 0, 0.002, 0.06, d + 0.004, h, tape
        )
        model += moved(
            piece, (draws.normal(0, 0.03), 0, z), shapes.turn_z(draws.normal(0, 8))
        )
        z += h + 0.002
    return model


def board(draws: Draws) -> Model:
    """A whiteboard, flip chart or folding screen on a stand."""
    width, height = draws.uniform(0.7, 1.5), draws.uniform(0.8, 1.1)
    metal = colours.metal(draws)
    sheet = Material(
        [(0.2, 0.2, 0.5), (0.95, 0.95, 0.95), (0.97, 0.97, 0.98)],
        "screen",
        1,
        gloss=0.2,
    )
    low = draws.uniform(0.6, 0.9)
    model: Model = []
    for side in (-1, 1):
        x = side * (width / 2 - 0.05)
        model += pole((x, 0, 0), (x, 0, low + height), 0.018, metal)
        model += pole((x, -0.3, 0.02), (x, 0.3, 0.02), 0.018, metal)
    model += block(0, 0.02, low, width, 0.025, height, metal)
    corner = shapes.vector(width / 2 - 0.03, 0.034, low + 0.03)
    across = shapes.vector(0.06 - width, 0, 0)
    up = shapes.vector(0, 0, height - 0.06)
    return [*model, shapes.quad(corner, across, up, sheet, fit=True)]


def trolley(draws: Draws) -> Model:
    """A cleaner's or tea trolley with buckets and bottles."""
    frame = colours.metal(draws)
    model = four_legs(0.8, 0.45, 0.9, frame, True, 0.015)
    for z in (0.15, 0.5, 0.85):
        tray = colours.paint(colours.any_colour(draws), 0.2)
        model += block(0, 0, z, 0.76, 0.42, 0.03, tray)
        for x in (-0.25, 0, 0.25):
            if draws.random() < 0.7:
                h, r = draws.uniform(0.12, 0.3), draws.uniform(0.05, 0.12)
                skin = colours.paint(colours.hsv(draws.random(), 0.8, 0.9), 0.3)
                path = [(x, 0, z + 0.03), (x, 0, z + h * 0.8), (x, 0, z + h)]
                model += loft(path, [r, r * 1.1, r * 0.6], skin, 12)
    return model


def conference(draws: Draws) -> Model:
    """A table with chairs around it."""
    width, depth = draws.uniform(1.6, 3.0), draws.uniform(0.9, 1.2)
    model = table(draws, width, depth, 0.74)
    make = seats.office_chair if draws.random() < 0.6 else seats.chair
    piece = make(draws)
    for k in range(int(width / 0.75)):
        x = (k + 0.5) * 0.75 - 0.375 * int(width / 0.75)
        for side, turn in ((1, 180), (-1, 0)):
            turned = shapes.turn_z(turn + draws.normal(0, 12))
            model += moved(piece, (x, side * (depth / 2 + 0.2), 0), turned)
    return model


def workplace(draws: Draws) -> Model:
    """A desk with its chair."""
    turned = shapes.turn_z(180 + draws.normal(0, 25))
    return desk(draws) + moved(
        seats.office_chair(draws), (draws.normal(0, 0.2), 0.7, 0), turned
    )


AGAINST_WALLS: tuple[Callable[[Draws], Model], ...] = (
    cabinet,
    cabinet,
    shelf,
    shelf,
    seats.sofa,
    desk,
    table,
    plant,
    lamp,
    boxes,
    workplace,
)
"""What stands along the walls of rooms."""
IN_THE_MIDDLE: tuple[Callable[[Draws], Model], ...] = (
    table,
    conference,
    seats.chair,
    seats.sofa,
    workplace,
    seats.office_chair,
    plant,
)
"""What stands free."""
FIGURES: tuple[Callable[[Draws], Model], ...] = (
    seats.chair,
    seats.office_chair,
    seats.office_chair,
    table,
    desk,
    desk,
    cabinet,
    cabinet,
    shelf,
    seats.sofa,
    seats.sofa,
    plant,
    plant,
    lamp,
    boxes,
    board,
    trolley,
    conference,
    workplace,
    workplace,
)
"""What may be a figure."""
