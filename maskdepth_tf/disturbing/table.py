"""Robustness for a terminal: less than 80 columns wide."""

from collections.abc import Mapping
from typing import Any

from maskdepth_tf.disturbing import samples
from maskdepth_tf.disturbing.answering import NETWORK
from maskdepth_tf.disturbing.yardsticks import YARDSTICKS
from maskdepth_tf.reports import page

_NAME, _CELL, _METHOD = 22, 5, 25


def table(result: Mapping[str, Any]) -> str:
    """Writes the figures of a measurement.

    Args:
        result: As `measuring.measure` returns it.

    Returns:
        A line a disturbance with the network's mean IoU by severity and the best of
        the yardsticks beside it, a line a method, and what is left to say.
    """
    blocks = [_kinds(result), _methods(result), _rest(result)]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _kinds(result) -> list[str]:
    severities = max(len(kind["levels"]) for kind in result["kinds"])
    heads = "".join(f"{severity:>{_CELL}}" for severity in range(1, severities + 1))
    lines = [f"{'IoU by severity':{_NAME}}{heads}{'mean':>{_CELL + 1}}  best yardstick"]
    for kind in result["kinds"]:
        name = kind["label"] + (" T" if kind["held_out"] else "")
        values = [cell["iou"] for cell in kind["cells"][NETWORK]]
        cells = "".join(f"{value:{_CELL}.2f}" for value in values)
        best, method = max(
            (_mean([cell["iou"] for cell in kind["cells"][key]]), YARDSTICKS[key].label)
            for key in YARDSTICKS
        )
        width = _CELL * severities
        mean = f"{_mean(values):{_CELL + 1}.2f}"
        lines.append(f"{name:{_NAME}}{cells:{width}}{mean}  {best:.2f} {method}")
    return [*lines, "T: no augmentation of training makes it"]


def _methods(result) -> list[str]:
    heads = ("clean", "mean", "mCE", "mCE T", "rel.", "worst", "nobody", "ms")
    lines = [f"{'method':{_METHOD}}" + "".join(f"{head:>7}" for head in heads[:-1])]
    lines[0] += f"{heads[-1]:>5}"
    for key, method in result["methods"].items():
        figures = [result["clean"][key]["iou"], method["mean_iou"], method["mce"]]
        figures += [method["mce_held_out"], method["relative_mce"]]
        cells = "".join(
            f"{page.number_text(value, '.2f'):>7}"
            for value in (*figures, method["worst"]["iou"])
        )
        nobody = page.number_text(method["nobody_marked"], ".1%")
        lines.append(
            f"{method['label']:{_METHOD}}{cells}{nobody:>7}{method['milliseconds']:5.1f}"
        )
    return lines


def _rest(result) -> list[str]:
    worst, room = result["methods"][NETWORK]["worst"], result["wrong_room"]
    names = {kind["name"]: kind["label"] for kind in result["kinds"]}
    lines = [
        f"worst cell: {names[worst['kind']]}, severity {worst['severity']}: "
        f"IoU {worst['iou']:.2f}"
    ]
    for case, text in (
        (samples.FIGURE_IN_BACKGROUND, "somebody in the background"),
        (samples.SWAPPED, "pictures swapped"),
    ):
        lines.append(f"{text}: IoU {result[case][NETWORK]['iou']:.2f}")
    hand_held = result[samples.HAND_HELD]
    if hand_held["rows"]:
        ious = {key: cell["iou"] for key, cell in hand_held["cells"].items()}
        best, method = max((ious[key], YARDSTICKS[key].label) for key in YARDSTICKS)
        lines.append(
            f"taken by hand T ({hand_held['rows']} pairs): IoU {ious[NETWORK]:.2f}, "
            f"best yardstick {best:.2f} {method}"
        )
    if room["pairs"]:
        lines.append(f"wrong room: AUC {room['auc']:.3f}")
        lines.append(
            f"  {room['false_alarms']:.1%} false alarms, {room['missed']:.1%} missed "
            f"above {room['threshold']:.0%} mismatch"
        )
    else:
        lines.append("wrong room: not measured, all rows show the same one")
    return lines


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
