"""What registration did, and what looks wrong about a pair, in words."""

import math

import numpy as np

from maskdepth_tf.registration import comparing

MISMATCH = 0.7
"""Mismatch above which it is hardly the same background, see `comparing`."""
LEAST_UNLIKE = 0.001
"""Share of unlike pixels below which there is hardly anything in front."""
LEAST_SHIFT = 0.002
"""Shift that is worth a word, a share of the side."""
LEAST_TURN = 0.3
"""Turn that is worth a word, in degrees."""
LEAST_ZOOM = 0.005
LEAST_TILT = 0.01
"""Tilt that is worth a word: corners are half of it from where they were."""
LEAST_LIGHT = 0.03
"""Change of brightness that is worth a word, a share."""
SWAPPED = 0.4
"""Logarithm of the ratio of edges from which the pictures seem exchanged."""
_LEAST_OUTLINE = 12
"""Pixels of an outline that tell something."""


def movement(warp: np.ndarray, width: int, height: int) -> list[str]:
    """How the camera moved from the background to the picture.

    Args:
        warp: [8], as `geometry.estimate` gives it.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
    """
    a, b, right, d, e, down, *tilts = (float(value) for value in warp)
    parts: list[str] = []
    for share, side, names in (
        (right, width, ("left", "right")),
        (down, height, ("up", "down")),
    ):
        if abs(share) >= LEAST_SHIFT:
            unit = "" if parts else " pixels"
            parts.append(f"{abs(share) * side:.0f}{unit} {names[share > 0]}")
    texts = [f"the camera moved {' and '.join(parts)}"] if parts else []
    # In the square that they were stretched to, a turn is a shear too.
    turn = math.degrees((d * height / width - b * width / height) / 2)
    zoom = (a + e) / 2 - 1
    if abs(turn) >= LEAST_TURN:
        texts.append(f"it turned {abs(turn):.1f} degrees")
    if abs(zoom) >= LEAST_ZOOM:
        texts.append(f"it shows {abs(zoom):.1%} {'more' if zoom > 0 else 'less'}")
    if max(abs(tilt) for tilt in tilts) >= LEAST_TILT:
        texts.append("it tilted")
    return texts


def light(bg: np.ndarray, registered: np.ndarray) -> list[str]:
    """How the light changed from the background to the picture.

    Args:
        bg: uint8 or float [S, S, 3], as it was.
        registered: [S, S, 3], as `registering.register` brought it onto the picture.
    """
    # Of black no share can be told: both are a little brighter here.
    ratio = float((np.mean(registered) + 1) / (np.mean(bg) + 1))
    if abs(ratio - 1) < LEAST_LIGHT:
        return []
    return [
        f"the picture is {abs(ratio - 1):.0%} {'brighter' if ratio > 1 else 'darker'}"
    ]


def doubts(mismatch: float, registered: np.ndarray, fg_bg: np.ndarray) -> list[str]:
    """What the user should know of a pair: hardly a background, nobody, exchanged.

    Args:
        mismatch: `comparing.mismatch` of the two.
        registered: float32 [S, S, 3], as `registering.register` gives it.
        fg_bg: float32 [S, S, 3].
    """
    if mismatch > MISMATCH:
        return [
            f"{mismatch:.0%} of the background is not found in the picture, whatever "
            "is corrected; is it of the same place?"
        ]
    if _changed(registered, fg_bg).mean() < LEAST_UNLIKE:
        return ["hardly differs from its background; expect an empty mask"]
    if outline_ratio(registered, fg_bg) < -SWAPPED:
        return [
            "what is in front seems to be in the background's picture; are --bg and "
            "--fg-bg exchanged?"
        ]
    return []


def outline_ratio(registered: np.ndarray, fg_bg: np.ndarray) -> float:
    """Logarithm of how much stronger edges are in the picture than in the background.

    Looked at is the outline of what changed: a figure ends there, a wall goes on.

    Args:
        registered: float32 [S, S, 3], as `registering.register` gives it.
        fg_bg: float32 [S, S, 3].

    Returns:
        0 if the outline is too short to tell.
    """
    changed = _changed(registered, fg_bg)
    inner = _spread(~_spread(~changed))  # single pixels are no figure
    outline = _spread(inner) & _spread(~inner)
    if outline.sum() < _LEAST_OUTLINE:
        return 0.0
    ours, theirs = (_edges(image)[outline].mean() for image in (fg_bg, registered))
    # Noise makes edges of 2 everywhere.
    return float(np.log((ours + 2) / (theirs + 2)))


def _changed(registered, fg_bg) -> np.ndarray:
    """Where pixels are unlike, as `comparing.unlike` counts them: bool [S, S]."""
    return np.abs(registered - fg_bg).max(axis=2) > comparing.DIFFERENCE


def _spread(area) -> np.ndarray:
    """Area with its neighbours, those across corners too."""
    padded = np.pad(area, 1)
    height, width = area.shape
    return np.any(
        [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)],
        axis=0,
    )


def _edges(image) -> np.ndarray:
    """Length of the grey gradient, per two pixels; 0 at the border."""
    grey = image.mean(axis=2)
    edges = np.zeros_like(grey)
    across = grey[1:-1, 2:] - grey[1:-1, :-2]
    down = grey[2:, 1:-1] - grey[:-2, 1:-1]
    edges[1:-1, 1:-1] = np.hypot(across, down)
    return edges
