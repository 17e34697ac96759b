"""From rows to disturbed pairs, and what the yardsticks make of them."""

import functools
import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from maskdepth_tf.disturbing.effects import scene
from maskdepth_tf.disturbing.kinds import KINDS, Kind, disturb
from maskdepth_tf.disturbing.pairs import Pair, differences, of_size, square
from maskdepth_tf.disturbing.yardsticks import Answer, learn
from maskdepth_tf.images import preprocessing
from maskdepth_tf.input import labels

CLEAN, NOBODY, WRONG_ROOM = "clean", "nobody", "wrong_room"
FIGURE_IN_BACKGROUND, SWAPPED = "figure_in_background", "swapped"
HAND_HELD = "hand_held"
"""Pairs of a set of their own, as they are."""
NOBODY_SEVERITY = 3
"""Severity of the pictures that show nobody."""
THRESHOLDS = 256
"""Thresholds that the rule is tried with: 0, 1, ... of 255."""


class Place(NamedTuple):
    """Which figures a sample counts for.

    Attributes:
        case: The name of a kind, or one of those above.
        name: The kind that disturbs a picture of nobody; "" otherwise.
        severity: From 1; 0 if nothing is disturbed.
    """

    case: str
    name: str = ""
    severity: int = 0


class Score(NamedTuple):
    """What an answer is worth.

    Attributes:
        iou: Intersection over union with the truth; 1 if both are empty.
        marked: Share of the picture that the answer marks.
        seconds: Time that the answer took, what the background alone needs left out.
    """

    iou: float
    marked: float
    seconds: float


class Sample(NamedTuple):
    """A disturbed pair in the network's square.

    Attributes:
        place: What it counts for.
        number: The row's.
        pair: The pair.
        scores: Of the yardsticks, by their keys.
        sweep: float32 [THRESHOLDS], the rule's IoU at each threshold; empty without
            yardsticks.
        aspect: Width by height of the pair before it was made a square.
    """

    place: Place
    number: int
    pair: Pair
    scores: dict[str, Score]
    sweep: np.ndarray
    aspect: float = 1.0


