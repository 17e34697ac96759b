"""Figures in a room: what the camera sees of them, and their shadow.

What a figure changes is added to a room that is lit already:

    fg_bg = (1 - mask) * room in the figure's shadow + figure

Outside the mask, `fg_bg` thus differs from `bg` by shadow and by the sensor's noise.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from maskdepth_tf.scenes import light, shapes
from maskdepth_tf.scenes.raycast import Camera, Hits, Scene, pixel_means
from maskdepth_tf.scenes.render import SKIN, View, footprint

SAMPLES = 3
"""Rays along each side of a pixel: the mask has 3 * 3 + 1 values."""
SHADOW_REACH = 2.5
"""How far a figure keeps light off that comes from other surfaces [m]."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A figure as the camera sees it.

    Attributes:
        mask: float [size, size], share of each pixel that it covers.
        colour: float [size, size, 3], its light times `mask`, linear.
        depth: float [size, size], its mean depth times `mask` [m].
    """

    mask: np.ndarray
    colour: np.ndarray
    depth: np.ndarray


def frame_of(scene: Scene, camera: Camera, size: int) -> tuple[int, int, int, int]:
    """Box of pixels that holds a figure: left, top, right, bottom."""
    corners = scene.corners()
    seen = camera.project(corners, size)
    if (seen[:, 2] < 0.05).any():
        return (0, 0, size, size)
    low = np.clip(np.floor(seen[:, :2].min(0)) - 1, 0, size).astype(int)
    high = np.clip(np.ceil(seen[:, :2].max(0)) + 1, 0, size).astype(int)
    return (int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def visible(figure: Scene, view: View, samples: int, size: int) -> "Seen":
    """Follows rays through a figure's frame, and finds those that nothing hides.

    Args:
        figure: The figure, where it stands in the room.
        view: The room.
        samples: Rays along each side of a pixel.
        size: Side of the picture [pixels].
    """
    box = frame_of(figure, view.camera, size)
    directions = view.camera.grid(box, samples, size)
    eye = view.camera.position.astype(np.float32)
    trace = figure.trace(eye, directions)
    met = np.flatnonzero(trace.triangle >= 0)
    behind = view.scene.trace(eye, directions[met]).depth
    free = met[trace.depth[met] < behind]
    hits = figure.look(trace.take(free), eye, directions[free])
    return Seen(box, len(directions), len(met), free, hits)


class Seen(NamedTuple):
    """What rays through a frame see of a figure.

    Attributes:
        box: The frame: left, top, right, bottom [pixels].
        num_rays: Rays through the frame.
        num_met: Rays that meet the figure, hidden or not.
        rays: Numbers of the rays that see it.
        hits: What these meet.
    """

    box: tuple[int, int, int, int]
    num_rays: int
    num_met: int
    rays: np.ndarray
    hits: Hits


def render_figure(
    figure: Scene, view: View, studio: bool, draws: np.random.Generator
) -> Layer:
    """Sees a figure in a room.

    Args:
        figure: The figure, where it stands in the room.
        view: The room.
        studio: Lit by even light of its own, as a cut-out is, not by the room.
        draws: Source of randomness.
    """
    size, samples = view.size, SAMPLES
    seen = visible(figure, view, samples, size)
    mask = np.zeros((size, size))
    colour, depth = np.zeros((size, size, 3)), np.zeros((size, size))
    if not len(seen.rays):
        return Layer(mask, colour, depth)
    front = seen.hits
    size_seen = footprint(view.camera, front.depth, size, samples)
    sent = figure.colour(front, size_seen)
    if studio:
        received, shine = _studio_light(figure, front, view.camera, draws)
    else:
        received, shine = _room_light(figure, front, view, draws)
    sent = sent * (received + figure.glow(front)[:, None]) + shine
    values = np.zeros((seen.num_rays, 5), np.float32)
    ones = np.ones((len(sent), 1))
    values[seen.rays] = np.concatenate([ones, sent, front.depth[:, None]], -1)
    left, top, right, bottom = seen.box
    means = pixel_means(values, bottom - top, right - left, samples)
    inside = (slice(top, bottom), slice(left, right))
    mask[inside], colour[inside] = means[..., 0], means[..., 1:4]
    depth[inside] = means[..., 4]
    return Layer(mask, colour, depth)


def render_alone(
    figure: Scene, camera: Camera, size: int, draws: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sees a figure in even light and in front of nothing.

    Returns:
        colour: float [size, size, 3], linear, times `mask`.
        mask: float [size, size].
    """
    samples = SAMPLES
    eye = camera.position.astype(np.float32)
    directions = camera.grid((0, 0, size, size), samples, size)
    trace = figure.trace(eye, directions)
    seen = np.flatnonzero(trace.triangle >= 0)
    front = figure.look(trace.take(seen), eye, directions[seen])
    received, shine = _studio_light(figure, front, camera, draws)
    size_seen = footprint(camera, front.depth, size, samples)
    values = np.zeros((len(directions), 4), np.float32)
    values[seen, 0] = 1
    values[seen, 1:] = (
        figure.colour(front, size_seen) * (received + figure.glow(front)[:, None])
        + shine
    )
    means = pixel_means(values, size, size, samples)
    return means[..., 1:], means[..., 0]


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
    gloss = figure.gloss[figure.material[hits.triangle]]
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
    centre = figure.centres.mean(0)
    cube = _ambient_cube(view, centre, draws)
    around = _from_cube(cube, hits.normal)
    received += around * (1 - 0.8 * _occlusion(figure, hits, draws))[:, None]
    return received, shine


