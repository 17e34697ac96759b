"""Examples: a figure's place in a room, and the pictures of the two."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.scenes import film, handheld, layers, people, render, rooms, shapes
from maskdepth_tf.scenes.raycast import Camera, Scene
from maskdepth_tf.scenes.rooms import Room
from maskdepth_tf.scenes.shapes import Draws

OWN_NOISE = 0.5
"""Share of the noise's variance that two pictures of one room do not share."""
FRINGE_SHARE = 0.4
"""Share of pasted figures with a light edge, left by the white they were cut from."""
PASTED_SHARE = 0.4
"""Share of figures lit as cut-outs: even light of their own and no shadow."""
FLOATING_SHARE = 0.5
"""Share of the pasted ones that stand on nothing."""
SHADOWLESS_SHARE = 0.1
"""Share of the others that cast no shadow."""
FLOATING_DEPTH = (0.35, 0.9)
"""Depth of a floating figure, as a share of the room's behind it. It is as large as
that makes it: nothing tells the size of a cut-out."""
LEAST_SHARE = 0.5
"""Least longer side of a figure, as a share of the picture's side. Below it most of a
mask is edge at the network's 64 pixels."""
STANDING_ATTEMPTS = 16
FLOATING_ATTEMPTS = 8
COARSE_SIZE = 40
"""Side of the picture on which a place is tried [pixels]."""
COVERAGE = (0.08, 0.5)
"""Accepted share of the picture that the figure covers."""
LEAST_VISIBLE = 0.75
"""Accepted share of the figure in the frame that furniture does not hide."""


class Example(NamedTuple):
    """A row's pictures.

    Attributes:
        fg_bg: uint8 [S, S, 3].
        mask: uint8 [S, S], 255 where the figure covers all of a pixel.
        depth: uint16 [S, S], 0 nearest, 65535 farthest.
        near_m: Depth 0 [m].
        far_m: Depth 65535 [m].
    """

    fg_bg: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    near_m: float
    far_m: float


class Placed(NamedTuple):
    """A figure in the room's coordinates, and whether it is lit as a cut-out."""

    model: shapes.Model
    scene: Scene
    is_pasted: bool
    has_shadow: bool


def place(
    figure: shapes.Model,
    room: Room,
    view: render.View,
    draws: Draws,
    is_real: bool = False,
) -> Placed:
    """Draws places until one shows enough of the figure.

    Args:
        figure: A model on z = 0 around the origin.
        room: Where it goes.
        view: The same room, lit.
        draws: Source of randomness.
        is_real: Whether it stands in the room's light with a shadow, wherever that
            is possible; else some are pasted.
    """
    is_pasted = not is_real and bool(draws.random() < PASTED_SHARE)
    is_floating = is_pasted and bool(draws.random() < FLOATING_SHARE)
    has_shadow = not is_pasted and (is_real or draws.random() > SHADOWLESS_SHARE)
    low, high = shapes.bounds(figure)
    best, best_score = None, -1.0
    for attempt in range(STANDING_ATTEMPTS + FLOATING_ATTEMPTS):
        # What fits nowhere on the floor floats, as a cut-out.
        is_late = attempt >= STANDING_ATTEMPTS
        floats = is_floating or (is_late and not (is_real and best is not None))
        # Later attempts try smaller figures: they fit in more places.
        largest = 1.15 * 0.97**attempt
        share = np.exp(draws.uniform(np.log(LEAST_SHARE), np.log(largest)))
        if floats:
            spot, scale = _float(view, high - low, share, draws)
        else:
            spot, scale = _stand(room, high - low, share, draws), 1.0
        turn = shapes.turn_z(_turn(spot, room, draws))
        if not floats and collides(low, high, spot, turn, room):
            continue
        model = shapes.moved(figure, spot, turn, scale)
        scene = Scene(model)
        score = visibility(scene, view)
        if score > best_score:
            pasted = is_pasted or floats
            best = Placed(model, scene, pasted, has_shadow and not pasted)
            best_score = score
        if score >= 1:
            break
    if best is None:
        raise RuntimeError("no place was tried")
    return best


def _stand(room: Room, extent, share: float, draws: Draws) -> np.ndarray:
    """A point on the floor where a figure is `share` of the picture's side."""
    depth = max(max(extent[2], extent[0]) / (2 * room.camera.slope * share), 0.7)
    right, _, forward = room.camera.axes
    across = draws.uniform(-0.85, 0.85) * room.camera.slope
    flat = (forward + across * right) * [1, 1, 0]
    margin = np.minimum(extent[:2].max() / 2 * 0.8, room.size[:2] / 2 - 0.1)
    spot = room.camera.position * [1, 1, 0] + depth * flat
    spot[:2] = np.clip(spot[:2], margin, room.size[:2] - margin)
    return spot


