"""Rooms: walls, floor, ceiling, light, furniture, and a camera that sees them."""

from dataclasses import dataclass

import numpy as np

from maskdepth_tf.scenes import colours, furniture, shapes
from maskdepth_tf.scenes.light import Lights
from maskdepth_tf.scenes.raycast import Camera, linear
from maskdepth_tf.scenes.shapes import Material, Model, quad, vector
from maskdepth_tf.scenes.walls import CELL, Glazing, Wall, glazing

Draws = np.random.Generator
OFFICE_SHARE = 0.5
"""Share of rooms that are large and nearly empty, as offices to let are."""
EYE_SPACE = 1.5
"""Least distance from the camera to furniture [m]."""


@dataclass(frozen=True, eq=False)
class Room:
    """A room with its camera.

    Attributes:
        model: All of its surfaces, lamps and furniture.
        lights: Groups of lamps.
        camera: Who sees it.
        size: Width, depth and height [m]; one lower corner is the origin.
        obstacles: (low, high) on the floor of what stands in it, [2] each.
        brightness: Mean of the picture to be exposed for, in [0, 1].
    """

    model: Model
    lights: list[Lights]
    camera: Camera
    size: np.ndarray
    obstacles: list[tuple[np.ndarray, np.ndarray]]
    brightness: float


def make_room(draws: Draws) -> Room:
    """Draws a room."""
    is_office = bool(draws.random() < OFFICE_SHARE)
    if is_office:
        size = draws.uniform([5, 6, 2.6], [12, 15, 3.8])
    else:
        size = draws.uniform([3, 3.8, 2.4], [6, 7.5, 3.0])
    camera = _camera(draws, size, is_office)
    look = glazing(draws, is_office)
    walls = _walls(draws, size)
    model = _shell(draws, size, is_office)
    obstacles: list[tuple[np.ndarray, np.ndarray]] = []
    model += _open_walls(draws, walls, look)
    skirting = colours.paint(colours.neutral(draws))
    for wall in walls:
        if draws.random() < 0.7:
            model += wall.skirting(draws, skirting)
        if draws.random() < (0.3 if is_office else 0.75):
            model += wall.add_pictures(draws, int(draws.integers(1, 4)))
        model += wall.surface()
    if is_office:
        model += _columns(draws, size, camera, obstacles)
    pieces = _furnish(draws, walls, size, camera, obstacles, is_office)
    ceiling_model, lights = _ceiling_lamps(draws, size, is_office, look)
    model += pieces + ceiling_model
    lights += _daylight(draws, walls, look, size)
    brightness = float(np.clip(draws.normal(0.63, 0.1), 0.33, 0.82))
    return Room(model, lights, camera, size, obstacles, brightness)


def _camera(draws: Draws, size: np.ndarray, is_office: bool) -> Camera:
    width, depth, height = size
    position = vector(
        width * draws.uniform(0.15, 0.85),
        draws.uniform(0.25, min(1.6, 0.25 * depth)),
        np.clip(draws.normal(1.45, 0.22), 0.9, height - 0.4),
    )
    aim = vector(width * draws.uniform(0.15, 0.85), depth * draws.uniform(0.7, 1))
    yaw = -np.degrees(np.arctan2(aim[0] - position[0], aim[1] - position[1]))
    widest = 88 if is_office else 80
    return Camera.looking(
        position,
        yaw,
        draws.normal(-4, 5),
        draws.normal(0, 1.2),
        draws.uniform(50, widest),
    )


def _walls(draws: Draws, size: np.ndarray) -> list[Wall]:
    """Far, left, right and near wall."""
    width, depth, height = size
    coat = colours.paint(colours.wall(draws))
    x, y = vector(1, 0, 0), vector(0, 1, 0)
    places = [
        (vector(0, depth, 0), x, width),
        (vector(0, 0, 0), y, depth),
        (vector(width, depth, 0), -y, depth),
        (vector(width, 0, 0), -x, width),
    ]
    walls = [
        Wall(start, along, length, height, coat) for start, along, length in places
    ]
    if draws.random() < 0.35:
        walls[draws.integers(3)].material = _accent(draws)
    return walls


