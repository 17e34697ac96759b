"""Rooms: walls with windows and doors, floor, lamps, furniture, and a camera.

A wall is built in its own coordinates: x along it, seen from inside from left to
right, z up, and the room at y < 0, all in metres. Then it is moved to its place.
"""

from dataclasses import dataclass, replace

import numpy as np

from maskdepth_tf.scenes import furniture, materials, shapes
from maskdepth_tf.scenes.light import Lights
from maskdepth_tf.scenes.materials import hsv, paint
from maskdepth_tf.scenes.raycast import Camera, linear
from maskdepth_tf.scenes.shapes import Draws, Material, Model, Part, moved, quad, vector

OFFICE_SHARE = 0.5
"""Share of rooms that are large and nearly empty, as offices to let are."""
EYE_SPACE = 1.5
"""Least distance from the camera to furniture [m]."""
CELL = 0.7
"""Side of the cells that light is gathered on [m]."""
FLOORS = "planks", "planks", "carpet", "carpet tiles", "tiles", "clouds", "noise"


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
    limits = ([5, 6, 2.6], [12, 15, 3.8]) if is_office else ([3, 3.8, 2.4], [6, 7.5, 3])
    width, depth, height = size = draws.uniform(*limits)
    camera, sky = _camera(draws, size, 88 if is_office else 80), _sky(draws)
    model = _floor_and_ceiling(draws, size, is_office)
    # Far, left, right and near wall: left lower corner, turn, length.
    places = [((0, depth, 0), 0, width), ((0, 0, 0), 90, depth)]
    places += [((width, depth, 0), -90, depth), ((width, 0, 0), 180, width)]
    coats = [paint(materials.wall(draws))] * 4
    if draws.random() < 0.35:
        kind = str(draws.choice(["tiles", "stripes", "planks", "clouds", "plain"]))
        colour = materials.any_colour(draws)
        shades, scale = draws.uniform([0.2, 0.8], [0.6, 2])
        accent = materials.material(draws, colour, shades, kind, scale)
        coats[draws.integers(3)] = accent
    num_open = draws.choice([0, 1, 1, 1, 2, 2, 3])
    has_windows = [*(draws.permutation(3) < num_open), False]
    for k, (start, turn, length) in enumerate(places):
        view, busy = sky if has_windows[k] else None, 0.3 if is_office else 0.75
        wall = make_wall(draws, length, height, coats[k], view, busy)
        model += moved(wall, start, shapes.turn_z(turn))
    obstacles: list[tuple[np.ndarray, np.ndarray]] = []
    panes = [part for part in model if part.material is sky]
    model += _furnish(draws, places, size, camera, obstacles, 2 if is_office else 4)
    lamps, lights = _ceiling_lamps(draws, size, is_office, sky.emission > 1)
    lights += daylight(draws, panes, sky, size)
    brightness = float(np.clip(draws.normal(0.63, 0.1), 0.33, 0.82))
    return Room(model + lamps, lights, camera, size, obstacles, brightness)


def _camera(draws: Draws, size: np.ndarray, widest: float) -> Camera:
    """Draws a camera near one end of the room that looks at the other."""
    width, depth, height = size
    x, to_x = width * draws.uniform(0.15, 0.85, 2)
    to_y = depth * draws.uniform(0.7, 1)
    y = draws.uniform(0.25, min(1.6, 0.25 * depth))
    z = np.clip(draws.normal(1.45, 0.22), 0.9, height - 0.4)
    yaw = -np.degrees(np.arctan2(to_x - x, to_y - y))
    pitch, roll = draws.normal(-4, 5), draws.normal(0, 1.2)
    return Camera.looking((x, y, z), yaw, pitch, roll, draws.uniform(50, widest))


def make_wall(draws: Draws, length, height, coat, sky: Material | None, busy) -> Model:
    """A wall with windows, if there is a sky, maybe a door and pictures."""
    model, low, high, windows = [], height, height, np.zeros((0, 2))
    if sky is not None:
        low, high, windows = _window_row(draws, length, height)
        frame = paint(materials.neutral(draws))
        for left, right in windows:
            model += _window(left, right, low, high, sky, frame)
    ends = [0.0, *windows.ravel(), length]
    rectangles = [(0.0, length, 0.0, low), (0.0, length, high, height)]
    piers = zip(ends[::2], ends[1::2], strict=True)
    rectangles += [(*pier, low, high) for pier in piers]
    for left, right, foot, top in rectangles:
        if min(right - left, top - foot) > 1e-6:
            model.append(_panel(left, right, foot, top, 0, coat, step=CELL))
    taken = list(windows)
    if draws.random() < 0.4:
        wide, leaf = draws.choice([0.9, 1.7]), materials.finish(draws)
        model += hang(draws, taken, length, wide, 0, min(2.1, height - 0.1), leaf)
    for _ in range(draws.integers(1, 4) if draws.random() < busy else 0):
        wide, top = draws.uniform([0.3, 1.7], [1.3, 2.2])
        art = materials.printed(draws, "print", 5)
        model += hang(draws, taken, length, wide, 1.3, top, art)
    return model


