"""The results of a run in a report: its figures beside those of no learning.

Scores are read as `evaluation.json` holds them. Whatever is missing or is no number
shows as a dash and takes no part in a comparison.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from maskdepth_tf.reports.drawings import number
from maskdepth_tf.reports.page import Html, element


class _Figure(NamedTuple):
    key: str
    label: str
    note: str
    higher_is_better: bool


_FIGURES = {
    "mask": (
        _Figure("dice_hard", "Dice", "mask at 0.5", True),
        _Figure("iou", "IoU", "mask at 0.5", True),
        _Figure("dice", "soft Dice", "no threshold", True),
        _Figure("bce", "cross-entropy", "nats", False),
    ),
    "depth": (
        _Figure("ssim", "SSIM", "window 11", True),
        _Figure("dssim", "DSSIM", "(1 − SSIM) / 2", False),
        _Figure("rmse", "RMSE", "of 1", False),
        _Figure("mae", "MAE", "of 1", False),
        _Figure("delta1", "delta1", "ratio < 1.25", True),
    ),
}

_TILES = (("mask", "dice_hard"), ("mask", "iou"), ("depth", "ssim"), ("depth", "rmse"))

_THAN = {"good": "better than", "bad": "worse than", "even": "equal to"}


class _Rule(NamedTuple):
    name: str
    note: str


_RULES = {
    "mask": _Rule(
        "the difference rule",
        "The difference rule learns nothing: foreground is where the two pictures "
        "differ clearly in any channel.",
    ),
    "depth": _Rule(
        "the constant depth map",
        "The constant depth map is the mean of the true maps of the very examples it "
        "is scored on: the best answer that looks at no picture.",
    ),
}

_TABLE_NOTE = (
    "↑ higher is better, ↓ lower is better. Green beats the rule below it, orange "
    "loses to it."
)

# Order of the tables, and what each split asks of the network.
_SPLITS = {
    "test": "backgrounds and foregrounds that were never trained on",
    "new_bg": "unseen backgrounds, foregrounds seen in training",
    "new_fg": "unseen foregrounds, backgrounds seen in training",
    "validation": "new composites of backgrounds and foregrounds seen in training",
}

_LABELS = {"new_bg": "new background", "new_fg": "new foreground"}

_RANDOM_TEST = "random rows: their backgrounds and foregrounds were trained on too"
# Nothing was held out for its foreground: as where no cut-out is known.
_BACKGROUNDS_TEST = "backgrounds that were never trained on"


def results(scores: Mapping, split: str | None) -> Iterator[Html]:
    """The figures of every split, in tiles, words and tables.

    Args:
        scores: `mask` and `depth` figures of the network, under `baseline` those of no
            learning; of every split under `splits`, or of a single set of rows.
        split: How rows were divided, "unseen" or "random"; None if unknown.

    Yields:
        Elements of the page.
    """
    splits = _splits(scores)
    if not splits:
        yield element(
            "p", "No figures: the run has not been evaluated.", class_="faint"
        )
        return
    notes = _SPLITS | _test_note(splits, split)
    if "test" in splits:
        yield element("p", f"On the test split: {notes['test']}.")
        yield element("div", *_tiles(splits["test"]), class_="tiles")
    yield element("h3", "In words")
    verdicts = [_verdict(name, side, notes) for name, side in splits.items()]
    yield element("div", element("ul", *verdicts), class_="card")
    for output in _FIGURES:
        yield element("h3", output.capitalize())
        note = element("p", f"{_RULES[output].note} {_TABLE_NOTE}", class_="note")
        table = element("div", _table(output, splits), class_="scroll")
        yield element("div", note, table, class_="card")


def _test_note(splits: Mapping, split: str | None) -> dict[str, str]:
    """What the test side means, where it is not what it usually is."""
    if split == "random":
        return {"test": _RANDOM_TEST}
    if split == "unseen" and not splits.keys() & _LABELS.keys():
        return {"test": _BACKGROUNDS_TEST}
    return {}


def at(value: Any, *keys: str) -> Any:
    """What nested dicts hold under the keys, one after the other; None if nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def written(value: float, form: str = ".4f") -> str:
    """A number in the given format, a dash for NaN."""
    return f"{value:{form}}" if math.isfinite(value) else "–"


