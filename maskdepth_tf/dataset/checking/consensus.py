"""Faults that a row shows only beside the other rows of its data set.

Backgrounds. The room outside the mask is compared with the rooms most like the one
that the row names: with `change = fg_bg - bg` and `step = other - bg`,

    t = <change, step> / <step, step>

is 0 if the named room is the right one and 1 if the other is. Noise is the same on
both sides: two photographs that differ by 0.7 of 255 are told apart (300 rows, t at
most 0.5) although JPEG differs from both by 1.4. A shadow is no reason to accuse:
what is left must be noise, or half of what there was.

Depth. A map is correlated with the mean of the other maps of its room or, where
there are fewer than `LEAST_ROWS`, with that of all rows; and its figure must not be
farther than what surrounds it. Teachers err on single figures, so that each sum must
be beyond all that was seen in 5,500 good rows (corr + contrast: -0.52 in rooms with
many rows, -0.75 in others; corr - corr transposed + 0.4 edge: -0.54). So only some of
single bad maps are found: 73 of 100 inverted and 54 of 100 transposed by a teacher in
rooms with many rows, 62 of 100 inverted and none of 100 transposed in rendered rooms
with three rows each. Where most rows of a set speak against it, all of it is called
bad. A single map may well be 0 in a patch; where most are, 0 stands for what a sensor
did not see.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from maskdepth_tf.dataset.checking import measures
from maskdepth_tf.dataset.checking.findings import Depth, Fault, Surroundings

NEIGHBOURS = 8
"""Rooms that a row's own is compared with."""
MOST_ROOMS = 20_000
"""With more rooms `verify` compares none: it takes every room with every other."""
LEAST_STEP = 0.5
"""Least root mean square between two rooms that count as different, of 255."""
OTHER_ROOM = 0.6
"""Least t at which the other room is the right one."""
NOISE = 2.5
"""Greatest root mean square of noise, of 255; 2.4 in good rows without a shadow."""
QUIET_SIDE = 192
"""Smaller pictures are noisier cell by cell: `NOISE` grows as they shrink."""
LEAST_ROWS = 4
"""Rows of a room whose mean depth says how depth looks there."""
INVERTED = (-0.75, -1.1)
"""Least corr + contrast, in rooms with `LEAST_ROWS` and in others."""
TRANSPOSED = -0.8
"""Least corr - corr transposed + 0.4 edge, in rooms with `LEAST_ROWS`."""
EDGE_WEIGHT = 0.4
WHOLE_SET = 0.65
"""Share of rows against a set at which all of it is bad; 0 to 0.22 in good sets."""
LEAST_VOTES = 20
_AT_ONCE = 4096  # of 400,000 rows all at once would take a gigabyte


class Rooms:
    """The rooms of a data set, and which of them are alike.

    Args:
        cells: Path of a room -> float32 [CELLS, CELLS, 3]; None if it is unreadable.
            Of those that are not here nothing is said.
    """

    def __init__(self, cells: Mapping[str, np.ndarray | None]) -> None:
        self._cells = {k: v for k, v in cells.items() if v is not None}
        self._names = list(self._cells)
        size = measures.CELLS**2 * 3
        vectors = np.array(list(self._cells.values())).reshape(-1, size)
        self._nearest = dict(zip(self._names, _nearest(vectors), strict=True))

    def faults(self, name: str, surroundings: Surroundings) -> list[Fault]:
        """Whether a row shows another room than the one that it names.

        Args:
            name: Path of the row's background.
            surroundings: What the row shows of it.
        """
        if name not in self._cells:
            return []
        own = self._cells[name][surroundings.outside]
        change = surroundings.fg_bg[surroundings.outside] - own
        noise = NOISE * max(1.0, QUIET_SIDE / surroundings.side)
        rests = {}
        for place in self._nearest[name]:
            other = self._names[place]
            step = self._cells[other][surroundings.outside] - own
            rests[other] = _rest_if_better(change, step, noise)
        best = min(rests, key=rests.__getitem__, default=name)
        if rests.get(best, np.inf) == np.inf:
            return []
        return [Fault("wrong_background", f"{best} fits better than {name}")]


