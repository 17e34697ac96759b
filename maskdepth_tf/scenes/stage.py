"""Examples: a room, a figure, and the four pictures of the two."""

from typing import NamedTuple

import numpy as np

from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.scenes import film, layers, placement, render, rooms, shapes
from maskdepth_tf.scenes.raycast import Camera, Scene

OWN_NOISE = 0.5
"""Share of the noise's variance that two pictures of one room do not share."""
FRINGE_SHARE = 0.4
"""Share of pasted figures with a light edge, left by the white they were cut from."""


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
        scene = Scene(shapes.compact(self._room.model))
        self._view = render.render_room(
            scene, self._room.camera, self._room.lights, size, draws
        )
        radiance = self._view.radiance
        self._film = film.choose(radiance, self._room.brightness, draws)
        self._noise = draws.standard_normal((size, size, 3))

    def background(self) -> np.ndarray:
        """The room alone, uint8 [S, S, 3]."""
        return self._film.develop(self._view.radiance, self._noise)

    def example(self, figure: shapes.Model, draws: np.random.Generator) -> Example:
        """Puts a figure into the room, where and how `draws` say."""
        view = self._view
        placed = placement.place(figure, self._room, view, draws)
        layer = layers.render_figure(placed.scene, view, placed.is_pasted, draws)
        behind = view.radiance
        if placed.has_shadow:
            behind = layers.shadowed(placed.scene, view)
        mask, noise = layer.mask[..., None], self._noise
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
        return Example(
            picture,
            np.rint(255 * layer.mask).astype(np.uint8),
            depth.astype(np.uint16),
            near,
            far,
        )

    def _as_pasted(self, layer: layers.Layer, draws) -> np.ndarray:
        """The figure's light as if it had been exposed elsewhere."""
        gain = draws.uniform(0.6, 2.2) / self._film.exposure
        front = layer.colour * gain / self._film.balance
        if draws.random() < FRINGE_SHARE:
            edge = layer.mask * (1 - layer.mask)
            front = front + (edge * draws.uniform(0.5, 3) * gain)[..., None]
        return front


def cutout(figure: shapes.Model, size: int, draws: np.random.Generator) -> np.ndarray:
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
    colour, mask = layers.render_alone(scene, camera, size, draws)
    studio = film.Film(1.3, np.ones(3), 0.2, 1.0, 0.0, 0.0, 0.0)
    shown = studio.curve(colour / np.maximum(mask, 1e-6)[..., None])
    pixels = np.concatenate([shown, mask[..., None]], -1)
    seen_rows, seen_columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    rows = slice(seen_rows[0], seen_rows[-1] + 1)
    columns = slice(seen_columns[0], seen_columns[-1] + 1)
    return np.rint(255 * pixels[rows, columns]).astype(np.uint8)
