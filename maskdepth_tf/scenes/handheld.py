"""What differs between two pictures of one room that a hand takes.

The camera is not quite where it was, nor turned as it was, and it chose exposure and
white balance anew.
"""

from dataclasses import replace

import numpy as np

from maskdepth_tf.scenes import shapes
from maskdepth_tf.scenes.film import Film
from maskdepth_tf.scenes.raycast import Camera
from maskdepth_tf.scenes.shapes import Draws

MOVE = (0.01, 0.04)
"""How far the camera moves, any way [m]."""
TURN = (0.0, 1.0)
"""How far it turns, about any axis [degrees]."""
GAIN = (0.75, 1.33)
"""Exposure, by that of the first picture."""
BALANCE_DEVIATION = 0.03
"""Deviation of the logarithm of red's and of blue's share."""


def moved(camera: Camera, draws: Draws) -> Camera:
    """A camera that a hand has moved and turned."""
    way, axis = shapes.unit(draws.standard_normal((2, 3)))
    position = camera.position + draws.uniform(*MOVE) * way
    turn = rotation(axis, draws.uniform(*TURN))
    axes = np.einsum("ij,kj->ki", turn, camera.axes)
    return replace(camera, position=position, axes=axes)


def rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    """Turns about an axis, by Rodrigues' formula: v <- c v + s a x v + (1 - c) (a.v) a.

    Args:
        axis: a, unit, [3].
        degrees: Anticlockwise, seen against the axis.

    Returns:
        [3, 3], from columns to columns.
    """
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y, z = axis
    crossed = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return c * np.eye(3) + s * crossed + (1 - c) * np.outer(axis, axis)


def exposed(film: Film, draws: Draws) -> Film:
    """A film that was exposed and balanced anew."""
    gain = np.exp(draws.uniform(*np.log(GAIN)))
    red, blue = np.exp(draws.normal(0, BALANCE_DEVIATION, 2))
    balance = film.balance * [red, 1, blue]
    return replace(
        film, exposure=film.exposure * gain, balance=balance / balance.mean()
    )
