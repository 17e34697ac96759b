"""Ways to find the foreground with no learning, for networks to be measured by.

Each gets the whole pair in its own size, and may align it by itself. Its answer is a
mask of the network's square. Thresholds are the rule's, and fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from maskdepth_tf.disturbing import alignment
from maskdepth_tf.disturbing.pairs import differences, square
from maskdepth_tf.network import baseline

HISTORY, VARIANCE, BACKGROUNDS = 30, 16, 30
"""Of the mixture of Gaussians: its memory in pictures, its threshold in squared
deviations, and how often it is shown the background."""

Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Finds the mask, bool [S, S], of a picture: uint8 [H, W, 3], and [S, S, 3] in the
network's square."""


def apply_rule(bg: np.ndarray, fg_bg: np.ndarray) -> np.ndarray:
    """Where pictures, uint8 [H, W, 3], differ by more than the rule's: bool [H, W]."""
    return differences(bg, fg_bg) > baseline.DIFFERENCE


def rule(bg: np.ndarray, small_bg: np.ndarray) -> Answer:
    """Learns a background for `baseline.difference_mask`.

    Args:
        bg: uint8 [H, W, 3].
        small_bg: uint8 [S, S, 3], the same in the network's square.
    """
    return lambda fg_bg, small: apply_rule(small_bg, small)


def gain_rule(bg: np.ndarray, small_bg: np.ndarray) -> Answer:
    """Learns it for the rule after `alignment.match_gain`; as `rule`."""
    return lambda fg_bg, small: apply_rule(alignment.match_gain(small_bg, small), small)


def orb_tone_rule(bg: np.ndarray, small_bg: np.ndarray) -> Answer:
    """Learns it for the rule after alignment and tone curves; as `rule`."""
    corners, size = alignment.find_corners(bg), len(small_bg)

    def answer(fg_bg: np.ndarray, small: np.ndarray) -> np.ndarray:
        room = square(alignment.align(bg, fg_bg, corners), size)
        return apply_rule(alignment.match_tone(room, small), small)

    return answer


def mixture(bg: np.ndarray, small_bg: np.ndarray) -> Answer:
    """Learns it by OpenCV's mixture of Gaussians, MOG2; as `rule`.

    The mixture knows shadows, which do not count as foreground.
    """
    model = cv2.createBackgroundSubtractorMOG2(HISTORY, VARIANCE, True)
    for _ in range(BACKGROUNDS):
        model.apply(small_bg)
    # At a rate of 0 pictures leave nothing behind.
    return lambda fg_bg, small: model.apply(small, learningRate=0) == 255


@dataclass(frozen=True)
class Yardstick:
    """A way to find the foreground.

    Attributes:
        label: What people call it.
        learn: From a background, whole and in the network's square, to what answers.
    """

    label: str
    learn: Callable[[np.ndarray, np.ndarray], Answer]


RULE = "rule"
"""The yardstick that errors are divided by."""

YARDSTICKS = {
    RULE: Yardstick("rule", rule),
    "gain_rule": Yardstick("gain + rule", gain_rule),
    "orb_tone_rule": Yardstick("ORB + tone + rule", orb_tone_rule),
    "mog2": Yardstick("MOG2", mixture),
}
"""All of them, by their keys in figures."""


def learn(bg: np.ndarray, small_bg: np.ndarray) -> dict[str, Answer]:
    """Has all of them learn a background; as `rule`."""
    return {key: each.learn(bg, small_bg) for key, each in YARDSTICKS.items()}
