"""A room, lit and seen by a camera.

Lighting is kept in layers, one for each group of lamps, with the samples that it was
made from: a figure's shadow is then a share of each layer, found by asking which of
the samples the figure blocks.
"""

from dataclasses import dataclass

import numpy as np

from maskdepth_tf.scenes import light, shapes
from maskdepth_tf.scenes.raycast import FAR, Camera, Hits, Scene, pixel_means

ROOM_SAMPLES = 2
"""Rays along each side of a pixel, for the room's colours and depth."""
LIGHT_SAMPLES = 4
GATHER_SAMPLES = 12
SKIN = 3e-3
"""How far off a surface its shadow rays start [m]."""


@dataclass(frozen=True, eq=False)
class View:
    """A lit room as a camera sees it.

    Attributes:
        scene: The room.
        camera: Who sees it.
        groups: What lights it.
        received: float [T, 3], light on each of its triangles.
        size: Side of the picture [pixels].
        centres: What rays through pixel centres meet, `size` squared.
        depth: float [size, size], mean depth over each pixel [m].
        own: float [size, size, 3], glow and reflections.
        direct: One float [size, size, 3] a group, light of it that is sent on.
        ambient: float [size, size, 3], the same for light off other surfaces.
        targets: One float [LIGHT_SAMPLES, size**2, 3] a group, sampled points.
        weights: One float [LIGHT_SAMPLES, size**2] a group, light from there.
        ways: float [GATHER_SAMPLES, size**2, 3], sampled directions.
        smooth: Averages over pixels of one surface.
    """

    scene: Scene
    camera: Camera
    groups: list[light.Lights]
    received: np.ndarray
    size: int
    centres: Hits
    depth: np.ndarray
    own: np.ndarray
    direct: list[np.ndarray]
    ambient: np.ndarray
    targets: list[np.ndarray]
    weights: list[np.ndarray]
    ways: np.ndarray
    smooth: light.Smoother

    @property
    def radiance(self) -> np.ndarray:
        """The room alone, float [size, size, 3], linear."""
        return self.own + self.ambient + sum(self.direct)


def footprint(camera: Camera, depth: np.ndarray, size: int, samples: int):
    """Side of what a ray stands for [m]."""
    return depth * (2 * camera.slope / size / samples)


def render_room(
    scene: Scene,
    camera: Camera,
    groups: list[light.Lights],
    size: int,
    draws: np.random.Generator,
) -> View:
    """Lights a room and sees it through a camera.

    Args:
        scene: The room, closed on all sides.
        camera: Inside the room.
        groups: What lights it.
        size: Side of the picture [pixels].
        draws: Source of randomness.
    """
    received = light.radiosity(scene, groups, draws)
    eye = camera.position.astype(np.float32)
    centres = scene.cast(eye, camera.grid((0, 0, size, size), 1, size))
    points = centres.position + SKIN * centres.facet
    targets, weights = [], []
    for group in groups:
        numbers = light.interleaved(draws, size, LIGHT_SAMPLES, 3)
        t, w = _sample_lights(group, scene, points, centres.normal, numbers)
        targets.append(t)
        weights.append(w)
    numbers = light.interleaved(draws, size, GATHER_SAMPLES, 2)
    ways = np.stack([light.hemisphere(centres.normal, n) for n in numbers])
    gathered = sum(light.gather(scene, points, w, received) for w in ways)
    lit = [
        *(
            w.mean(0)[:, None] * group.colour.astype(np.float32)
            for group, w in zip(groups, weights, strict=True)
        ),
        gathered / GATHER_SAMPLES,
        _mirrored(scene, centres, eye, received, draws),
    ]
    smooth = _smoother(centres, size)
    layers = smooth(np.concatenate(lit, 1).reshape(size, size, -1))
    layers = layers.reshape(size * size, -1, 3)
    depth, own, sent = _seen_finely(scene, camera, centres, layers, size)
    return View(
        *(scene, camera, groups, received, size, centres, depth, own),
        *(sent[:-1], sent[-1], targets, weights, ways, smooth),
    )