def _ambient_cube(view: View, centre: np.ndarray, draws) -> np.ndarray:
    """Light that a small cube at a point receives on each side, [6, 3]."""
    sides = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
    cube = np.zeros((6, 3), np.float32)
    for i, side in enumerate(sides):
        normals = np.repeat(side[None], 48, 0)
        ways = light.hemisphere(normals, draws.random((48, 2)))
        origins = np.repeat(centre[None].astype(np.float32), 48, 0)
        cube[i] = light.gather(view.scene, origins, ways, view.received).mean(0)
    return cube


def _from_cube(cube: np.ndarray, normals: np.ndarray) -> np.ndarray:
    positive, negative = np.maximum(normals, 0), np.maximum(-normals, 0)
    return np.einsum("nk,kc->nc", np.concatenate([positive, negative], 1) ** 2, cube)


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
    gloss = figure.gloss[figure.material[hits.triangle]]
    return (
        np.repeat(received[:, None], 3, 1).astype(np.float32),
        np.repeat((share * gloss * peak)[:, None], 3, 1).astype(np.float32),
    )


def shadowed(figure: Scene, view: View) -> np.ndarray:
    """The room in the figure's shadow, float [size, size, 3], linear."""
    points = view.centres.position + SKIN * view.centres.facet
    kept = [_light_left(figure, view, points, k) for k in range(len(view.groups))]
    kept.append(_ambient_left(figure, view, points))
    left = view.smooth(np.stack(kept, 1).reshape(view.size, view.size, -1))
    layers = [*view.direct, view.ambient]
    return view.own + sum(left[..., k, None] * layer for k, layer in enumerate(layers))


def _light_left(figure: Scene, view: View, points: np.ndarray, group: int):
    """Share of a group's light that the figure leaves, float32 [N]."""
    targets, weights = view.targets[group], view.weights[group]
    sample, pixel = np.nonzero(weights)
    blocked = figure.blocks(points[pixel], targets[sample, pixel])
    sample, pixel = sample[blocked], pixel[blocked]
    taken = np.bincount(pixel, weights[sample, pixel], len(points))
    return (1 - taken / np.maximum(weights.sum(0), 1e-6)).astype(np.float32)


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