def _accent(draws: Draws) -> Material:
    """Another wall: brick, wallpaper, wood or a strong colour."""
    kind = str(
        draws.choice(["brick", "stripes", "planks", "marble", "dots", "plain", "plaid"])
    )
    colour = colours.any_colour(draws)
    if kind == "brick":
        clay = colours.pick(draws, [(0.6, 0.3, 0.22), (0.85, 0.83, 0.8)])
        stops = np.concatenate([colours.ramp(clay, 0.4), [(0.75, 0.73, 0.7)]])
        return Material(stops, kind, int(draws.integers(9)), 0.9)
    if kind == "planks":
        return colours.wood(draws, 1.6, "planks")
    stops = np.stack(
        [colour, 0.6 * colour + 0.4 * colours.wall(draws), colours.wall(draws)]
    )
    if kind in ("plain", "marble"):
        stops = colours.ramp(colour, 0.25)
    return Material(stops, kind, int(draws.integers(9)), draws.uniform(0.5, 2))


def _floor(draws: Draws, is_office: bool) -> Material:
    kinds = ["planks", "planks", "tiles", "carpet", "terrazzo", "clouds", "marble"]
    kinds += ["carpet_tiles", "tiles", "clouds"] if is_office else ["parquet", "planks"]
    kind = str(draws.choice(kinds))
    polish = (
        draws.choice([0.0, 0.04, 0.12, 0.25])
        if is_office
        else draws.choice([0.0, 0.03, 0.08])
    )
    variant = int(draws.integers(9))
    if kind in ("planks", "parquet"):
        base = colours.wood(draws, draws.uniform(1.2, 2.2), kind)
        return Material(**{**vars(base), "mirror": polish})
    if kind.startswith("carpet"):
        colour = colours.neutral(draws)
        if draws.random() < 0.4:
            strength, value = draws.uniform(0.1, 0.55), draws.uniform(0.2, 0.65)
            colour = colours.hsv(draws.random(), strength, value)
        return Material(
            colours.ramp(colour, 0.5), kind, variant, draws.uniform(1.2, 2.4)
        )
    colour = colours.neutral(draws) if draws.random() < 0.8 else colours.wall(draws)
    spread = {"tiles": 0.35, "terrazzo": 0.3, "clouds": 0.15, "marble": 0.2}[kind]
    return Material(
        colours.ramp(colour, spread),
        kind,
        variant,
        draws.uniform(1.6, 3.2),
        mirror=max(polish, 0.03),
        gloss=0.1,
    )


def _shell(draws: Draws, size: np.ndarray, is_office: bool) -> Model:
    """Floor and ceiling, sometimes with beams."""
    width, depth, height = size
    white = colours.hsv(0.12, draws.uniform(0, 0.06), draws.uniform(0.85, 0.97))
    cover = Material(colours.ramp(white, 0.15), "plain", 0, 2)
    if is_office and draws.random() < 0.5:
        cover = Material(colours.ramp(white, 0.35), "ceiling", 0, 1.2)
    elif draws.random() < 0.12:
        cover = (
            colours.wood(draws, 1.5, "planks")
            if draws.random() < 0.5
            else colours.paint(colours.any_colour(draws))
        )
    x, y, z = np.diag(size)
    model = [
        quad(vector(0, 0, 0), x, y, _floor(draws, is_office), step=CELL),
        quad(z, y, x, cover, step=CELL),
    ]
    if draws.random() < 0.1:
        beam = cover if draws.random() < 0.6 else colours.wood(draws)
        for at in np.arange(1.5, depth, draws.uniform(1.6, 3)):
            low = (0, at, height - draws.uniform(0.15, 0.35))
            model += shapes.box(low, (width, at + 0.25, height - 0.001), beam)
    if not is_office and draws.random() < 0.5:
        rug = colours.cloth(draws)
        rug = Material(**{**vars(rug), "scale": draws.uniform(0.6, 2)})
        half = draws.uniform([0.8, 0.6], [1.6, 1.3])
        middle = np.array([width / 2, depth * 0.6])
        model += shapes.box((*middle - half, 0), (*middle + half, 0.015), rug)
    return model


