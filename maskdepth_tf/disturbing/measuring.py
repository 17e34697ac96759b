"""Measures how much a disturbance of the pictures spoils the masks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from maskdepth_tf import workers
from maskdepth_tf.disturbing import answering, samples
from maskdepth_tf.disturbing.figures import Figures
from maskdepth_tf.disturbing.kinds import KINDS
from maskdepth_tf.disturbing.samples import Sample
from maskdepth_tf.disturbing.source import Source, open_reader, read_samples
from maskdepth_tf.inference.scoring import Scorable
from maskdepth_tf.input.examples import Examples
from maskdepth_tf.reports.robustness_page import Shown

SHOWN = 6
"""Kinds whose worst cell is shown: those where it is worst."""
SEVERITY = 2
"""What `maskdepth evaluate` looks at: seen by a careful eye, and met every day."""
QUICK_ROWS = 100
"""Most rows that it looks at: enough for two digits, in seconds."""


def measure(
    model: Scorable,
    examples: Examples,
    ids: np.ndarray,
    num_workers: int = 1,
    hand_held: Examples | None = None,
) -> tuple[dict[str, Any], list[Shown]]:
    """Measures a network and the yardsticks on disturbed pairs.

    Args:
        model: The network.
        examples: A labelled set with files.
        ids: Numbers of its rows, int64 [N].
        num_workers: Processes that disturb; the figures do not depend on it.
        hand_held: A set of pairs of a camera that moved, measured as they are.

    Returns:
        result: As `Figures.result`, and `image_size` and `parameters`.
        shown: Pictures of the kinds' worst cells, the worst first.

    Raises:
        DataError: If a picture cannot be read.
    """
    source = Source(examples.rows, examples.root, model.image_size)
    cases = [samples.CLEAN, *(kind.name for kind in KINDS), samples.NOBODY]
    cases += [samples.WRONG_ROOM, samples.FIGURE_IN_BACKGROUND, samples.SWAPPED]
    tasks = [(int(number), case) for number in ids for case in cases]
    figures = Figures()
    with workers.pool_or_here(num_workers, source, open_reader) as pool:
        made = _flat(pool.in_order(read_samples, tasks), len(tasks))
        figures.add(answering.answer(model, made))
    if hand_held:
        own = Source(hand_held.rows, hand_held.root, model.image_size)
        tasks = [(number, samples.HAND_HELD) for number in range(len(own.rows))]
        with workers.pool_or_here(num_workers, own, open_reader) as pool:
            made = _flat(pool.in_order(read_samples, tasks), len(tasks))
            figures.add(answering.answer(model, made))
    result = figures.result()
    about = {"image_size": model.image_size, "parameters": model.num_parameters}
    return about | result, _worst(model, source, figures, result)


def mean_at_severity(
    model: Scorable, examples: Examples, ids: np.ndarray, severity: int = SEVERITY
) -> float:
    """Measures a network alone at one severity.

    Args:
        model: The network.
        examples: A labelled set with files.
        ids: Numbers of its rows, int64 [N].
        severity: From 1; kinds with fewer take their last. 0 disturbs nothing.

    Returns:
        Mean IoU over all kinds and rows, at the network's size.

    Raises:
        DataError: If a picture cannot be read.
    """
    source = Source(examples.rows, examples.root, model.image_size, False)
    reader = open_reader(source)
    cases = [kind.name for kind in KINDS] if severity else [samples.CLEAN]
    made = (
        sample
        for number in ids
        for case in cases
        for sample in reader.samples((int(number), case), severity)
    )
    ious = [
        one.sample.scores[answering.NETWORK].iou
        for one in answering.answer(model, made)
    ]
    return float(np.mean(ious))


def _flat(pieces, total) -> Iterator[Sample]:
    with workers.track("robustness", total, "pieces") as advance:
        for piece in pieces:
            yield from piece
            advance(1)


def _worst(model, source, figures, result) -> list[Shown]:
    """A typical row of the worst cell of each kind, of those where it is worst."""
    cells = sorted(
        min(
            (cell["iou"], place, severity)
            for severity, cell in enumerate(kind["cells"][answering.NETWORK], 1)
        )
        for place, kind in enumerate(result["kinds"])
    )
    reader, shown = open_reader(source), []
    for iou, place, severity in cells[:SHOWN]:
        kind = KINDS[place]
        number = figures.median_row(kind.name, severity)
        (sample,) = reader.samples((number, kind.name), severity)
        (answered,) = answering.answer(model, [sample])
        about = f"{kind.label}: {kind.levels[severity - 1]:g}"
        of_row = answered.sample.scores[answering.NETWORK].iou
        pair = answered.sample.pair
        shown.append(
            Shown(
                about,
                severity,
                iou,
                number,
                of_row,
                *pair,
                np.uint8(255) * answered.mask,
            )
        )
    return shown
