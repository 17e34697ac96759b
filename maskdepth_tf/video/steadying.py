"""Answers that do not flicker: what did not change in a frame keeps its answer.

What the frame before showed is brought to where it is now (optical flow). Where the
two look alike, the answer is a mean of the new one and the old one; where they do not,
the new one alone counts, so that nothing lags behind:

    answer = k before + (1 - k) new        k = KEPT exp(-(d / ALIKE)^2)

with d the difference between the two frames, the mean of a few pixels. The alpha of
the full size is treated in the same way, without the flow: what moves gets a new one.

Depth is relative to what is nearest in its frame, so its scale changes as somebody
comes and goes. It is brought to the scale of the frames before by a fit on the
background, whose own depth is kept as it was first seen.

Shapes: S the side of the network's square.
"""

from typing import NamedTuple

import cv2
import numpy as np

KEPT = 0.7
"""Greatest share of what was before."""
ALIKE = 12.0
"""Difference, of 255, at which that share is a third of it."""
EMPTY = 0.05
"""Greatest mask where there is background alone."""
LEAST_EMPTY = 0.05
"""Least share of the picture to fit a scale of depth on."""
SCALES = (0.5, 2.0)
"""Least and greatest change of that scale that is believed."""
STILL = 0.5
"""Greatest movement of the background, in pixels of the square, that is none."""
_AROUND = 3
_NEAR = np.ones((5, 5), np.uint8)
_CORNERS = np.array([[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5], [1, 1, 1, 1]])


class Steady(NamedTuple):
    """A frame's answers, steadied.

    Attributes:
        mask: float32 [S, S, 1], 0 to 1.
        depth: float32 [S, S, 1], 0 to 1; None if none was given.
        kept: float32 [S, S], which share of the alpha before is kept at each place.
    """

    mask: np.ndarray
    depth: np.ndarray | None
    kept: np.ndarray


class Steadier:
    """Steadies answers, frame after frame.

    Attributes:
        state: Arrays that it knows of the frames before; another that gets them goes
            on as this one.
    """

    def __init__(self) -> None:
        self.state: dict[str, np.ndarray] = {}
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def steady(
        self,
        shown: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray | None,
        warp: np.ndarray,
    ) -> Steady:
        """Steadies the answers of the next frame.

        Args:
            shown: float32 [S, S, 3], the frame, 0 to 255.
            mask: float32 [S, S, 1], 0 to 1.
            depth: float32 [S, S, 1], 0 to 1, or None; of all frames or of none.
            warp: float32 [8], where the background is, as `geometry.estimate` has it.
        """
        found = {"mask": mask[..., 0]}
        if depth is not None:
            found["depth"] = self._scaled(found["mask"], depth[..., 0])
        kept = np.zeros_like(found["mask"])
        if "shown" in self.state:
            kept = _kept(shown, self.state["shown"])
            before = self._moved(shown, found)
            share = _kept(shown, before.pop("shown"))
            for name, old in before.items():
                found[name] = found[name] + share * (old - found[name])
        self.state |= {"shown": shown, **found}
        if depth is not None:
            found["depth"] = self._locked(**found, warp=warp)
        steady = {name: plane[..., np.newaxis] for name, plane in found.items()}
        return Steady(steady["mask"], steady.get("depth"), kept)

    def _moved(self, shown, names) -> dict[str, np.ndarray]:
        """What the frame before showed, and its answers, where they are now."""
        before = self.state
        now, then = (
            cv2.cvtColor(np.rint(pixels).astype(np.uint8), cv2.COLOR_RGB2GRAY)
            for pixels in (shown, before["shown"])
        )
        flow = self._flow.calc(now, then, np.zeros((*now.shape, 2), np.float32))
        rows, columns = np.indices(flow.shape[:2], np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        return {
            name: cv2.remap(
                before[name], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            for name in ("shown", *names)
        }

    def _scaled(self, mask, depth) -> np.ndarray:
        """Depth at the scale of the frames before."""
        if "locked" not in self.state:
            return depth
        locked, known = self.state["locked"], self.state["known"]
        both = _empty(mask) & known
        if both.mean() < LEAST_EMPTY:
            return depth
        ours, theirs = depth[both], locked[both]
        spread = ours - ours.mean()
        square = float(np.square(spread).sum())
        if not square:
            return depth
        scale = float((spread * (theirs - theirs.mean())).sum()) / square
        scale = float(np.clip(scale, *SCALES))
        shift = float(theirs.mean() - scale * ours.mean())
        return np.clip(scale * depth + shift, 0, 1).astype(np.float32)

    def _locked(self, mask, depth, warp) -> np.ndarray:
        """Depth with that of the background as it was first seen."""
        empty, side = _empty(mask), len(mask)
        if "locked" not in self.state or _movement(warp, self.state["warp"]) > (
            STILL / side
        ):
            known, locked = np.zeros_like(empty), depth
            self.state["warp"] = warp
        else:
            known, locked = self.state["known"], self.state["locked"]
        locked = np.where(known, locked, depth)
        known = known | empty
        self.state |= {"known": known, "locked": locked}
        share = cv2.blur(empty.astype(np.float32), (_AROUND, _AROUND))
        return depth + share * (locked - depth)


def _kept(shown, before) -> np.ndarray:
    """Share of the old answer at each place, [S, S]."""
    # NumPy's own maximum over so few takes fifteen times as long.
    difference = np.maximum.reduce(cv2.split(cv2.absdiff(shown, before)))
    difference = cv2.blur(difference, (_AROUND, _AROUND))
    return KEPT * np.exp(-np.square(difference / ALIKE))


def _empty(mask) -> np.ndarray:
    """Where there is background alone, bool [S, S]."""
    return cv2.dilate(mask, _NEAR) < EMPTY


def _movement(warp, other) -> float:
    """How far some corner is from where the other warp puts it, in sides."""
    places = [np.append(one, 1).reshape(3, 3) @ _CORNERS for one in (warp, other)]
    return float(np.abs(np.subtract(*(x[:2] / x[2] for x in places))).max())
