"""How a cut-out gets its size and place in a room, and how it is pasted."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskdepth_tf import errors, streams
from maskdepth_tf.dataset.composing import sources

PLACEMENTS = 20
"""Placements of the reference for each cut-out, room and mirroring."""
POSITION_FRACTION = 120 / 224
"""Greatest corner of an unscaled cut-out, as in the reference: 120 of 224."""
MIN_INSIDE = 0.7
"""Least share of a scaled figure, by alpha, that lies inside the picture."""
CLOSE_HEIGHT = (0.9, 2.4)
"""Height of a whole figure near the camera, a share of the picture's side: at 2.4 the
head of a standing person is a third of the picture high, as before a webcam."""
HEADROOM = (0.02, 0.4)
"""Rows above the head of such a figure, a share of the side."""
CLOSE_MIDDLE = (0.25, 0.75)
"""Its middle, a share of the side from the left."""
CUT_OFF = 0.1
"""Least part of such a figure, a share of its height, that lies below the picture."""

SHARES = ("motion_blur", "wall_shadows", "camouflage", "empty", "close_up")
"""Fields of a recipe from 0 to 1."""


@dataclass(frozen=True)
class Recipe:
    """How a row is made.

    Attributes:
        image_size: Height and width of every picture [pixels].
        scale: Range of the figure's longer side as a share of `image_size`; None
            pastes cut-outs as they are.
        quality: JPEG quality of the composites.
        seed: Seed of pairing, mirroring, sizes, places and views; not negative.
        views: Other framings of each room; half of the rows show one of them.
        shadow: Whether figures throw shadows on the room.
        contact: Whether figures stand on the floor, larger ones nearer.
        match: Whether colour and light of figures go towards the room's.
        stretch: Whether figures are stretched as their room was, to a square.
        figures: Least and greatest number of figures; the labels name the first.
        motion_blur: Share of the figures that are blurred as if they moved.
        wall_shadows: Share of the rows in which a lamp throws shadows on the wall.
        camouflage: Share of the figures whose colour goes towards the room's.
        empty: Share of the rows in which nobody stands.
        close_up: Share of the upright figures that are near the camera, cut by the
            picture's lower border.
    """

    image_size: int = 224
    scale: tuple[float, float] | None = None
    quality: int = 30
    seed: int = 0
    views: int = 0
    shadow: bool = False
    contact: bool = False
    match: bool = False
    stretch: bool = False
    figures: tuple[int, int] = (1, 1)
    motion_blur: float = 0.0
    wall_shadows: float = 0.0
    camouflage: float = 0.0
    empty: float = 0.0
    close_up: float = 0.0

    def __post_init__(self) -> None:
        errors.check_range("--image-size", self.image_size, *streams.IMAGE_SIZES)
        errors.check_range("--quality", self.quality, 1, 100)
        errors.check_range("--seed", self.seed, 0)
        errors.check_range("--views", self.views, 0)
        for name in SHARES:
            flag = f"--{name.replace('_', '-')}"
            errors.check_range(flag, getattr(self, name), 0, 1)
        if self.scale and not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise errors.UsageError(
                "--scale must be two numbers with 0 < MIN <= MAX <= 1. "
                f"Received: {self.scale[0]} {self.scale[1]}"
            )
        if not 1 <= self.figures[0] <= self.figures[1]:
            raise errors.UsageError(
                "--figures must be two whole numbers with 1 <= MIN <= MAX. "
                f"Received: {self.figures[0]} {self.figures[1]}"
            )


def place(
    cutout: np.ndarray, recipe: Recipe, draws: np.random.Generator
) -> tuple[np.ndarray, int, int]:
    """Draws the size and the place of a cut-out.

    Returns:
        The cut-out as it is pasted, and the column and row of its upper left corner,
        which may lie outside the picture.
    """
    size = recipe.image_size
    if recipe.scale is None:
        last = round(size * POSITION_FRACTION)
        left, top = draws.integers(0, last, size=2, endpoint=True)
        return cutout, int(left), int(top)
    share = draws.uniform(*recipe.scale)
    figure = sources.crop_to_figure(cutout)
    cutout = sources.resize_cutout(figure, max(1, round(share * size)))
    height, width = cutout.shape[:2]
    sums = cv2.integral(cutout[..., 3])
    # Ends: the figure is no larger than the picture, so that some place fits.
    while True:
        left = int(draws.integers(1 - width, size))
        top = int(draws.integers(1 - height, size))
        x0, x1 = max(0, -left), min(width, size - left)
        y0, y1 = max(0, -top), min(height, size - top)
        inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        if inside >= MIN_INSIDE * sums[-1, -1]:
            return cutout, left, top


def is_upright(cutout: np.ndarray) -> bool:
    """Whether a figure is higher than wide, as a person is who stands or sits."""
    height, width = sources.crop_to_figure(cutout).shape[:2]
    return height > width


def close_up(
    cutout: np.ndarray, size: int, draws: np.random.Generator
) -> tuple[np.ndarray, int, int]:
    """Draws a figure near the camera: the lower border cuts it, as a webcam's does.

    Args:
        cutout: uint8 [h, w, 4], higher than wide.
        size: Side of the picture [pixels].
        draws: Source of randomness.

    Returns:
        The figure, no wider than the picture, and the column and row of its upper
        left corner.
    """
    figure = sources.crop_to_figure(cutout)
    least, most = CLOSE_HEIGHT
    share = draws.uniform(least, min(most, figure.shape[0] / figure.shape[1]))
    figure = sources.resize_cutout(figure, round(share * size))
    height, width = figure.shape[:2]
    least, most = HEADROOM
    headroom = draws.uniform(max(least, 1 - (1 - CUT_OFF) * share), most)
    left = draws.uniform(*CLOSE_MIDDLE) * size - width / 2
    return figure, round(left), round(headroom * size)


def paste(
    room: np.ndarray, cutout: np.ndarray, left: int, top: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes a cut-out with its alpha; what sticks out is clipped.

    Args:
        room: uint8 [S, S, 3].
        cutout: uint8 [h, w, 4].
        left: Column of the cut-out's left edge, may be negative.
        top: Row of the cut-out's upper edge, may be negative.

    Returns:
        composite: uint8 [S, S, 3].
        mask: uint8 [S, S], the alpha.
    """
    size = room.shape[0]
    composite, mask = room.copy(), np.zeros((size, size), np.uint8)
    inside = cutout[max(0, -top) : size - top, max(0, -left) : size - left]
    rows = slice(max(0, top), max(0, top) + inside.shape[0])
    columns = slice(max(0, left), max(0, left) + inside.shape[1])
    if not inside.size:
        return composite, mask
    mask[rows, columns] = inside[..., 3]
    # Three equal channels: NumPy is slow where one is to be spread over three.
    alpha = cv2.merge([inside[..., 3]] * 3).astype(np.uint16)
    mixed = alpha * inside[..., :3]
    mixed += (255 - alpha) * composite[rows, columns]
    # The nearest whole number to mixed / 255, which is never half way between two.
    mixed += 128
    mixed += mixed >> 8
    mixed >>= 8
    composite[rows, columns] = mixed
    return composite, mask