def _float(view: render.View, extent, share: float, draws: Draws):
    """A point for the foot anywhere in the frame, and the figure's scale."""
    x, y = draws.uniform(-0.9, 0.9, 2)
    column, row = ((1 + np.array([x, -y])) * view.size / 2).astype(int)
    half = int(np.ceil(share * view.size / 2))
    rows, columns = (slice(max(0, at - half), at + half + 1) for at in (row, column))
    depth = view.depth[rows, columns].min() * draws.uniform(*FLOATING_DEPTH)
    slope = view.camera.slope
    scale = 2 * slope * share * depth / max(extent[2], extent[0])
    right, up, forward = view.camera.axes
    way = forward + slope * (x * right + y * up)
    middle = view.camera.position + depth * way
    return middle - [0, 0, scale * extent[2] / 2], float(scale)


def _turn(spot: np.ndarray, room: Room, draws: Draws) -> float:
    """Mostly towards the camera, sometimes any way [degrees]."""
    x, y = (room.camera.position - spot)[:2]
    towards = np.degrees(np.arctan2(-x, y)) + draws.normal(0, 40)
    return draws.uniform(0, 360) if draws.random() < 0.3 else float(towards)


def visibility(scene: Scene, view: render.View) -> float:
    """1 if enough is seen and not too much; less the further from that."""
    seen = layers.visible(scene, view.scene, view.camera, 1, COARSE_SIZE)
    count = len(seen.rays)
    if not count:
        return 0.0
    coverage = count / COARSE_SIZE**2
    low, high = COVERAGE
    enough = min(1.0, coverage / low, high / coverage)
    return enough * min(1.0, count / seen.num_met / LEAST_VISIBLE)


def collides(low, high, spot, turn, room: Room) -> bool:
    """Whether most of a figure's floor is taken by what stands there."""
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.abs(turn)[:2, :2] @ half[:2] * 0.7
    low, high = (spot + turn @ middle)[:2] + np.outer([-1, 1], half)
    return any((high > a).all() and (low < b).all() for a, b in room.obstacles)