def _seen_finely(scene: Scene, camera: Camera, centres: Hits, layers, size: int):
    """Depth, glow with reflections, and each layer of light times the colours.

    Args:
        scene: The room.
        camera: Who sees it.
        centres: What rays through pixel centres meet.
        layers: float [N, G + 1, 3], light at the pixel centres; the last is mirrored.
        size: Side of the picture [pixels].
    """
    eye = camera.position.astype(np.float32)
    fine = scene.cast(eye, camera.grid((0, 0, size, size), ROOM_SAMPLES, size))
    nearest = _matching_pixels(fine, centres, size)
    colour = scene.colour(fine, footprint(camera, fine.depth, size, ROOM_SAMPLES))
    glow = colour * scene.glow(fine)[:, None] + layers[nearest, -1]

    def mean(values: np.ndarray) -> np.ndarray:
        return pixel_means(values, size, size, ROOM_SAMPLES)

    count = layers.shape[1] - 1
    sent = [mean(layers[nearest, k] * colour) for k in range(count)]
    # A ray may slip out between two walls: it ends where the farthest other one does.
    met = fine.depth < FAR
    depth = np.where(met, fine.depth, fine.depth[met].max(initial=0.0))
    return mean(depth[:, None])[..., 0], mean(glow), sent


def _sample_lights(group, scene, points, normals, draws):
    """Points on lamps and unblocked light, [K, N, 3] and [K, N]."""
    targets, weights = [], []
    for numbers in draws:
        t, w = group.sample(points, normals, numbers)
        lit = np.flatnonzero(w > 0)
        w[lit[scene.blocks(points[lit], t[lit])]] = 0
        targets.append(t)
        weights.append(w)
    return np.stack(targets), np.stack(weights)


def _mirrored(scene: Scene, hits: Hits, eye, received, draws) -> np.ndarray:
    """Light that shiny surfaces mirror, float [N, 3]."""
    result = np.zeros((len(hits.depth), 3), np.float32)
    strength = scene.mirror[scene.material[hits.triangle]]
    shiny = np.flatnonzero(strength > 0)
    if not len(shiny):
        return result
    normal = hits.normal[shiny]
    way = shapes.unit(hits.position[shiny] - eye)
    cosine = -shapes.dot(way, normal)[:, None]
    fresnel = strength[shiny, None] + (1 - strength[shiny, None]) * (
        0.6 * (1 - np.clip(cosine, 0, 1)) ** 5
    )
    origin = hits.position[shiny] + SKIN * hits.facet[shiny]
    for _ in range(2):
        rough = 0.05 * draws.standard_normal(normal.shape)
        bounced = way + 2 * cosine * normal + rough
        met = scene.cast(origin, shapes.unit(bounced).astype(np.float32))
        colour = scene.colour(met, 0.02 + 0.03 * np.minimum(met.depth, 20))
        sent = colour * (scene.glow(met)[:, None] + received[met.triangle])
        result[shiny] += np.where((met.triangle < 0)[:, None], 0, fresnel * sent) / 2
    return result


def _smoother(centres: Hits, size: int) -> light.Smoother:
    shape = (size, size, -1)
    return light.Smoother(
        centres.position.reshape(shape),
        centres.facet.reshape(shape),
        centres.depth.reshape(size, size),
    )


def _matching_pixels(fine: Hits, centres: Hits, size: int) -> np.ndarray:
    """For each fine ray, the pixel nearby whose centre met the same surface."""
    s = ROOM_SAMPLES
    index = np.arange(size * s)
    own, side = index // s, np.where(index % s < s / 2, -1, 1)
    other = np.clip(own + side, 0, size - 1)
    best = np.full(size * s * size * s, 0)
    least = np.full(len(best), np.inf)
    for rows in (own, other):
        for columns in (own, other):
            pixel = (rows[:, None] * size + columns).ravel()
            off = centres.position[pixel] - fine.position
            gap = np.abs(shapes.dot(off, fine.facet)) / fine.depth
            turn = 1 - shapes.dot(centres.facet[pixel], fine.facet)
            cost = 20 * gap + turn + 0.1 * shapes.length(off) / fine.depth
            better = cost < least
            best[better], least[better] = pixel[better], cost[better]
    return best
