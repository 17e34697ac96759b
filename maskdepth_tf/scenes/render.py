"""A room, lit and seen by a camera.

Lighting is kept in layers, one for each group of lamps and one for light off other
surfaces, with the samples that it was made from: a figure's shadow is then a share of
each layer, found by asking which of the samples the figure blocks.
"""

from dataclasses import dataclass

import numpy as np

from maskdepth_tf.scenes import light
from maskdepth_tf.scenes.raycast import Camera, Hits, Scene, pixel_means
from maskdepth_tf.scenes.shapes import Draws

ROOM_SAMPLES = 2
"""Rays along each side of a pixel."""
GATHER_SAMPLES = 3
"""Directions in which each ray's end looks for light off other surfaces."""
SKIN = 3e-3
"""How far off a surface its shadow rays start [m]."""


@dataclass(frozen=True, eq=False)
class View:
    """A lit room as a camera sees it with N rays.

    Attributes:
        scene: The room.
        camera: Who sees it.
        groups: What lights it.
        received: float [T, 3], light on each of its triangles.
        size: Side of the picture [pixels].
        hits: What the rays meet.
        depth: float [size, size], mean depth over each pixel [m].
        own: float [N, 3], glow.
        layers: float [N, G + 1, 3], light of each group, then light off other
            surfaces, all as the colours there send it on.
        targets: One float [N, 3] a group, sampled points.
        weights: One float [N] a group, light from there.
        ways: float [GATHER_SAMPLES, N, 3], sampled directions.
        smooth: Averages over rays that meet one surface.
    """

    scene: Scene
    camera: Camera
    groups: list[light.Lights]
    received: np.ndarray
    size: int
    hits: Hits
    depth: np.ndarray
    own: np.ndarray
    layers: np.ndarray
    targets: list[np.ndarray]
    weights: list[np.ndarray]
    ways: np.ndarray
    smooth: light.Smoother

    def radiance(self, left: np.ndarray | float = 1.0) -> np.ndarray:
        """What the camera sees, float [size, size, 3], linear.

        Args:
            left: float [N, G + 1], share of each layer that no shadow takes.
        """
        shares = np.broadcast_to(left, self.layers.shape[:2])
        seen = self.own + np.einsum("nk,nkc->nc", shares, self.layers)
        return pixel_means(seen, self.size, self.size, ROOM_SAMPLES)


def footprint(camera: Camera, depth: np.ndarray, size: int, samples: int):
    """Side of what a ray stands for [m]."""
    return depth * (2 * camera.slope / size / samples)


def render_room(
    scene: Scene, camera: Camera, groups: list[light.Lights], size: int, draws: Draws
) -> View:
    """Lights a room and sees it through a camera.

    Args:
        scene: The room, closed on all sides.
        camera: Inside the room.
        groups: What lights it.
        size: Side of the picture [pixels].
        draws: Source of randomness.
    """
    received, side = light.radiosity(scene, groups, draws), size * ROOM_SAMPLES
    eye = camera.position.astype(np.float32)
    hits = scene.cast(eye, camera.grid((0, 0, size, size), ROOM_SAMPLES, size))
    points = hits.position + SKIN * hits.facet
    targets, weights = [], []
    lit: list[np.ndarray] = []
    for group in groups:
        (numbers,) = light.interleaved(draws, side, 1, 3)
        target, weight = group.sample(points, hits.normal, numbers)
        reached = np.flatnonzero(weight > 0)
        weight[reached[scene.blocks(points[reached], target[reached])]] = 0
        targets.append(target)
        weights.append(weight)
        lit.append(weight[:, None] * group.colour.astype(np.float32))
    numbers = light.interleaved(draws, side, GATHER_SAMPLES, 2)
    ways = np.stack([light.hemisphere(hits.normal, n) for n in numbers])
    gathered = [light.gather(scene, points, way, received) for way in ways]
    lit.append(np.mean(gathered, 0))
    smooth = light.Smoother(hits.position, hits.facet, hits.depth, side)
    colour = scene.colour(hits, footprint(camera, hits.depth, size, ROOM_SAMPLES))
    layers = smooth(np.concatenate(lit, 1)).reshape(len(points), -1, 3)
    # A ray may slip out between two walls: it ends where the farthest other one does.
    depth = np.minimum(hits.depth, hits.depth[hits.triangle >= 0].max(initial=0.0))
    depth = pixel_means(depth, size, size, ROOM_SAMPLES)[..., 0]
    own = colour * scene.emission[hits.triangle, None]
    layers = layers * colour[:, None]
    return View(
        *(scene, camera, groups, received, size, hits, depth, own, layers),
        *(targets, weights, ways, smooth),
    )
