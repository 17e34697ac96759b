"""The metrics: what each is called, what it means and which way is better.

Whatever shows metrics goes through this list: the table of `evaluate`, the tables,
tiles, words and curves of the report, the line of an epoch, the list of runs, the
model card and, as Keras is given them, `metrics.csv`, `evaluation.json` and
TensorBoard. A new metric is an entry here and a function of its name in `metrics`.
This module does not import TensorFlow.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Metric(NamedTuple):
    """A metric of one output.

    Attributes:
        output: The output that it scores, "mask" or "depth".
        name: Its name in `evaluation.json`, and that of its function.
        label: Its name for people.
        higher_is_better: Its direction.
        note: What it is, in a few words.
        room: Where it is shown: LINE, TILE or TABLE.
    """

    output: str
    name: str
    label: str
    higher_is_better: bool
    note: str
    room: int

    @property
    def key(self) -> str:
        """The column of `metrics.csv`; the validation's has `val_` before it."""
        return f"{self.output}_{self.name}"

    @property
    def heading(self) -> str:
        """The label, with an arrow to where it is better."""
        return f"{self.label} {'↑' if self.higher_is_better else '↓'}"


LINE, TILE, TABLE = 1, 2, 3
"""Where a metric is shown: in a line of few figures and all that follows, in the
report's tiles and what follows, or only in tables and curves, which show all."""

METRICS: Sequence[Metric] = (
    Metric("mask", "dice", "soft Dice", True, "0 to 1, no threshold", TABLE),
    Metric("mask", "dice_hard", "Dice", True, "0 to 1, mask at 0.5", LINE),
    Metric("mask", "iou", "IoU", True, "0 to 1, mask at 0.5", TILE),
    Metric("mask", "bce", "cross-entropy", False, "from 0, nats", TABLE),
    Metric("depth", "ssim", "SSIM", True, "-1 to 1, window 11", LINE),
    Metric("depth", "dssim", "DSSIM", False, "0 to 1, (1 - SSIM) / 2", TABLE),
    Metric("depth", "rmse", "RMSE", False, "0 to 1", TILE),
    Metric("depth", "mae", "MAE", False, "0 to 1", TABLE),
    Metric("depth", "delta1", "delta1", True, "0 to 1, ratio < 1.25", TABLE),
)


def by_output() -> dict[str, list[Metric]]:
    """Returns the metrics of each output."""
    groups: dict[str, list[Metric]] = {}
    for metric in METRICS:
        groups.setdefault(metric.output, []).append(metric)
    return groups


def within(room: int) -> Iterator[Metric]:
    """Yields the metrics that are shown where there is such room."""
    return (metric for metric in METRICS if metric.room <= room)
