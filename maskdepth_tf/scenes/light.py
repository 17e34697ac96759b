"""Light: from lamps, windows and sun, once off every surface, and seen by a camera.

    seen = glow + colour * (light of each group + light off other surfaces)

A group is all lamps of one kind, so that its shadows can be told apart. Each ray of a
camera samples light a few times only, which is then smoothed along surfaces.
"""

from dataclasses import dataclass, replace

import numpy as np

from maskdepth_tf.scenes import shapes
from maskdepth_tf.scenes.raycast import Scene
from maskdepth_tf.scenes.shapes import Draws

NEAREST = 0.3
"""Distance to a lamp under which light grows no more [m]."""


@dataclass(frozen=True, eq=False)
class Lights:
    """A group of parallelograms that shine.

    Attributes:
        corners: float [L, 3].
        edges_u: float [L, 3].
        edges_v: float [L, 3].
        facing: float [L, 3], unit normal on the side that shines; 0 shines all ways.
        colour: float [3], radiance.
        bound: float, most light that a lamp gives a point, against bright specks.
    """

    corners: np.ndarray
    edges_u: np.ndarray
    edges_v: np.ndarray
    facing: np.ndarray
    colour: np.ndarray
    bound: float = 30.0

    @classmethod
    def of(cls, quads, colour, bound: float = 30.0) -> "Lights":
        """Lights from (corner, edge_u, edge_v) triples that shine along the normal."""
        corners, us, vs = (np.array(c, float) for c in zip(*quads, strict=True))
        facing = shapes.unit(shapes.cross(us, vs))
        return cls(corners, us, vs, facing, np.asarray(colour, float), bound)

    @classmethod
    def sun(cls, towards: np.ndarray, room_centre: np.ndarray, colour) -> "Lights":
        """The sun: a far square, slightly larger than the real one, `colour` strong.

        Args:
            towards: Direction to the sun.
            room_centre: A point in the room.
            colour: Light on a surface square to it, [3].
        """
        towards = shapes.unit(towards)
        u = shapes.unit(shapes.cross(towards, shapes.vector(0, 0, 1)))
        v = shapes.cross(towards, u)
        distance, side = 60.0, 1.6
        corner = room_centre + towards * distance - (u + v) * side / 2
        radiance = np.asarray(colour) * distance**2 / side**2 * np.pi
        sun = cls.of([(corner, u * side, v * side)], radiance, 1e9)
        return replace(sun, facing=-towards[None])

    @classmethod
    def bulbs(cls, centres, colour, radius: float = 0.08) -> "Lights":
        """Small lamps that shine all ways."""
        centres = np.asarray(centres, float)
        u = np.broadcast_to(shapes.vector(radius, 0, 0), centres.shape)
        v = np.broadcast_to(shapes.vector(0, radius, 0), centres.shape)
        colour = np.asarray(colour, float) / radius**2
        return cls(centres - (u + v) / 2, u, v, np.zeros_like(centres), colour)

    def sample(
        self, points: np.ndarray, normals: np.ndarray, draws: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A point on a lamp for each point, and the light it would send unblocked.

        Args:
            points: [N, 3].
            normals: [N, 3].
            draws: [N, 3] uniform numbers.

        Returns:
            targets: float32 [N, 3].
            weights: float32 [N]; times `colour` it is light, as a share of 1 that a
                white surface sends back.
        """
        areas = shapes.length(shapes.cross(self.edges_u, self.edges_v))
        ends = np.cumsum(areas) / areas.sum()
        lamp = np.minimum(np.searchsorted(ends, draws[:, 0]), len(areas) - 1)
        columns = (self.corners, self.edges_u, self.edges_v, self.facing)
        corner, u, v, facing = (c.astype(np.float32)[lamp] for c in columns)
        targets = corner + u * draws[:, 1:2] + v * draws[:, 2:3]
        way = targets - points
        squared = shapes.dot(way, way)
        way /= np.sqrt(squared)[:, None] + 1e-9
        cosine = np.maximum(shapes.dot(way, normals), 0)
        if self.facing.any():
            cosine = cosine * np.maximum(-shapes.dot(way, facing), 0)
        weights = areas.sum() / np.pi * cosine / np.maximum(squared, NEAREST**2)
        return targets, np.minimum(weights, self.bound).astype(np.float32)


def hemisphere(normals: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Directions around normals, denser near them (by the cosine).

    Args:
        normals: [N, 3], unit.
        draws: [N, 2] uniform numbers.

    Returns:
        [N, 3], unit: a point of the unit sphere around the normal's tip.
    """
    z = 1 - 2 * draws[:, 0]
    angle = 2 * np.pi * draws[:, 1]
    flat = np.sqrt(np.maximum(1 - z * z, 0))
    ball = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], -1)
    return shapes.unit(normals + 0.999 * ball).astype(np.float32)