def _panel(left, right, low, high, out: float, material: Material, **how) -> Part:
    """A rectangle parallel to the wall, as far in front of it as `out`, facing it."""
    across, up = vector(right - left, 0, 0), vector(0, 0, high - low)
    return quad(vector(left, -out, low), across, up, material, **how)


def _window_row(draws: Draws, length: float, height: float):
    """Lower and upper end of a wall's windows, and their sides, [N, 2]."""
    low, high = draws.uniform([0.75, 2.0], [1.1, 2.3])
    width, gap, most = draws.uniform(0.8, 1.8), draws.uniform(0.3, 1.2), 4
    if draws.random() < 0.5:
        # A strip of windows, or a glass front.
        gap, most, high = 0.0, 99, height - draws.uniform(0.1, 0.4)
        low *= draws.choice([0.06, 1])
    step = width + gap
    most = int(draws.integers(1, most + 1))
    count = max(1, min(int((length - 0.4) / step), most))
    starts = (length - count * step + gap) / 2 + np.arange(count) * step
    return low, high, np.stack([starts, starts + width], -1)


def _window(left, right, low, high, sky: Material, frame: Material) -> Model:
    """A pane and its frame."""
    pane = _panel(left, right, low, high, 0, sky, fit=True)
    # All windows of a wall show one view, 4 m a tile.
    uv = pane.uv * [(right - left) / 4, 0.9] + [left / 4, 0.05]
    model, f = [pane._replace(uv=uv)], 0.05
    for x in (left, (left + right - f) / 2, right - f):
        model += shapes.box((x, -f, low), (x + f, 0, high), frame)
    for z in (low, high - f):
        model += shapes.box((left, -f, z), (right, 0, z + f), frame)
    return model


def hang(draws: Draws, taken, length, width, low, high, material: Material) -> Model:
    """A framed picture or a door, nothing if no place beside `taken` is found."""
    for _ in range(6):
        left = draws.uniform(0.1, length)
        right = left + width
        if right < length and all(right < a or left > b for a, b in taken):
            taken.append((left - 0.1, right + 0.1))
            foot = (left - 0.04, -0.03, max(low - 0.04, 0))
            top = (right + 0.04, 0, high + 0.04)
            held = _panel(left, right, low, high, 0.032, material, fit=low > 0)
            return [*shapes.box(foot, top, materials.finish(draws)), held]
    return []


def _floor_and_ceiling(draws: Draws, size: np.ndarray, is_office: bool) -> Model:
    """Floor, ceiling, and in homes sometimes a rug."""
    kind = str(draws.choice(FLOORS))
    colour = hsv(draws.random(), draws.uniform(0.1, 0.5), draws.uniform(0.2, 0.65))
    if kind == "planks":
        colour = materials.pick(draws, materials.WOODS)
    elif draws.random() < 0.7:
        colour = materials.neutral(draws)
    shades, scale = draws.uniform(0.2, 0.6), draws.uniform(1.2, 2.6)
    ground = materials.material(draws, colour, shades, kind, scale)
    white = hsv(0.12, draws.uniform(0, 0.06), draws.uniform(0.85, 0.97))
    cover = materials.finish(draws) if draws.random() < 0.1 else paint(white)
    if is_office and draws.random() < 0.5:
        cover = Material(materials.ramp(white, 0.35), "ceiling", 0, 1.2)
    x, y, z = np.diag(size)
    floor = quad(vector(0, 0, 0), x, y, ground, step=CELL)
    model = [floor, quad(z, y, x, cover, step=CELL)]
    if not is_office and draws.random() < 0.5:
        rug = replace(materials.cloth(draws), scale=draws.uniform(0.6, 2))
        foot, (wide, deep) = (size[0] / 2, size[1] * 0.6, 0), draws.uniform(1.2, 3, 2)
        model += shapes.block(foot, (wide, deep, 0.015), rug)
    return model


