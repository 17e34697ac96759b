"""Where a figure goes in a room, and how it is lit there."""

from dataclasses import dataclass

import numpy as np

from maskdepth_tf.scenes import layers, render, shapes
from maskdepth_tf.scenes.raycast import Scene
from maskdepth_tf.scenes.rooms import Room

Draws = np.random.Generator

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


@dataclass(frozen=True, eq=False)
class Placed:
    """A figure in its place.

    Attributes:
        scene: The figure, in the room's coordinates.
        is_pasted: Whether it is lit as a cut-out.
        has_shadow: Whether it darkens the room.
    """

    scene: Scene
    is_pasted: bool
    has_shadow: bool


def place(figure: shapes.Model, room: Room, view: render.View, draws: Draws) -> Placed:
    """Draws places until one shows enough of the figure.

    Args:
        figure: A model on z = 0 around the origin.
        room: Where it goes.
        view: The same room, lit.
        draws: Source of randomness.
    """
    is_pasted = bool(draws.random() < PASTED_SHARE)
    is_floating = is_pasted and bool(draws.random() < FLOATING_SHARE)
    has_shadow = not is_pasted and bool(draws.random() > SHADOWLESS_SHARE)
    low, high = shapes.bounds(figure)
    best, best_score = None, -1.0
    for attempt in range(STANDING_ATTEMPTS + FLOATING_ATTEMPTS):
        # What fits nowhere on the floor floats, as a cut-out.
        floats = is_floating or attempt >= STANDING_ATTEMPTS
        # Later attempts try smaller figures: they fit in more places.
        largest = 1.15 * 0.97**attempt
        share = np.exp(draws.uniform(np.log(LEAST_SHARE), np.log(largest)))
        if floats:
            spot, scale = _float(view, high - low, share, draws)
        else:
            spot, scale = _stand(room, high - low, share, draws), 1.0
        turn = shapes.turn_z(_turn(spot, room, draws))
        if not floats and _collides(low, high, spot, turn, room):
            continue
        scene = Scene(shapes.moved(figure, spot, turn, scale))
        score = _score(scene, view)
        if score > best_score:
            pasted = is_pasted or floats
            best = Placed(scene, pasted, has_shadow and not pasted)
            best_score = score
        if score >= 1:
            break
    if best is None:
        raise RuntimeError("no place was tried")
    return best


def _stand(room: Room, extent, share: float, draws: Draws) -> np.ndarray:
    """A point on the floor inside the room, as far as makes the figure that large.

    Args:
        room: Where it is.
        extent: Size of the figure [m].
        share: Share of the picture's side that its longer side is to have.
        draws: Source of randomness.
    """
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
    window = view.depth[
        max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1
    ]
    depth = window.min() * draws.uniform(*FLOATING_DEPTH)
    slope = view.camera.slope
    scale = 2 * slope * share * depth / max(extent[2], extent[0])
    right, up, forward = view.camera.axes
    way = forward + slope * (x * right + y * up)
    middle = view.camera.position + depth * way
    return middle - [0, 0, scale * extent[2] / 2], float(scale)


def _turn(spot: np.ndarray, room: Room, draws: Draws) -> float:
    """Mostly towards the camera, sometimes any way [degrees]."""
    if draws.random() < 0.3:
        return draws.uniform(0, 360)
    x, y = (room.camera.position - spot)[:2]
    return float(np.degrees(np.arctan2(-x, y)) + draws.normal(0, 40))


def _score(scene: Scene, view: render.View) -> float:
    """1 if enough is seen and not too much; less the further from that."""
    seen = layers.visible(scene, view, 1, COARSE_SIZE)
    count = len(seen.rays)
    if not count:
        return 0.0
    coverage = count / COARSE_SIZE**2
    low, high = COVERAGE
    enough = min(1.0, coverage / low, high / coverage)
    return enough * min(1.0, count / seen.num_met / LEAST_VISIBLE)


def _collides(low, high, spot, turn, room: Room) -> bool:
    """Whether most of a figure's floor is taken by what stands there."""
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.abs(turn)[:2, :2] @ half[:2] * 0.7
    at = (spot + turn @ middle)[:2]
    return any(
        (at + half > a).all() and (at - half < b).all() for a, b in room.obstacles
    )