def stratified(draws: Draws, shape: tuple[int, ...], count: int):
    """Uniform numbers [count, *shape] whose first axis covers [0, 1) evenly."""
    jitter = draws.random((count, *shape), np.float32)
    step = np.arange(count, dtype=np.float32).reshape(-1, *[1] * len(shape))
    jitter[..., 0:1] = (step + jitter[..., 0:1]) / count
    return jitter


def interleaved(draws: Draws, size: int, count: int, dims: int):
    """Numbers [count, size**2, dims] that cover [0, 1) evenly in every 4x4 pixels.

    Averaged over neighbours, they leave far less noise than random ones. They are
    points of the sequence `frac(k * (1/g, 1/g**2, ...))`, with g the root of
    g**(dims + 1) = g + 1.
    """
    g = 2.0
    for _ in range(40):
        g = (1 + g) ** (1 / (dims + 1))
    step = g ** -np.arange(1.0, dims + 1)
    # An order in which pixels next to each other are far apart.
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    tiles = -(-size // 4)
    pixel = np.tile(order, (tiles, tiles))[:size, :size].ravel()
    number = pixel * count + np.arange(count)[:, None]
    return ((draws.random(dims) + number[..., None] * step) % 1).astype(np.float32)


def gather(scene: Scene, origins, directions, received: np.ndarray) -> np.ndarray:
    """Light that comes back along rays, colours taken as each texture's mean.

    Args:
        scene: What the rays meet.
        origins: [N, 3].
        directions: [N, 3].
        received: float [T, 3], light that each triangle receives.

    Returns:
        float32 [N, 3]; 0 for rays that meet nothing.
    """
    triangle = scene.trace(origins, directions)["primID"]
    sent = scene.mean_colour * (received + scene.emission[:, None])
    return np.where((triangle < 0)[:, None], 0, sent[triangle]).astype(np.float32)


def radiosity(scene: Scene, groups: list[Lights], draws: Draws):
    """Light that each triangle of a room receives, directly and off two surfaces.

    Returns:
        float32 [T, 3].
    """
    count, points = len(scene.centres), scene.centres + 2e-3 * scene.normals
    direct = np.zeros((count, 3), np.float32)
    for group in groups:
        for numbers in stratified(draws, (count, 3), 4):
            targets, weights = group.sample(points, scene.normals, numbers)
            weights[scene.blocks(points, targets)] = 0
            direct += weights[:, None] * group.colour / 4
    received = direct
    for _ in range(2):
        bounced = np.zeros_like(direct)
        for numbers in stratified(draws, (count, 2), 6):
            ways = hemisphere(scene.normals, numbers)
            bounced += gather(scene, points, ways, received) / 6
        received = direct + bounced
    return received.astype(np.float32)


class Smoother:
    """Averages over neighbours that lie on the same surface.

    Args:
        positions: float [side**2, 3], what each ray sees.
        normals: float [side**2, 3].
        depth: float [side**2].
        side: Rays in a row and in a column.
    """

    STEPS = (1, 2, 4)
    """Distances to the eight neighbours of each pass [rays]."""

    def __init__(self, positions, normals, depth, side: int) -> None:
        self._square = (side, side, -1)
        positions, normals = (
            positions.reshape(self._square),
            normals.reshape(self._square),
        )
        tolerance = 0.01 * depth.reshape(side, side) + 0.005
        self._passes = []
        for step in self.STEPS:
            weights = []
            for p, n, kernel in zip(
                self._neighbours(positions, step),
                self._neighbours(normals, step),
                (1, 2, 1, 2, 4, 2, 1, 2, 1),
                strict=True,
            ):
                off = shapes.dot(p - positions, normals) / tolerance
                alike = np.maximum(shapes.dot(n, normals), 0) ** 8
                weights.append(kernel * alike * np.exp(-off * off))
            stacked = np.stack(weights)
            self._passes.append((stacked / stacked.sum(0)).astype(np.float32))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Averages: [side**2, C] -> float32 [side**2, C]."""
        average = values.reshape(self._square)
        for step, weights in zip(self.STEPS, self._passes, strict=True):
            total = np.zeros(average.shape, np.float32)
            neighbours = self._neighbours(average, step)
            for weight, neighbour in zip(weights, neighbours, strict=True):
                total += weight[..., None] * neighbour
            average = total
        return average.reshape(values.shape)

    def _neighbours(self, values: np.ndarray, step: int):
        """Views on the values beside each ray, nine times; those of the edge repeat."""
        side, wide = (
            len(values),
            np.pad(values, [(step, step), (step, step), (0, 0)], "edge"),
        )
        for dy in (0, step, 2 * step):
            for dx in (0, step, 2 * step):
                yield wide[dy : dy + side, dx : dx + side]
