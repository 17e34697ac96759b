"""Depths beyond SSIM: AbsRel, RMSE and delta1, after a fit of scale and shift.

Relative depth has no unit, and its nearest point is its picture's own. So each answer
p is first brought to the scale and shift of the truth t that fit it best,

    minimum over a, b of  sum (a p + b - t)^2,

over the whole picture. Then, over its pixels, and those of foreground and background
apart, all of them without holes:

    AbsRel = mean |p - t| / t    RMSE = sqrt(mean (p - t)^2)
    delta1 = share with max(p / t, t / p) < 1.25

Where the set knows metres (`depth_range.csv`) t is in metres; elsewhere it is relative,
and what is below 0.01 counts as that. Every picture whose depth is known counts the
same.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maskdepth_tf import streams
from maskdepth_tf.dataset.teachers import ranges
from maskdepth_tf.inference.scoring import Scorable
from maskdepth_tf.input import examples, pipeline
from maskdepth_tf.network import metrics

PARTS = ("whole", "foreground", "background")
FIGURES = ("abs_rel", "rmse", "delta1")
HEADINGS = ("AbsRel", "RMSE", "delta1")
_METRES = b"depth,near_m,far_m\n"


def score(
    model: Scorable, found: examples.Examples, ids: np.ndarray, batch_size: int
) -> dict:
    """Scores a network's depths, and the best constant answer, the mean map.

    Args:
        model: The network.
        found: The labelled set, of the network's size.
        ids: Its rows, int64 [N].
        batch_size: Rows at a time.

    Returns:
        `units`, "m" or None, and for `network` and `mean_map` the `FIGURES` of each of
        the `PARTS`; empty if no row's depth is known.
    """
    metres = _metres(found)
    has_metres = all(found.rows[row].depth in metres for row in ids)
    values: dict = {name: defaultdict(list) for name in ("network", "mean_map")}

    def add(name, row, answer, truth, mask) -> None:
        is_known = truth > streams.HOLE
        if has_metres:
            near, far = metres[found.rows[row].depth]
            truth = near + (far - near) * truth
        pixels = (x[is_known] for x in (answer, truth, mask >= 0.5))
        for part, figures in _figures(*pixels).items():
            values[name][part].append(figures)

    total, count = np.zeros(()), np.zeros((), int)
    for row, truth, mask, answer in _known(found, ids, batch_size, model.outputs):
        add("network", row, answer, truth, mask)
        is_known = truth > streams.HOLE
        total = total + np.where(is_known, truth, 0)
        count = count + is_known
    if not count.any():
        return {}
    # Once more, as the mean is not known before: all maps would not fit into memory.
    for row, truth, mask, _ in _known(found, ids, batch_size):
        add("mean_map", row, total / np.maximum(count, 1), truth, mask)
    figures = {
        name: {
            part: dict(zip(FIGURES, np.mean(own[part], axis=0).tolist(), strict=True))
            for part in PARTS
            if own[part]
        }
        for name, own in values.items()
    }
    return {"units": "m" if has_metres else None} | figures


def _known(found, ids, batch_size, outputs=None) -> Iterator[tuple]:
    """Row, depth, mask and answer of the rows whose depth is known, one by one."""
    for start in range(0, len(ids), batch_size):
        rows = ids[start : start + batch_size]
        inputs, targets = pipeline.split_example(found.load(rows))
        truths, masks = targets["depth"].numpy(), targets["mask"].numpy()
        answers = outputs(inputs)["depth"].numpy() if outputs else truths
        for row, truth, mask, answer in zip(rows, truths, masks, answers, strict=True):
            seen = truth[truth > streams.HOLE]
            if seen.size and np.ptp(seen) > 0:
                yield row, truth, mask, answer


def table(figures: dict) -> str:
    """Writes what `score` found for a terminal, in lines of less than 80 columns."""
    if not figures:
        return "depth after a fit: no row's depth is known"
    unit = " [m]" if figures["units"] else ""
    head = "".join(
        f"{heading + (unit if heading == 'RMSE' else ''):>10}" for heading in HEADINGS
    )
    lines = [f"{'depth after a fit':24}{head}"]
    for name, label in (("network", ""), ("mean_map", "  mean map, ")):
        for part, values in figures[name].items():
            text = f"{label}{part}"
            lines.append(f"{text:24}" + "".join(f"{values[f]:10.4f}" for f in FIGURES))
    return "\n".join(lines)


def fit(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """An answer at the scale and shift of the truth, which has the same shape."""
    spread = answer - answer.mean()
    square = float(np.square(spread).sum())
    scale = float((spread * (truth - truth.mean())).sum()) / square if square else 0.0
    return truth.mean() + scale * spread


def _figures(answer, truth, is_front) -> dict[str, tuple[float, float, float]]:
    """`FIGURES` of the pixels of a picture by its parts; an empty one is left out."""
    floor = metrics.DELTA_FLOOR
    found = np.maximum(fit(answer.astype(np.float64), truth.astype(np.float64)), floor)
    truth = np.maximum(truth, floor)
    error = np.abs(found - truth)
    ratio = np.maximum(found / truth, truth / found)
    result = {}
    parts = (np.ones_like(is_front), is_front, ~is_front)
    for part, inside in zip(PARTS, parts, strict=True):
        if inside.any():
            result[part] = (
                float((error / truth)[inside].mean()),
                float(np.sqrt(np.square(error[inside]).mean())),
                float((ratio[inside] < metrics.DELTA_RATIO).mean()),
            )
    return result


def _metres(found) -> ranges.Ranges:
    """Nearest and farthest point of maps, by their path, where they are in metres."""
    known: ranges.Ranges = {}
    root = Path(found.root)
    folders = {Path(row.depth).parts[0] for row in found.rows}
    for prefix in ("", *(f"{folder}/" for folder in sorted(folders))):
        path = root / prefix / ranges.RANGES
        if path.is_file() and path.read_bytes().startswith(_METRES):
            known |= {prefix + name: pair for name, pair in ranges.read(path).items()}
    return known