def split_label(name: str) -> str:
    """A split's name for people.

    >>> split_label("new_bg")
    'new background'
    """
    return _LABELS.get(name, name)


def _splits(scores):
    """Figures by split, the known splits first; a single set of rows is its own."""
    splits = at(scores, "splits")
    if not isinstance(splits, Mapping) or not splits:
        splits = {"all rows": scores}
    known = [name for name in _SPLITS if name in splits]
    order = known + [name for name in splits if name not in _SPLITS]
    return {k: splits[k] for k in order if any(at(splits[k], o) for o in _FIGURES)}


def _tiles(scores):
    for output, key in _TILES:
        figure = next(f for f in _FIGURES[output] if f.key == key)
        value, rule, standing = _compare(scores, output, figure)
        against = f"{_THAN[standing]} {_RULES[output].name}'s {written(rule)}"
        if math.isnan(value + rule):
            against = "no baseline"
        yield element(
            "div",
            element("span", f"{output} {figure.label}", class_="faint"),
            element("strong", written(value)),
            element("span", against, class_=standing),
        )


def _compare(scores, output, figure):
    """The network's figure, the rule's, and "good", "bad" or "even"."""
    value = number(at(scores, output, figure.key))
    rule = number(at(scores, "baseline", output, figure.key))
    # As printed: a difference that the tables do not show is none.
    gain = round(value, 4) - round(rule, 4)
    gain = gain if figure.higher_is_better else -gain
    return value, rule, "good" if gain > 0 else "bad" if gain < 0 else "even"


def _verdict(name, scores, notes):
    note = element("span", notes.get(name, ""), class_="faint")
    sentences = [element("div", _sentence(scores, output)) for output in _FIGURES]
    return element(
        "li", element("strong", split_label(name).capitalize()), " ", note, *sentences
    )


def _sentence(scores, output):
    """Where the network is better and where worse than the rule, in words."""
    found = {}
    for figure in _FIGURES[output]:
        value, rule, standing = _compare(scores, output, figure)
        if math.isfinite(value + rule):
            found.setdefault(standing, []).append(figure.label)
    if not found:
        return f"The {output} is compared with nothing: figures are missing."
    if len(found) == 1:
        (standing,) = found
        return (
            f"The {output} is {_THAN[standing]} {_RULES[output].name} in every figure."
        )
    # The rule is named once, then goes without saying.
    parts = [
        f"{_THAN[standing].split()[0] if i else _THAN[standing]}"
        f"{'' if i else ' ' + _RULES[output].name} in {_listed(found[standing])}"
        for i, standing in enumerate(s for s in _THAN if s in found)
    ]
    return f"The {output} is {'; '.join(parts)}."


def _listed(names):
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _table(output, splits):
    figures = _FIGURES[output]
    heads = [
        element("th", figure.label, _arrow(figure), element("small", figure.note))
        for figure in figures
    ]
    bodies = [_table_body(output, *item) for item in splits.items()]
    head = element("tr", element("th", "split (examples)"), *heads)
    return element("table", element("thead", head), *bodies)


def _table_body(output, name, scores):
    compared = [_compare(scores, output, figure) for figure in _FIGURES[output]]
    network = [
        element("td", written(value), class_=standing)
        for value, _, standing in compared
    ]
    rule = [element("td", written(value)) for _, value, _ in compared]
    examples = number(at(scores, "examples"))
    label = f"{split_label(name).capitalize()} ({written(examples, ',.0f')})"
    rule_label = element("th", _RULES[output].name.removeprefix("the "), scope="row")
    return element(
        "tbody",
        element("tr", element("th", label, scope="row"), *network, class_="network"),
        element("tr", rule_label, *rule, class_="rule"),
    )


def _arrow(figure):
    return " ↑" if figure.higher_is_better else " ↓"
