"""Figures in a room: what the camera sees of them, and their shadow.

What a figure changes is added to a room that is lit already:

    fg_bg = (1 - mask) * room in the figure's shadow + figure

Outside the mask, `fg_bg` thus differs from `bg` by shadow and by the sensor's noise.
"""

from typing import NamedTuple

import numpy as np

from maskdepth_tf.scenes import light, shapes
from maskdepth_tf.scenes.raycast import Camera, Hits, Scene, pixel_means
from maskdepth_tf.scenes.render import SKIN, View, footprint
from maskdepth_tf.scenes.shapes import Draws

SAMPLES = 3
"""Rays along each side of a pixel: the mask has 3 * 3 + 1 values."""
SHADOW_REACH = 2.5
"""How far a figure keeps light off that comes from other surfaces [m]."""


class Layer(NamedTuple):
    """A figure as the camera sees it.

    Attributes:
        mask: float [size, size], share of each pixel that it covers.
        colour: float [size, size, 3], its light times `mask`, linear.
        depth: float [size, size], its mean depth times `mask` [m].
    """

    mask: np.ndarray
    colour: np.ndarray
    depth: np.ndarray


class Seen(NamedTuple):
    """What rays through a frame see of a figure.

    Attributes:
        box: The frame: left, top, right, bottom [pixels].
        num_met: Rays that meet the figure, hidden or not.
        rays: Numbers of the rays that see it.
        hits: What these meet.
    """

    box: tuple[int, int, int, int]
    num_met: int
    rays: np.ndarray
    hits: Hits


def _frame_of(scene: Scene, camera: Camera, size: int) -> tuple[int, int, int, int]:
    """Box of pixels that holds a figure: left, top, right, bottom."""
    seen = camera.project(scene.corners(), size)
    if (seen[:, 2] < 0.05).any():
        return (0, 0, size, size)
    ends = [np.floor(seen[:, :2].min(0)) - 1, np.ceil(seen[:, :2].max(0)) + 1]
    left, top, right, bottom = np.clip(ends, 0, size).astype(int).ravel().tolist()
    return (left, top, right, bottom)


def visible(
    figure: Scene, room: Scene | None, camera: Camera, samples: int, size: int
) -> Seen:
    """Follows rays through a figure's frame, and finds those that nothing hides.

    Args:
        figure: The figure, where it stands in the room.
        room: What may hide it.
        camera: Who sees it.
        samples: Rays along each side of a pixel.
        size: Side of the picture [pixels].
    """
    box = _frame_of(figure, camera, size)
    directions = camera.grid(box, samples, size)
    eye = camera.position.astype(np.float32)
    hits = figure.cast(eye, directions)
    rays = met = np.flatnonzero(hits.triangle >= 0)
    if room is not None:
        rays = met[hits.depth[met] < room.trace(eye, directions[met])["tfar"]]
    return Seen(box, len(met), rays, hits.take(rays))


def render_figure(figure: Scene, view: View, studio: bool, draws: Draws) -> Layer:
    """Sees a figure in a room.

    Args:
        figure: The figure, where it stands in the room.
        view: The room.
        studio: Lit by even light of its own, as a cut-out is, not by the room.
        draws: Source of randomness.
    """
    seen = visible(figure, view.scene, view.camera, SAMPLES, view.size)
    if studio:
        lit = _studio_light(figure, seen.hits, view.camera, draws)
    else:
        lit = _room_light(figure, seen.hits, view, draws)
    return _layer(figure, seen, lit, view.camera, view.size)


def render_alone(figure: Scene, camera: Camera, size: int, draws: Draws) -> Layer:
    """Sees a figure in even light and in front of nothing."""
    seen = visible(figure, None, camera, SAMPLES, size)
    lit = _studio_light(figure, seen.hits, camera, draws)
    return _layer(figure, seen, lit, camera, size)


def _layer(figure: Scene, seen: Seen, lit, camera: Camera, size: int) -> Layer:
    """The picture of what rays see under the light they receive, and of its shine."""
    front, (received, shine) = seen.hits, lit
    colour = figure.colour(front, footprint(camera, front.depth, size, SAMPLES))
    sent = colour * (received + figure.emission[front.triangle, None]) + shine
    left, top, right, bottom = seen.box
    height, width = bottom - top, right - left
    values = np.zeros((height * width * SAMPLES**2, 5), np.float32)
    ones = np.ones((len(sent), 1))
    values[seen.rays] = np.concatenate([ones, sent, front.depth[:, None]], 1)
    picture = np.zeros((size, size, 5))
    picture[top:bottom, left:right] = pixel_means(values, height, width, SAMPLES)
    return Layer(picture[..., 0], picture[..., 1:4], picture[..., 4])


