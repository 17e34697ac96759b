"""The figures of a run beside those of the rules with no learning.

Scores are read as `evaluation.json` holds them. Whatever is missing or is no number
shows as a dash and takes no part in a comparison.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from maskdepth_tf.network import metric_list
from maskdepth_tf.reports.page import number

RULES = {"mask": "the difference rule", "depth": "the constant depth map"}
"""The rule that each output is compared with."""

_WORDS = {"good": "better than", "bad": "worse than", "even": "equal to"}

_ORDER = ("test", "new_bg", "new_fg", "validation")


class Figure(NamedTuple):
    """A metric of the network beside the same of the rule; NaN where not known."""

    metric: metric_list.Metric
    value: float
    rule: float

    @property
    def is_tile(self) -> bool:
        """Whether it is one of the report's tiles."""
        return self.metric.room <= metric_list.TILE

    @property
    def is_compared(self) -> bool:
        """Whether both figures are known."""
        return math.isfinite(self.value + self.rule)

    @property
    def standing(self) -> str:
        """The network's figure is "good", "bad" or "even" beside the rule's."""
        # As printed: a difference that the tables do not show is none.
        gain = round(self.value, 4) - round(self.rule, 4)
        gain = gain if self.metric.higher_is_better else -gain
        return "good" if gain > 0 else "bad" if gain < 0 else "even"

    @property
    def words(self) -> str:
        """The standing, to be followed by the rule."""
        return _WORDS[self.standing]


class Split(NamedTuple):
    """The figures of a split.

    Attributes:
        name: Its name in `evaluation.json`.
        examples: How many it has.
        figures: The figures of each output, those for tiles first.
    """

    name: str
    examples: float
    figures: Mapping[str, Sequence[Figure]]

    def sentence(self, output: str) -> str:
        """Says in which figures the network is better and in which worse."""
        labels: dict[str, list[str]] = {}
        for figure in self.figures[output]:
            if figure.is_compared:
                labels.setdefault(figure.standing, []).append(figure.metric.label)
        if not labels:
            return f"The {output} is compared with nothing: figures are missing."
        parts = []
        for standing, words in _WORDS.items():
            if standing in labels:
                *most, last = labels[standing]
                listed = f"{', '.join(most)} and {last}" if most else last
                where = "every figure" if len(labels) == 1 else listed
                parts.append(f"{words.split()[0]} in {where}")
        return f"Compared with {RULES[output]}, the {output} is {'; '.join(parts)}."


def compare(scores: Mapping) -> list[Split]:
    """Sets the figures of every split beside those of the rules.

    Args:
        scores: `mask` and `depth` figures of the network, under `baseline` those of no
            learning; of every split under `splits`, or of a single set of rows.

    Returns:
        The splits that have figures, the known ones first.
    """
    splits = at(scores, "splits")
    if not isinstance(splits, Mapping) or not splits:
        splits = {"all rows": scores}
    names = dict.fromkeys([*(name for name in _ORDER if name in splits), *splits])
    return [
        Split(name, number(at(splits[name], "examples")), _figures(splits[name]))
        for name in names
        if any(at(splits[name], output) for output in RULES)
    ]


def at(value: Any, *keys: str) -> Any:
    """Returns what nested dicts hold under keys, one after the other; None if nothing.

    >>> at({"a": {"b": 1}}, "a", "b"), at({"a": 3}, "a", "b")
    (1, None)
    """
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _figures(scores) -> dict[str, list[Figure]]:
    return {
        output: [
            Figure(
                metric,
                number(at(scores, output, metric.name)),
                number(at(scores, "baseline", output, metric.name)),
            )
            for metric in sorted(group, key=lambda metric: metric.room)
        ]
        for output, group in metric_list.by_output().items()
    }