class Reader:
    """Makes samples of rows.

    Args:
        rows: All rows of the labelled set.
        root: Folder that their paths start from.
        image_size: Side of the network's square, in pixels.
        with_yardsticks: Whether the yardsticks answer, too.
    """

    def __init__(
        self,
        rows: Sequence[labels.Row],
        root: str,
        image_size: int,
        with_yardsticks: bool = True,
    ) -> None:
        self._rows, self._root = rows, root
        self._image_size, self._with_yardsticks = image_size, with_yardsticks
        # A row is read once for its many kinds, with the next one beside it.
        self._read = functools.lru_cache(4)(self._read_row)
        self._small = functools.lru_cache(1)(self._make_small)
        self._learned = functools.lru_cache(1)(self._learn)

    def samples(
        self, task: tuple[int, str], severity: int | None = None
    ) -> list[Sample]:
        """Makes the samples of a row's number and a case; takes what `pairs` takes."""
        number, case = task
        return [
            self._sample(place, number, pair)
            for place, pair in self.pairs(number, case, severity)
        ]

    def pairs(
        self, number: int, case: str, severity: int | None = None
    ) -> Iterator[tuple[Place, Pair]]:
        """Makes the disturbed pairs of a row, in their own size.

        Args:
            number: The row's.
            case: The name of a kind, or `CLEAN` or another one of those.
            severity: Of a kind, from 1; if it has fewer, its last. All if None.

        Yields:
            What a pair counts for, and the pair; severities ascending. There is no
            wrong room where all rows show the same one.
        """
        pair = self._read(number)
        if case in (CLEAN, HAND_HELD):
            yield Place(case), pair
        elif case == SWAPPED:
            yield Place(case), pair._replace(bg=pair.fg_bg, fg_bg=pair.bg)
        elif case == FIGURE_IN_BACKGROUND:
            other = self._read((number + 1) % len(self._rows))
            yield Place(case), pair._replace(bg=scene.add_figure(pair.bg, other))
        elif case == WRONG_ROOM:
            other_number = another_room(self._rows, number)
            if other_number is not None:
                room = of_size(self._read(other_number).bg, pair.fg_bg)
                yield Place(case), pair._replace(bg=room)
        elif case == NOBODY:
            empty = Pair(pair.bg, pair.bg, np.zeros_like(pair.mask))
            for kind in kinds_of_nobody():
                each = min(NOBODY_SEVERITY, len(kind.levels))
                yield Place(case, kind.name, each), disturb(empty, kind, each, number)
        else:
            kind = next(kind for kind in KINDS if kind.name == case)
            last = len(kind.levels)
            for each in (
                range(1, last + 1) if severity is None else [min(severity, last)]
            ):
                yield Place(case, "", each), disturb(pair, kind, each, number)

    def _read_row(self, number) -> Pair:
        row = self._rows[number]
        bg, fg_bg = (self._path(name) for name in (row.bg, row.fg_bg))
        picture = preprocessing.read_rgb(fg_bg)
        mask = preprocessing.read_mask(self._path(row.mask))[..., 0]
        return Pair(of_size(preprocessing.read_rgb(bg), picture), picture, mask)

    def _path(self, name) -> str:
        return os.path.join(self._root, name)

    def _make_small(self, number) -> Pair:
        size = self._image_size
        small = Pair(*(square(picture, size) for picture in self._read(number)))
        return small._replace(mask=np.where(small.truth, np.uint8(255), np.uint8(0)))

    def _learn(self, number) -> dict[str, Answer]:
        return learn(self._read(number).bg, self._small(number).bg)

    def _sample(self, place, number, pair) -> Sample:
        whole, size = self._read(number), self._image_size
        # What is as it was has been resized and learned before.
        small = Pair(
            *(
                known if picture is own else square(picture, size)
                for picture, own, known in zip(
                    pair, whole, self._small(number), strict=True
                )
            )
        )
        height, width = pair.fg_bg.shape[:2]
        if not self._with_yardsticks:
            nothing = np.zeros(0, np.float32)
            return Sample(place, number, small, {}, nothing, width / height)
        is_known = pair.bg is whole.bg
        learned = self._learned(number) if is_known else learn(pair.bg, small.bg)
        scores = {}
        for key, answer in learned.items():
            begun = time.perf_counter()
            mask = answer(pair.fg_bg, small.fg_bg)
            scores[key] = score(mask, small.truth, time.perf_counter() - begun)
        return Sample(place, number, small, scores, sweep(small), width / height)


def kinds_of_nobody() -> list[Kind]:
    """Kinds that change a row's picture also where nobody is in front."""
    return [kind for kind in KINDS if not kind.needs_figure]


def another_room(rows: Sequence[labels.Row], number: int) -> int | None:
    """The number of the next row with another background; None if there is none."""
    own = labels.room_of(rows[number].bg)
    for step in range(1, len(rows)):
        other = (number + step) % len(rows)
        if labels.room_of(rows[other].bg) != own:
            return other
    return None


def score(mask: np.ndarray, truth: np.ndarray, seconds: float) -> Score:
    """Scores an answer.

    Args:
        mask: bool [S, S].
        truth: bool [S, S].
        seconds: Time that it took.
    """
    union = np.count_nonzero(mask | truth)
    iou = np.count_nonzero(mask & truth) / union if union else 1.0
    return Score(iou, float(mask.mean()), seconds)


def sweep(pair: Pair) -> np.ndarray:
    """The rule's IoU at every threshold.

    Args:
        pair: The pair.

    Returns:
        float32 [THRESHOLDS]; at index t of the mask `difference > t`.
    """
    difference = differences(pair.bg, pair.fg_bg)
    # Of all pixels and of the true ones: how many differ by more than each threshold.
    found, right = (
        values.size - np.cumsum(np.bincount(values.ravel(), minlength=THRESHOLDS))
        for values in (difference, difference[pair.truth])
    )
    union = found + np.count_nonzero(pair.truth) - right
    return np.where(union, right / np.maximum(union, 1), 1).astype(np.float32)