def _occlusion(figure: Scene, hits: Hits, draws, reach: float = 1.2) -> np.ndarray:
    """Share of the light from all around that the figure keeps off itself, [N]."""
    # Few a ray: a pixel averages nine rays.
    starts = np.tile(hits.position + SKIN * hits.facet, (2, 1))
    numbers = light.stratified(draws, (len(hits.depth), 2), 2).reshape(-1, 2)
    ways = light.hemisphere(np.tile(hits.normal, (2, 1)), numbers)
    return figure.blocks(starts, starts + reach * ways).reshape(2, -1).mean(0)


def _room_light(figure: Scene, hits: Hits, view: View, draws):
    """Light on the figure in the room and its highlights, [N, 3] each."""
    points = hits.position + SKIN * hits.facet
    toward_eye = shapes.unit(view.camera.position - hits.position)
    gloss = figure.gloss[hits.triangle]
    received = np.zeros((len(points), 3), np.float32)
    shine = np.zeros_like(received)
    for group in view.groups:
        numbers = draws.random((len(points), 3), np.float32)
        targets, weights = group.sample(points, hits.normal, numbers)
        lit = np.flatnonzero(weights > 0)
        lit = lit[~figure.blocks(points[lit], targets[lit])]
        lit = lit[~view.scene.blocks(points[lit], targets[lit])]
        sent = weights[lit, None] * group.colour
        received[lit] += sent
        half = shapes.unit(shapes.unit(targets[lit] - points[lit]) + toward_eye[lit])
        peak = np.maximum(shapes.dot(half, hits.normal[lit]), 0) ** 40
        shine[lit] += (gloss[lit] * peak)[:, None] * sent
    around = _ambient(view, figure.centres.mean(0), hits.normal, draws)
    received += around * (1 - 0.8 * _occlusion(figure, hits, draws))[:, None]
    return received, shine


def _ambient(view: View, centre: np.ndarray, normals: np.ndarray, draws) -> np.ndarray:
    """Light off the room's surfaces on normals [N, 3], as on a small cube: [N, 3]."""
    sides = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
    cube = np.zeros((6, 3), np.float32)
    origins = np.repeat(centre[None].astype(np.float32), 48, 0)
    for i, side in enumerate(sides):
        ways = light.hemisphere(np.repeat(side[None], 48, 0), draws.random((48, 2)))
        cube[i] = light.gather(view.scene, origins, ways, view.received).mean(0)
    facing = np.maximum(np.concatenate([normals, -normals], 1), 0)
    return np.einsum("nk,kc->nc", facing**2, cube)


def _studio_light(figure: Scene, hits: Hits, camera: Camera, draws):
    """Even light from the camera's side, [N, 3] each."""
    right, up, forward = camera.axes
    key = right * draws.uniform(-1, 1) + up * draws.uniform(0.2, 1.2) - forward
    key = shapes.unit(key)
    share = draws.uniform(0.2, 0.7)
    direct = np.maximum(shapes.dot(hits.normal, key), 0)
    points = hits.position + SKIN * hits.facet
    direct[figure.blocks(points, points + 3 * key)] *= 0.3
    around = 1 - 0.7 * _occlusion(figure, hits, draws)
    received = share * direct + (1 - share) * around
    half = shapes.unit(key + shapes.unit(camera.position - hits.position))
    peak = np.maximum(shapes.dot(half, hits.normal), 0) ** 40
    shine = share * figure.gloss[hits.triangle] * peak
    lit = np.stack([received, shine]).astype(np.float32)
    return np.repeat(lit[..., None], 3, -1)


def shadowed(figure: Scene, view: View) -> np.ndarray:
    """The room in the figure's shadow, float [size, size, 3], linear."""
    points = view.hits.position + SKIN * view.hits.facet
    left = np.ones((len(points), len(view.groups) + 1), np.float32)
    for k, targets in enumerate(view.targets):
        reached = np.flatnonzero(view.weights[k])
        blocked = figure.blocks(points[reached], targets[reached])
        left[reached[blocked], k] = 0
    left[:, -1] = _ambient_left(figure, view, points)
    return view.radiance(view.smooth(left))


def _ambient_left(figure: Scene, view: View, points: np.ndarray) -> np.ndarray:
    """Share of the light off other surfaces that the figure leaves, float32 [N]."""
    corners = figure.corners()
    centre, reach = corners.mean(0), shapes.length(np.ptp(corners, axis=0)) / 2
    near = np.flatnonzero(shapes.length(points - centre) < SHADOW_REACH * reach)
    count = len(view.ways)
    ends = points[near] + SHADOW_REACH * view.ways[:, near]
    blocked = figure.blocks(np.tile(points[near], (count, 1)), ends.reshape(-1, 3))
    left = np.ones(len(points), np.float32)
    left[near] -= blocked.reshape(count, -1).mean(0)
    return left
