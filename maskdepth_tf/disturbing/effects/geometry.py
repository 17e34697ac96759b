"""The camera moved: matrices that warp a picture.

A matrix is float64 [3, 3], from points (x, y, 1) of the picture to those of the warped
one, in pixels; the middle of the first pixel is (0, 0).
"""

import math

import cv2
import numpy as np


def warp(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warps a picture; what comes in from outside is its mirror image.

    Args:
        picture: uint8 [H, W, 3].
        matrix: From the picture to the result.

    Returns:
        uint8 [H, W, 3].
    """
    height, width = picture.shape[:2]
    return cv2.warpPerspective(
        picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101
    )


def shift(x: float, y: float) -> np.ndarray:
    """Moves `x` pixels to the right and `y` down."""
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def turn(shape: tuple[int, ...], scale: float, degrees: float) -> np.ndarray:
    """Enlarges and turns about the middle of a picture.

    Args:
        shape: Height and width of the picture; more is not looked at.
        scale: Factor of all lengths.
        degrees: Angle, clockwise.
    """
    height, width = shape[:2]
    middle = shift((width - 1) / 2, (height - 1) / 2)
    angle = math.radians(degrees)
    along, across = scale * math.cos(angle), scale * math.sin(angle)
    about = np.array([[along, -across, 0], [across, along, 0], [0, 0, 1]])
    return middle @ about @ np.linalg.inv(middle)


def tilt(shape: tuple[int, ...], moves: np.ndarray) -> np.ndarray:
    """Moves the four corners of a picture.

    Args:
        shape: Height and width of the picture; more is not looked at.
        moves: float [4, 2], x and y in pixels of the upper left, upper right, lower
            right and lower left corner.
    """
    bottom, right = shape[0] - 1, shape[1] - 1
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
    moved = corners + moves
    return cv2.getPerspectiveTransform(
        corners.astype(np.float32), moved.astype(np.float32)
    )