def _open_walls(draws: Draws, walls: list[Wall], look: Glazing) -> Model:
    """Windows and doors; at least one wall in sight usually has windows."""
    model: Model = []
    count = int(draws.choice([0, 1, 1, 1, 2, 2, 3]))
    order = draws.permutation(3)
    for k in order[:count]:
        model += walls[k].add_windows(draws, look)
    for wall in walls:
        if draws.random() < 0.4:
            model += wall.add_door(draws)
    return model


def _columns(draws: Draws, size, camera: Camera, obstacles: list) -> Model:
    """Square or round columns in rows."""
    if draws.random() < 0.95:
        return []
    width, depth, height = size
    coat, side = colours.paint(colours.wall(draws)), draws.uniform(0.3, 0.7)
    is_round = draws.random() < 0.3
    model: Model = []
    for x in (width * 0.3, width * 0.72):
        for y in np.arange(draws.uniform(2.5, 4), depth, draws.uniform(3, 5)):
            low, high = np.array([x, y]) - side / 2, np.array([x, y]) + side / 2
            if not _is_clear(low, high, camera, obstacles, 1.8):
                continue
            obstacles.append((low, high))
            if is_round:
                ends = [(x, y, 0), (x, y, height)]
                model += shapes.loft(ends, [side / 2] * 2, coat, 20)
            else:
                model += shapes.box((*low, 0), (*high, height - 0.001), coat, CELL)
    return model


def _is_clear(low, high, camera: Camera, obstacles: list, space=EYE_SPACE) -> bool:
    eye = camera.position[:2]
    if np.linalg.norm(np.clip(eye, low, high) - eye) < space:
        return False
    return all((high < a).any() or (low > b).any() for a, b in obstacles)


def _furnish(draws, walls, size, camera, obstacles, is_office) -> Model:
    """Furniture along the walls and free in the room."""
    model: Model = []
    along = int(draws.integers(0, 2 if is_office else 4))
    for _ in range(along):
        makers = furniture.AGAINST_WALLS
        piece = makers[draws.integers(len(makers))](draws)
        model += _against_wall(
            draws, piece, walls[draws.integers(3)], camera, obstacles
        )
    free = int(draws.integers(0, 2))
    for _ in range(free):
        makers = furniture.IN_THE_MIDDLE
        piece = makers[draws.integers(len(makers))](draws)
        piece = moved_to(
            piece, (0, 0), draws.choice([0, 90, 180, 270]) + draws.normal(0, 4)
        )
        low, high = shapes.bounds(piece)
        half = (high - low)[:2] / 2 + 0.1
        if (2 * half > size[:2]).any():
            continue
        place = draws.uniform(half, size[:2] - half)
        shifted = moved_to(piece, place - (high + low)[:2] / 2, 0)
        low, high = place - half + 0.1, place + half - 0.1
        if _is_clear(low, high, camera, obstacles, 2.0):
            obstacles.append((low, high))
            model += shifted
    return model


def moved_to(model: Model, place, turn: float) -> Model:
    """A standing model turned [degrees] and put at a place on the floor."""
    return shapes.moved(model, (*place, 0), shapes.turn_z(turn))


def _against_wall(draws, piece: Model, wall: Wall, camera, obstacles) -> Model:
    piece = shapes.moved(piece, rotation=wall.turned())
    low, high = shapes.bounds(piece)
    extent = high - low
    wide, deep = (np.abs(v @ extent) for v in (wall.along, wall.inward))
    if wide + 0.2 > wall.length:
        return []
    a = draws.uniform(wide / 2 + 0.05, wall.length - wide / 2 - 0.05)
    span = (a - wide / 2, a + wide / 2)
    if any(span[0] < high and span[1] > low for low, high in wall.full):
        return []
    middle = wall.at(a, 0, deep / 2 + 0.04)
    half = extent[:2] / 2
    if not _is_clear(middle[:2] - half, middle[:2] + half, camera, obstacles):
        return []
    obstacles.append((middle[:2] - half, middle[:2] + half))
    return shapes.moved(piece, (*(middle[:2] - (high + low)[:2] / 2), 0))


