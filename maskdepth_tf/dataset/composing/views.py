"""Other framings of a room, so that few rooms teach as many would.

A view is a part of the room's picture, as if the camera stood nearer, aside or tilted,
in other light. Its depth is not the part of the room's depth: a teacher is to be asked
anew. That is what sets views apart from augmentation while training.
"""

import cv2
import numpy as np

SHARE = (0.45, 1.0)
"""Side of the part, as a share of the picture's."""
TILT_DEGREES = 6.0
"""Deviation of the camera's roll."""
SHEAR = 0.05
"""Deviation of each corner, as a share of the part's side: another point of view."""
GAIN = (0.75, 1.25)
TINT = (0.9, 1.1)
"""Gain of each colour beside that of all."""
GAMMA_DEVIATION = 0.15
"""Deviation of the logarithm of gamma."""
SATURATION = (0.5, 1.4)


def corners(size: int, draws: np.random.Generator) -> np.ndarray:
    """Draws the part of the picture that a view shows.

    Args:
        size: Side of the picture [pixels].
        draws: Source of randomness.

    Returns:
        float64 [4, 2], its corners' columns and rows, clockwise from the upper left.
    """
    side = size * draws.uniform(*SHARE)
    angle = np.radians(draws.normal(0, TILT_DEGREES))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    middle = draws.uniform(side / 2, size - side / 2, 2)
    return side * (square @ turn + draws.normal(0, SHEAR, (4, 2))) + middle


def relight(room: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Changes brightness, tint, gamma and saturation: uint8 [S, S, 3] -> the same."""
    gain = draws.uniform(*GAIN) * draws.uniform(*TINT, 3)
    light = np.clip(room / 255 * gain, 0, 1) ** np.exp(draws.normal(0, GAMMA_DEVIATION))
    grey = light.mean(axis=-1, keepdims=True)
    light = grey + draws.uniform(*SATURATION) * (light - grey)
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)


def view(room: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Frames and lights a room anew.

    Args:
        room: uint8 [S, S, 3].
        draws: Source of randomness.

    Returns:
        uint8 [S, S, 3]. What lies outside the picture is its mirror image.
    """
    size = room.shape[0]
    if draws.random() < 0.5:
        room = np.ascontiguousarray(room[:, ::-1])
    frame = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    part = corners(size, draws).astype(np.float32)
    framed = cv2.warpPerspective(
        room,
        cv2.getPerspectiveTransform(part, frame),
        (size, size),
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return relight(framed, draws)