class Stage:
    """A lit room, ready for figures.

    Args:
        seed: Seed of the data set.
        number: Number of the room.
        size: Side of all pictures [pixels].
    """

    def __init__(self, seed: int, number: int, size: int) -> None:
        draws = generator(seed, Rendered.ROOM, number)
        self._room = rooms.make_room(draws)
        self._light = copy.deepcopy(draws)
        scene, camera = Scene(shapes.compact(self._room.model)), self._room.camera
        self._view = render.render_room(scene, camera, self._room.lights, size, draws)
        self._radiance = self._view.radiance()
        self._film = film.choose(self._radiance, self._room.brightness, draws)
        self._noise = draws.standard_normal((size, size, 3))

    def background(self) -> np.ndarray:
        """The room alone, uint8 [S, S, 3]."""
        return self._film.develop(self._radiance, self._noise)

    def taken_again(self, draws: Draws) -> "Stage":
        """The room by a camera that a hand has moved, see `handheld`."""
        again, view = copy.copy(self), self._view
        camera = handheld.moved(view.camera, draws)
        again._room = replace(self._room, camera=camera)
        # The same samples: light on a surface is no other because it is seen again.
        light, lamps = copy.deepcopy(self._light), self._room.lights
        again._view = render.render_room(view.scene, camera, lamps, view.size, light)
        again._radiance = again._view.radiance()
        again._film = handheld.exposed(self._film, draws)
        again._noise = draws.standard_normal(self._noise.shape)
        return again

    def example(
        self, figure: shapes.Model, draws: Draws, is_real: bool = False
    ) -> Example:
        """Puts a figure into the room, where and how `draws` say; as `place`."""
        placed = place(figure, self._room, self._view, draws, is_real)
        return self._taken(placed, self._noise, draws)

    def walk(
        self,
        figure: shapes.Model,
        draws: Draws,
        steps: Iterable[tuple[float, float]],
    ) -> Iterator[Example]:
        """Films a figure that moves.

        Args:
            figure: It.
            draws: Source of randomness.
            steps: For each frame how far it has gone to the right, in shares of the
                picture's width, and how far it has turned, in degrees.
        """
        camera = self._room.camera
        placed = place(figure, self._room, self._view, draws, is_real=True)
        low, high = shapes.bounds(placed.model)
        middle = (low + high) / 2 * [1, 1, 0]
        right, _, forward = camera.axes
        across = 2 * camera.slope * float((middle - camera.position) @ forward) * right
        centred = shapes.moved(placed.model, -middle)
        for step, degrees in steps:
            place_now = middle + step * across * [1, 1, 0]
            model = shapes.moved(centred, place_now, shapes.turn_z(degrees))
            noise = draws.standard_normal(self._noise.shape)
            yield self._taken(placed._replace(scene=Scene(model)), noise, draws)

    def _taken(self, placed, noise, draws) -> Example:
        """A picture of a figure in its place."""
        view = self._view
        layer = layers.render_figure(placed.scene, view, placed.is_pasted, draws)
        behind = self._radiance
        if placed.has_shadow:
            behind = layers.shadowed(placed.scene, view)
        mask = layer.mask[..., None]
        if placed.is_pasted:
            front = self._as_pasted(layer, draws)
        else:
            own = draws.standard_normal(noise.shape)
            noise = (1 - OWN_NOISE) ** 0.5 * noise + OWN_NOISE**0.5 * own
            front = layer.colour
        picture = self._film.develop((1 - mask) * behind + front, noise)
        metres = (1 - layer.mask) * view.depth + layer.depth
        near, far = float(metres.min()), float(metres.max())
        depth = np.rint(65535 * (metres - near) / max(far - near, 1e-6))
        mask8 = np.rint(255 * layer.mask).astype(np.uint8)
        return Example(picture, mask8, depth.astype(np.uint16), near, far)

    def _as_pasted(self, layer: layers.Layer, draws) -> np.ndarray:
        """The figure's light as if it had been exposed elsewhere."""
        gain = draws.uniform(0.6, 2.2) / self._film.exposure
        front = layer.colour * gain / self._film.balance
        if draws.random() < FRINGE_SHARE:
            edge = layer.mask * (1 - layer.mask)
            front = front + (edge * draws.uniform(0.5, 3) * gain)[..., None]
        return front


class Pair(NamedTuple):
    """Two pictures of a room that a hand took, before JPEG.

    Attributes:
        bg: uint8 [S, S, 3], the room alone.
        fg_bg: uint8 [S, S, 3], the room with a figure, by a camera that has moved.
        mask: uint8 [S, S], where the figure is in `fg_bg`; 255 covers all of a pixel.
    """

    bg: np.ndarray
    fg_bg: np.ndarray
    mask: np.ndarray


def pair(seed: int, size: int) -> Pair:
    """Takes two pictures of a room by hand, a figure in the second.

    Args:
        seed: Decides everything; not negative.
        size: Side of the pictures [pixels].
    """
    first, draws = Stage(seed, 0, size), generator(seed, Rendered.SECOND, 0)
    figure = shapes.compact(people.figure(generator(seed, Rendered.FIGURE, 0)))
    second = first.taken_again(draws).example(figure, draws, is_real=True)
    return Pair(first.background(), second.fg_bg, second.mask)


def cutout(figure: shapes.Model, size: int, draws: Draws) -> np.ndarray:
    """A figure alone in even light, uint8 [h, w, 4], its longer side `size` at most.

    Args:
        figure: A model on z = 0 around the origin.
        size: Side of the picture it fits into [pixels].
        draws: Source of randomness.
    """
    low, high = shapes.bounds(figure)
    middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    field_of_view, distance = 30.0, 1.05 * reach / np.sin(np.radians(15.0))
    eye = middle + [0, distance, 0.2 * distance]
    camera = Camera.looking(eye, 180, -np.degrees(np.arctan(0.2)), 0, field_of_view)
    turned = shapes.moved(figure, -middle, shapes.turn_z(draws.normal(0, 25)))
    scene = Scene(shapes.moved(turned, middle))
    mask, colour, _ = layers.render_alone(scene, camera, size, draws)
    studio = film.Film(1.3, np.ones(3), 0.2, 1.0, 0.0, 0.0, 0.0)
    colour = studio.curve(colour / np.maximum(mask, 1e-6)[..., None])
    pixels = np.concatenate([colour, mask[..., None]], -1)
    rows, columns = np.nonzero(mask)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    return np.rint(255 * pixels[box]).astype(np.uint8)
