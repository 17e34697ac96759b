"""Robustness in figures: what all answers together say.

    CE = sum over severities of (1 - IoU) / the same sum of the plain rule

after ImageNet-C (Hendrycks and Dietterich, 2019), with the rule as the baseline. `mce`
is the mean over kinds. `relative_mce` is how much is lost against the clean pictures,
summed over all kinds, in shares of what the rule loses: a ratio for each kind would be
by nothing where the rule loses nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from maskdepth_tf.disturbing import answering, samples
from maskdepth_tf.disturbing.answering import NETWORK, Answered
from maskdepth_tf.disturbing.kinds import KINDS, Kind
from maskdepth_tf.disturbing.samples import Place
from maskdepth_tf.disturbing.yardsticks import RULE, YARDSTICKS
from maskdepth_tf.network import metrics
from maskdepth_tf.registration import describing

POOR = 0.5
"""IoU below which a mask is of little use."""
MILD = 3
"""Greatest severity at which a pair must not be taken for one with a wrong room."""
LABELS = answering.LABELS | {key: value.label for key, value in YARDSTICKS.items()}
"""What people call all methods, by their keys."""


class Kept(NamedTuple):
    """What is kept of an answer."""

    number: int
    ious: dict[str, float]
    marked: dict[str, float]
    mismatch: float
    depth_ssim: float | None


class Figures:
    """Collects answers; those of a row's clean pair come before its others'."""

    def __init__(self) -> None:
        """Starts empty."""
        self._kept: dict[Place, list[Kept]] = defaultdict(list)
        self._sweeps: dict[Place, Any] = defaultdict(float)
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._clean: dict[int, np.ndarray] = {}
        self._compared = {kind.name for kind in KINDS}

    def add(self, answered: Iterable[Answered]) -> None:
        """Adds answers."""
        # One comparison of depths for many: each call takes as long as the work in it.
        for batch in answering.batches(answered):
            for one in batch:
                if one.sample.place.case == samples.CLEAN:
                    self._clean[one.sample.number] = one.depth
            # What has no clean pair is not compared: its own depth stands for it.
            clean = [self._clean.get(one.sample.number, one.depth) for one in batch]
            depths = [one.depth for one in batch]
            similar = metrics.ssim(np.stack(clean), np.stack(depths)).numpy()
            for one, ssim in zip(batch, similar, strict=True):
                self._keep(one, float(ssim))

    def _keep(self, one: Answered, ssim: float) -> None:
        sample, scores = one.sample, one.sample.scores
        ious = {key: score.iou for key, score in scores.items()}
        marked = {key: score.marked for key, score in scores.items()}
        is_compared = sample.place.case in self._compared
        depth_ssim = ssim if is_compared else None
        kept = Kept(sample.number, ious, marked, one.mismatch, depth_ssim)
        self._kept[sample.place].append(kept)
        self._sweeps[sample.place] += sample.sweep
        for key, score in scores.items():
            self._seconds[key].append(score.seconds)

    def result(self) -> dict[str, Any]:
        """All figures, as `--json` writes them; None where there is no figure."""
        clean = self._cells(Place(samples.CLEAN))
        kinds = [self._kind(kind, clean) for kind in KINDS]
        return {
            "rows": len(self._kept[Place(samples.CLEAN)]),
            "clean": clean,
            "kinds": kinds,
            "nobody": self._nobody(),
            "wrong_room": self._wrong_room(),
            samples.FIGURE_IN_BACKGROUND: self._cells(
                Place(samples.FIGURE_IN_BACKGROUND)
            ),
            samples.SWAPPED: self._cells(Place(samples.SWAPPED)),
            samples.HAND_HELD: {
                "rows": len(self._kept[Place(samples.HAND_HELD)]),
                "cells": self._cells(Place(samples.HAND_HELD)),
            },
            "methods": {key: self._method(key, kinds, clean) for key in clean},
        }

    def median_row(self, name: str, severity: int) -> int:
        """The number of the row with the median IoU of a cell, the network's."""
        kept = self._kept[Place(name, "", severity)]
        ordered = sorted(kept, key=lambda one: one.ious[NETWORK])
        return ordered[(len(ordered) - 1) // 2].number

    def _cells(self, place) -> dict[str, dict[str, float]]:
        kept = self._kept[place]
        keys = kept[0].ious if kept else {}
        return {key: cell([one.ious[key] for one in kept]) for key in keys}

    def _kind(self, kind: Kind, clean) -> dict[str, Any]:
        places = [Place(kind.name, "", s + 1) for s in range(len(kind.levels))]
        cells = [self._cells(place) for place in places]
        by_method = {key: [each[key] for each in cells] for key in clean}
        errors = {key: _error(column) for key, column in by_method.items()}
        return {
            "name": kind.name,
            "label": kind.label,
            "group": kind.group,
            "held_out": kind.held_out,
            "levels": list(kind.levels),
            "cells": by_method,
            "oracle": [self._oracle(place) for place in places],
            "depth_ssim": [self._depth_ssim(place) for place in places],
            "ce": {key: ratio(error, errors[RULE]) for key, error in errors.items()},
        }

    def _oracle(self, place) -> dict[str, float]:
        """The rule's best threshold of a cell, found with the truth in sight."""
        means = self._sweeps[place] / len(self._kept[place])
        best = int(np.argmax(means))
        return {"threshold": best, "iou": float(means[best])}

    def _depth_ssim(self, place) -> float | None:
        found = [one.depth_ssim for one in self._kept[place]]
        return mean([value for value in found if value is not None])

    def _nobody(self) -> dict[str, dict[str, float]]:
        """Share of the picture that each method marks, by kind."""
        return {
            place.name: {
                key: float(np.mean([one.marked[key] for one in kept]))
                for key in kept[0].marked
            }
            for place, kept in self._kept.items()
            if place.case == samples.NOBODY
        }

    def _wrong_room(self) -> dict[str, Any]:
        mild = [
            one.mismatch
            for place, kept in self._kept.items()
            if place.case in self._compared and place.severity <= MILD
            for one in kept
        ]
        wrong = [one.mismatch for one in self._kept[Place(samples.WRONG_ROOM)]]
        return {
            "pairs": len(wrong),
            "auc": auc(mild, wrong) if wrong else None,
            "threshold": describing.MISMATCH,
            "false_alarms": mean([value > describing.MISMATCH for value in mild]),
            "missed": mean([value <= describing.MISMATCH for value in wrong]),
        }

    def _method(self, key, kinds, clean) -> dict[str, Any]:
        """The figures of a method that are about all kinds."""
        all_cells = [
            (cell["iou"], kind["name"], severity)
            for kind in kinds
            for severity, cell in enumerate(kind["cells"][key], 1)
        ]
        worst = min(all_cells)
        held_out = [kind["ce"][key] for kind in kinds if kind["held_out"]]
        nobody = [shares[key] for shares in self._nobody().values()]
        return {
            "label": LABELS[key],
            "mce": mean([kind["ce"][key] for kind in kinds]),
            "mce_held_out": mean(held_out),
            "relative_mce": ratio(
                *(_lost(kinds, clean, method) for method in (key, RULE))
            ),
            "mean_iou": mean([iou for iou, _, _ in all_cells]),
            "worst": dict(zip(("iou", "kind", "severity"), worst, strict=True)),
            "nobody_marked": mean(nobody),
            "milliseconds": 1000 * float(np.mean(self._seconds[key])),
        }


def cell(ious: Sequence[float]) -> dict[str, float]:
    """The figures of one cell: mean, tenth percentile, and share below `POOR`."""
    return {
        "iou": float(np.mean(ious)),
        "p10": float(np.percentile(ious, 10)),
        "poor": float(np.mean(np.less(ious, POOR))),
    }


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what are numbers; None if there are none."""
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None if the whole is nothing or less."""
    return part / whole if whole > 0 else None


def auc(low: Sequence[float], high: Sequence[float]) -> float:
    """The chance that one of `high` is above one of `low`; equal ones count half.

    >>> auc([1, 2], [2, 3])
    0.875
    """
    ordered = np.sort(low)
    below = sum(np.searchsorted(ordered, high, side) for side in ("left", "right"))
    return float(np.mean(below) / (2 * len(ordered)))


def _error(cells: Iterable[Mapping[str, float]]) -> float:
    return sum(1 - cell["iou"] for cell in cells)


def _lost(kinds, clean, key) -> float:
    """IoU that a method has lost against the clean pictures, summed over all cells."""
    return sum(
        clean[key]["iou"] - cell["iou"] for kind in kinds for cell in kind["cells"][key]
    )
