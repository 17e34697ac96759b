"""Made-up figures of a robustness measurement."""

from maskdepth_tf.disturbing.kinds import KINDS
from maskdepth_tf.disturbing.yardsticks import YARDSTICKS


def cell(iou):
    return {"iou": iou, "p10": iou, "poor": 0.0}


METHODS = ("network", "rule", "gain_rule", "orb_tone_rule", "mog2")


def result(pairs=2):
    """Figures as `Figures.result` returns them."""
    kinds = [
        {
            "name": kind.name,
            "label": kind.label,
            "group": kind.group,
            "held_out": kind.held_out,
            "levels": list(kind.levels),
            "cells": {
                key: [cell(0.9 - 0.1 * place - 0.01 * s) for s in range(5)]
                for place, key in enumerate(METHODS)
            },
            "oracle": [{"threshold": 20, "iou": 0.85}] * 5,
            "depth_ssim": [0.9] * 5,
            "ce": dict.fromkeys(METHODS, 0.5),
        }
        for kind in KINDS
    ]
    labels = {"network": "network"} | {k: y.label for k, y in YARDSTICKS.items()}
    method = {"mce": 0.5, "mce_held_out": 0.6, "relative_mce": None, "mean_iou": 0.88}
    method |= {"worst": {"iou": 0.12, "kind": "jpeg", "severity": 5}}
    method |= {"nobody_marked": 0.012, "milliseconds": 7.96}
    room = {"pairs": pairs, "auc": 0.987 if pairs else None, "threshold": 0.3}
    room |= {"false_alarms": 0.012, "missed": 0.0 if pairs else None}
    clean = {key: cell(0.93) for key in METHODS}
    return {
        "image_size": 16,
        "parameters": 1234,
        "rows": 2,
        "clean": clean,
        "kinds": kinds,
        "nobody": {"white_balance": dict.fromkeys(METHODS, 0.012)},
        "wrong_room": room,
        "figure_in_background": clean,
        "swapped": clean,
        "hand_held": {"rows": 100, "cells": clean},
        "methods": {key: method | {"label": labels[key]} for key in METHODS},
    }