def _ceiling_lamps(draws, size, is_office, look: Glazing) -> tuple[Model, list[Lights]]:
    """Lit panels, spots or a pendant; off on some bright days."""
    width, depth, height = size
    is_day = look.brightness > 1
    power = draws.choice([0.0, 0.6, 1.5, 3.0]) if is_day else draws.uniform(1, 3)
    warm = colours.hsv(0.11, draws.uniform(0, 0.35), 1.0)
    colour = linear(warm)
    # A pane: its own light must get out of a globe.
    glow = Material([warm, warm], emission=max(8 * power, 0.3), is_pane=True)
    kind = draws.random()
    if is_office and kind < 0.75:
        shape = [(0.6, 0.6), (1.2, 0.3), (0.2, 0.2), (1.2, 0.6)][draws.integers(4)]
        shape = shape if draws.random() < 0.5 else shape[::-1]
        gap = draws.uniform(1.6, 2.8)
        quads = [
            (
                vector(x, y, height - 0.012),
                vector(0, shape[1], 0),
                vector(shape[0], 0, 0),
            )
            for x in np.arange(gap / 2, width - shape[0], gap)
            for y in np.arange(gap / 2, depth - shape[1], gap)
        ]
        model = [quad(*q, glow) for q in quads]
        area = sum(np.prod(shape) for _ in quads)
        strength = 2.5 * power * width * depth / max(area, 0.1) * 0.5
        return model, [Lights.of(quads, colour * strength)] if power else []
    drop = draws.uniform(0.0, 0.5) if height > 2.5 else 0.0
    places = (
        [(width / 2, depth * 0.55)]
        if not is_office
        else [
            (x, y)
            for x in (width * 0.3, width * 0.7)
            for y in np.arange(1.5, depth, 2.5)
        ]
    )
    r, bulbs, model = draws.uniform(0.08, 0.17), [], []
    cord = colours.plastic(draws)
    for x, y in places:
        z = height - drop - r
        model += shapes.ellipsoid((x, y, z), (r, r, r * 0.8), glow, 12)
        if drop > 0.1:
            model += shapes.pole((x, y, z + r * 0.7), (x, y, height), 0.008, cord)
        bulbs.append((x, y, z))
    strength = 2.5 * power * width * depth / len(places) * 0.5
    return model, [Lights.bulbs(bulbs, colour * strength)] if power else []


def _daylight(draws, walls: list[Wall], look: Glazing, size) -> list[Lights]:
    """Sky through the panes, and sometimes the sun."""
    panes = [pane for wall in walls for pane in wall.panes]
    if not panes:
        # No window in sight: some light comes from behind the camera.
        width, _, height = size
        corner = vector(width * 0.8, 0.02, height * 0.3)
        opening = (corner, vector(-width * 0.6, 0, 0), vector(0, 0, height * 0.5))
        return [Lights.of([opening], linear(np.ones(3)) * draws.uniform(0.5, 3))]
    colour = linear(look.ramp).mean(0) * look.brightness * 2
    lights = [Lights.of(panes, colour)]
    if look.brightness > 1 and draws.random() < 0.35:
        wall = next(wall for wall in walls if wall.panes)
        side, up = draws.uniform(-0.8, 0.8), draws.uniform(0.35, 1.1)
        towards = -wall.inward + side * wall.along + vector(0, 0, up)
        warm = linear(colours.hsv(0.1, draws.uniform(0.05, 0.25), 1.0))
        lights.append(Lights.sun(towards, size / 2, warm * draws.uniform(2, 8)))
    return lights
