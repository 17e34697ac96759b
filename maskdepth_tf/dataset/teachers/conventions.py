"""What the numbers of a depth network mean, and the depth that is stored of them.

A network's value `v` becomes a distance, large is far:

    metric        v metres
    inverse       10 m over the distance, as DenseDepth: clip(10 / v, 0.1, 10) metres
    relative_far  v, far is large, of no unit
    disparity     -v, near is large, of no unit: MiDaS, Depth Anything

The stored map is relative to its own picture, whatever the convention:

    depth = (distance - near) / (far - near)        0 nearest, 1 farthest, bright = far

with `near` and `far` the least and greatest distance of that picture; for a disparity
that is (max - v) / (max - min). A picture of one distance alone is 0 everywhere. Near
and far are kept beside the maps, so that distances can be had back.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

INVERSE_RANGE = (0.1, 10.0)
"""Least and greatest distance of the inverse convention [m]; DenseDepth's on NYU."""


@dataclasses.dataclass(frozen=True)
class Convention:
    """What a network's values mean.

    Attributes:
        to_distance: From float32 values to distances; metres if `values` is metric.
        values: "metric" or "relative".
        large_is: What a large value is, "far" or "near".
        units: Of `scale` times a value; None if relative.
        scale: See `units`.
        opposites: Conventions to try when maps come out upside down.
    """

    to_distance: Callable[[np.ndarray], np.ndarray]
    values: str
    large_is: str
    units: str | None
    scale: float | None
    opposites: tuple[str, ...]

    @property
    def is_metric(self) -> bool:
        """Whether distances are metres."""
        return self.values == "metric"

    def describe(self) -> dict:
        """What the manifest keeps of it."""
        names = ("values", "large_is", "units", "scale")
        return {name: getattr(self, name) for name in names}


def inverse_to_metres(values: np.ndarray) -> np.ndarray:
    """`clip(10 / values, 0.1, 10)`; zero and below is as far as can be.

    The reference's `clip(1000 / values, 10, 1000) / 1000` is the same in units
    of 10 m, and so the same relative depth.
    """
    nearest, farthest = INVERSE_RANGE
    return farthest / np.clip(values, 1.0, farthest / nearest)


CONVENTIONS = {
    "metric": Convention(
        np.positive, "metric", "far", "m", 1.0, ("inverse", "disparity")
    ),
    "inverse": Convention(
        inverse_to_metres, "metric", "near", "1/m", 0.1, ("metric", "relative_far")
    ),
    "relative_far": Convention(
        np.positive, "relative", "far", None, None, ("disparity",)
    ),
    "disparity": Convention(
        np.negative, "relative", "near", None, None, ("relative_far", "metric")
    ),
}


def to_relative(distance: np.ndarray) -> tuple[np.ndarray, float, float]:
    """`(distance - near) / (far - near)` of one map, with near and far.

    Args:
        distance: float32 [H, W].

    Returns:
        depth: float32 [H, W] in [0, 1]; all 0 where the map is constant.
        near: Least distance.
        far: Greatest distance.
    """
    near, far = float(distance.min()), float(distance.max())
    # Of a constant map all is nearest; 0 / 0 would be NaN.
    return (distance - near) / ((far - near) or 1.0), near, far
