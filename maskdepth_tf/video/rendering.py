"""What is drawn of each frame: on another background, cut out, its depth.

Shapes: H and W a frame's size, S the side of the network's square.
"""

import os
import re
from collections.abc import Callable

import cv2
import numpy as np

from maskdepth_tf.errors import UsageError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import matting
from maskdepth_tf.network import answers
from maskdepth_tf.reports import sheet
from maskdepth_tf.video.following import Answer, Follower

BLUR = "blur"
"""Stands for the frame's own background, blurred."""
BLUR_SHARE = 0.02
"""Deviation of the blur, as a share of the sides."""
_DEPTHS = 1024
"""Depths that are told apart in colours."""

Draw = Callable[[Follower, Answer], np.ndarray]
"""Draws a frame: [H, W, 3] or [H, W, 4], uint8, or [H, W], uint16."""
Backdrop = Callable[[Answer], np.ndarray]
"""Makes what stands behind the foreground, uint8 [H, W, 3]."""


def find_backdrop(onto: str) -> Backdrop:
    """What stands behind the foreground: a colour, `BLUR`, or a picture's path.

    Raises:
        DataError: If it is a picture that cannot be read.
        UsageError: If it is none of them.
    """
    if onto == BLUR:
        return _blurred
    if re.fullmatch("#[0-9a-fA-F]{6}", onto):
        fixed = np.full((1, 1, 3), list(bytes.fromhex(onto[1:])), np.uint8)
    elif os.path.exists(onto) and not onto.startswith("#"):
        fixed = preprocessing.read_rgb(onto)
    else:
        raise UsageError(
            "--onto must be a colour such as #00b140, a picture that is there, or "
            f"blur. Received: {onto}"
        )
    filled: dict[tuple[int, ...], np.ndarray] = {}

    def backdrop(answer: Answer) -> np.ndarray:
        size = answer.seen.pixels.shape[:2]
        if size not in filled:
            filled[size] = _fill(fixed, *size)
        return filled[size]

    return backdrop


def composite(backdrop: Backdrop) -> Draw:
    """Draws the foreground before a backdrop."""

    def draw(follower: Follower, answer: Answer) -> np.ndarray:
        alpha, foreground = follower.refine(answer)
        return cv2.blendLinear(foreground, backdrop(answer), alpha, 1 - alpha)

    return draw


def cutout(follower: Follower, answer: Answer) -> np.ndarray:
    """Draws the foreground with its alpha, uint8 [H, W, 4]; nothing is behind it."""
    alpha, foreground = follower.refine(answer)
    height, width = foreground.shape[:2]
    # What nobody will see would take most of the file; colours that end at the mask's
    # own edge would show on it, as codecs share them between pixels.
    near = cv2.dilate(answer.mask, np.ones((5, 5), np.uint8)) > matting.SURE[0]
    seen = cv2.resize(
        near.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    mask = answers.mask_pixels(alpha).numpy()
    return answers.cutout_of_arrays(foreground, mask, seen)


def depth(follower: Follower, answer: Answer) -> np.ndarray:
    """Draws the relative depth, uint16 [H, W], 65535 is far."""
    return answers.depth_pixels(follower.stretch(answer)).numpy()[..., 0]


def depth_in_colour(follower: Follower, answer: Answer) -> np.ndarray:
    """Draws the relative depth in colours, uint8 [H, W, 3], as `sheet` does."""
    return _COLOURS[
        np.rint((_DEPTHS - 1) * follower.stretch(answer)[..., 0]).astype(int)
    ]


_COLOURS = sheet.depth_to_color(np.linspace(0, 1, _DEPTHS)[np.newaxis])[0]


def _blurred(answer: Answer) -> np.ndarray:
    """The frame's background, without the foreground, blurred."""
    mask, seen = answer.mask, answer.seen
    behind = seen.registered.bg[0].numpy()
    still = mask * behind + (1 - mask) * seen.shown[0].numpy()
    soft = cv2.GaussianBlur(still, (0, 0), BLUR_SHARE * still.shape[0])
    height, width = seen.pixels.shape[:2]
    soft = cv2.resize(np.rint(soft).astype(np.uint8), (width, height))
    return soft


def _fill(picture, height, width) -> np.ndarray:
    """A picture, enlarged or reduced and its middle cut out to fill a frame."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = (
        min(side, max(1, round(goal / scale)))
        for side, goal in zip(picture.shape, (height, width), strict=False)
    )
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    inner = picture[top : top + rows, left : left + columns]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(inner, (width, height), interpolation=method)