def _rest_if_better(change: np.ndarray, step: np.ndarray, noise: float) -> float:
    """Mean square of `change - step`; infinite unless that is what is left of it.

    Args:
        change: float [N, 3], from the room that a row names to what it shows.
        step: float [N, 3], from that room to another.
        noise: Greatest root mean square of what may be left.
    """
    length = np.square(step).sum()
    if length <= LEAST_STEP**2 * step.size:
        return np.inf
    rest = float(np.square(change - step).mean())
    is_noise = rest <= max(noise**2, np.square(change).mean() / 4)
    return rest if is_noise and (change * step).sum() >= OTHER_ROOM * length else np.inf


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """Places of the nearest rooms that differ: [N, D] -> int [N, NEIGHBOURS or N]."""
    count = min(NEIGHBOURS, len(vectors))
    vectors = vectors - 128  # less to round
    squares = np.square(vectors).sum(axis=1)
    nearest = []
    for start in range(0, len(vectors), 256):
        block = slice(start, start + 256)
        distances = squares[block, None] + squares - 2 * vectors[block] @ vectors.T
        distances[distances < LEAST_STEP**2 * vectors.shape[1]] = np.inf
        # All of a row in order would take longer than the distances.
        near = np.sort(np.argpartition(distances, count - 1, axis=1)[:, :count])
        order = np.argsort(np.take_along_axis(distances, near, 1), kind="stable")
        nearest.append(np.take_along_axis(near, order, 1))
    return np.concatenate(nearest) if nearest else np.empty((0, 0), int)


def depth_faults(
    rooms: Sequence[str], depths: Sequence[Depth]
) -> Iterator[tuple[int, Fault]]:
    """Inverted and transposed depth maps, and holes in them.

    Args:
        rooms: Path of each row's background.
        depths: What each row's depth looks like.

    Yields:
        Number of a row, from 0, and its fault.
    """
    contrast = np.array([depth.contrast for depth in depths])
    edge = np.array([depth.edge for depth in depths])
    whole = np.array([-1 if depth.has_holes else 1 for depth in depths])
    verdicts = (
        ("inverted_depth", contrast, "figures are farther than what surrounds them"),
        ("transposed", edge, "depth fits the transposed masks better"),
        ("holes_in_depth", whole, "depth is 0 in patches that nothing leads to"),
    )
    bad_sets = [(kind, text) for kind, x, text in verdicts if _speak_against(x)]
    for kind, text in bad_sets:
        for number in range(len(depths)):
            yield number, Fault(kind, f"in most rows {text}")
    if bad_sets or not depths:
        return
    maps = np.array([depth.cells for depth in depths])
    upright, transposed, has_own = _likeness(rooms, maps)
    is_inverted = upright + contrast < np.where(has_own, *INVERTED)
    for place in np.flatnonzero(is_inverted):
        text = (
            f"correlation with other maps {upright[place]:.2f}, the figure is "
            f"{-contrast[place]:.2f} farther than what surrounds it"
        )
        yield int(place), Fault("inverted_depth", text)
    gain = upright - transposed + EDGE_WEIGHT * edge
    for place in np.flatnonzero(has_own & ~is_inverted & (gain < TRANSPOSED)):
        text = (
            f"correlation with other maps {upright[place]:.2f}, on its side "
            f"{transposed[place]:.2f}"
        )
        yield int(place), Fault("transposed", text)


def _speak_against(votes: np.ndarray) -> bool:
    cast = votes[votes != 0]
    return len(cast) >= LEAST_VOTES and bool(np.mean(cast < 0) >= WHOLE_SET)


def _likeness(rooms, maps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How each map correlates with the sum of the other ones, [N] each.

    Args:
        rooms: Path of each map's room.
        maps: uint8 [N, C, C].

    Returns:
        Correlation as it is, on its side, and whether the other ones are those of its
        room alone.
    """
    ids = {name: number for number, name in enumerate(dict.fromkeys(rooms))}
    places = np.array([ids[name] for name in rooms])
    has_own = np.bincount(places)[places] >= LEAST_ROWS
    sums = np.zeros((len(ids), *maps.shape[1:]), np.int64)
    np.add.at(sums, places, maps)
    total = sums.sum(axis=0)
    likeness = np.empty((2, len(maps)))
    for start in range(0, len(maps), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        own = has_own[part, None, None]
        others = np.where(own, sums[places[part]], total) - maps[part]
        likeness[0, part] = _correlations(maps[part], others)
        likeness[1, part] = _correlations(maps[part].swapaxes(1, 2), others)
    return *likeness, has_own


def _correlations(a, b) -> np.ndarray:
    """Pearson's, pair by pair: two [N, C, C] -> [N]; 0 where a map is constant."""
    a = a - a.mean(axis=(1, 2), keepdims=True)
    b = b - b.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt(np.square(a).sum(axis=(1, 2)) * np.square(b).sum(axis=(1, 2)))
    return (a * b).sum(axis=(1, 2)) / np.maximum(norms, 1e-9)