def _furnish(draws, places, size, camera, obstacles, most_along: int) -> Model:
    """Furniture along the walls and free in the room, where it fits."""
    model: Model = []
    num_free, num_along = draws.integers(0, [2, most_along])
    for k in range(num_free + num_along):
        kinds, out, space = furniture.ALONG, 0.04, EYE_SPACE
        if k < num_free:
            kinds, out, space = furniture.FREE, draws.uniform(0, min(size[:2])), 2.0
        piece = furniture.piece(draws, kinds)
        start, turn, length = places[draws.integers(3)]
        deep = np.ptp(shapes.bounds(piece), axis=0)[1]
        place = vector(draws.uniform(0, length), -out - deep / 2, 0)
        piece = moved(piece, place, shapes.turn_z(180))
        piece = moved(piece, start, shapes.turn_z(turn))
        low, high = (corner[:2] for corner in shapes.bounds(piece))
        if _is_free(low, high, size, camera, obstacles, space):
            obstacles.append((low, high))
            model += piece
    return model


def _is_free(low, high, size, camera: Camera, obstacles: list, space: float) -> bool:
    """Whether a rectangle of the floor is in the room, empty and far from the eye."""
    gap = np.clip(camera.position[:2], low, high) - camera.position[:2]
    is_far = bool(np.linalg.norm(gap) >= space)
    is_inside = bool((low > 0).all() and (high < size[:2]).all())
    is_empty = all((high < a).any() or (low > b).any() for a, b in obstacles)
    return is_far and is_inside and is_empty


def _ceiling_lamps(draws, size, is_office, is_day) -> tuple[Model, list[Lights]]:
    """Lit panels or a globe; off on some bright days."""
    width, depth, height = size
    power = draws.choice([0.0, 0.6, 1.5, 3.0]) if is_day else draws.uniform(1, 3)
    warm = hsv(0.11, draws.uniform(0, 0.35), 1.0)
    # A pane: its own light must get out of a globe.
    glow = Material([warm, warm], emission=max(8 * power, 0.3), is_pane=True)
    light = 1.25 * power * width * depth * linear(warm)
    if is_office:
        formats = [(0.6, 0.6), (1.2, 0.3), (0.2, 0.2)]
        w, d = draws.permutation(formats[draws.integers(3)])
        gap, across, along = draws.uniform(1.6, 2.8), vector(w, 0, 0), vector(0, d, 0)
        panels = [
            (vector(x, y, height - 0.012), along, across)
            for x in np.arange(gap / 2, width - w, gap)
            for y in np.arange(gap / 2, depth - d, gap)
        ]
        lights = [Lights.of(panels, light / (w * d * len(panels)))]
        return [quad(*panel, glow) for panel in panels], lights if power else []
    radius, drop = draws.uniform(0.08, 0.17), draws.uniform(0, 0.2) * (height - 2)
    bulb = vector(width / 2, depth * 0.55, height - radius - drop)
    model = shapes.ellipsoid(bulb, radius * vector(1, 1, 0.8), glow)
    model += shapes.block(bulb, (0.02, 0.02, radius + drop), paint(hsv(0, 0, 0.2)))
    return model, [Lights.bulbs([bulb], light)] if power else []


def _sky(draws: Draws) -> Material:
    """Draws what windows show, and how bright it is."""
    view = str(draws.choice(["skyline", "skyline", "clouds"]))
    sky = hsv(*draws.uniform([0.52, 0, 1], [0.62, 0.45, 1]))
    low = hsv(*draws.uniform([0.05, 0.1, 0.3], [0.4, 0.5, 0.6]))
    ramp = np.stack([low * 0.6, low, 0.5 * (low + sky), sky, np.ones(3)])
    is_night = draws.random() < 0.08
    glow = draws.uniform(0.02, 0.06) if is_night else draws.uniform(1.5, 6)
    return Material(ramp, view, int(draws.integers(9)), emission=glow, is_pane=True)


def daylight(draws, panes: list[Part], sky: Material, size) -> list[Lights]:
    """Sky through the panes, and sometimes the sun."""
    if not panes:
        # No window in sight: some light comes from behind the camera.
        width, _, height = size
        corner = vector(width * 0.8, 0.02, height * 0.3)
        opening = (corner, vector(-width * 0.6, 0, 0), vector(0, 0, height * 0.5))
        return [Lights.of([opening], np.ones(3) * draws.uniform(0.5, 3))]
    # The corners of a pane's two triangles are a, b, c and a, c, d.
    quads = [(v[0, 0], v[0, 1] - v[0, 0], v[1, 2] - v[0, 0]) for v, *_ in panes]
    colour = linear(np.asarray(sky.ramp)).mean(0) * sky.emission * 2
    lights = [Lights.of(quads, colour)]
    if sky.emission > 1 and draws.random() < 0.35:
        side, up = draws.uniform(-0.8, 0.8), draws.uniform(0.35, 1.1)
        _, across, _ = quads[0]
        towards = side * shapes.unit(across) - panes[0].normals[0, 0] + vector(0, 0, up)
        warm = linear(hsv(0.1, draws.uniform(0.05, 0.25), 1.0))
        lights.append(Lights.sun(towards, size / 2, warm * draws.uniform(2, 8)))
    return lights
