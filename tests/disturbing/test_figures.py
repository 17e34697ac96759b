import json

import numpy as np
import pytest

from maskdepth_tf.disturbing import figures
from maskdepth_tf.disturbing.answering import Answered
from maskdepth_tf.disturbing.kinds import KINDS
from maskdepth_tf.disturbing.samples import Place, Sample, Score
from maskdepth_tf.registration import describing

EMPTY = np.zeros((16, 16), bool)
DEPTH = np.linspace(0, 1, 256, dtype="float32").reshape(16, 16, 1)


def answered(place, number, network, rule, mismatch=0.0, marked=0.0, depth=DEPTH):
    scores = {"network": Score(network, marked, 0.002), "rule": Score(rule, 0.5, 0.001)}
    sweep = np.zeros(256, np.float32)
    sweep[40] = rule + 0.05
    return Answered(Sample(place, number, None, scores, sweep), EMPTY, depth, mismatch)


def whole(network=0.8, rule=0.6, rows=(0, 1)):
    """Answers of which only the noise of severity 5 is another."""
    for number in rows:
        yield answered(Place("clean"), number, 0.9, 0.7)
        for kind in KINDS:
            for severity in range(1, 6):
                place, is_worst = Place(kind.name, "", severity), kind.name == "noise"
                found = 0.1 * number if is_worst and severity == 5 else network
                yield answered(place, number, found, rule, 0.125 * severity)
            if not kind.needs_figure:
                yield answered(Place("nobody", kind.name, 3), number, 1, 0, marked=0.02)
        yield answered(Place("wrong_room"), number, 0, 0, 0.25 + 0.5 * number)
        yield answered(Place("swapped"), number, 0.5, 0.25)
        yield answered(Place("figure_in_background"), number, 0.25, 0.125)


@pytest.fixture
def collected():
    collected = figures.Figures()
    collected.add(whole())
    return collected


@pytest.fixture
def result(collected):
    return collected.result()


def test_result_is_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["rows"] == 2
    assert [kind["name"] for kind in result["kinds"]] == [kind.name for kind in KINDS]


def test_cells(result):
    noise = next(kind for kind in result["kinds"] if kind["name"] == "noise")
    last = {"iou": 0.05, "p10": 0.01, "poor": 1}
    assert noise["cells"]["network"][4] == pytest.approx(last)
    assert noise["cells"]["network"][0] == pytest.approx(
        {"iou": 0.8, "p10": 0.8, "poor": 0}
    )
    assert noise["oracle"][0] == pytest.approx({"threshold": 40, "iou": 0.65})
    assert noise["depth_ssim"] == pytest.approx([1] * 5)


def test_errors_are_shares_of_the_rule(result):
    others = (1 - 0.8) / (1 - 0.6)
    noise = (4 * 0.2 + 0.95) / (5 * 0.4)
    ces = {kind["name"]: kind["ce"] for kind in result["kinds"]}
    assert ces["noise"] == pytest.approx({"network": noise, "rule": 1})
    assert ces["zoom"]["network"] == pytest.approx(others)
    network, rule = result["methods"]["network"], result["methods"]["rule"]
    assert network["mce"] == pytest.approx((15 * others + noise) / 16)
    assert network["mce_held_out"] == pytest.approx(others)
    lost = 79 * (0.9 - 0.8) + (0.9 - 0.05)
    assert network["relative_mce"] == pytest.approx(lost / (80 * (0.7 - 0.6)))
    assert network["worst"] == {"iou": 0.05, "kind": "noise", "severity": 5}
    assert (rule["mce"], rule["relative_mce"]) == pytest.approx((1, 1))
    assert network["milliseconds"] == pytest.approx(2)


def test_nobody_swapped_and_somebody(result):
    assert result["methods"]["network"]["nobody_marked"] == pytest.approx(0.02)
    assert result["nobody"]["shift"] == {"network": 0.02, "rule": 0.5}
    assert result["swapped"]["network"]["iou"] == 0.5
    assert result["figure_in_background"]["rule"]["iou"] == 0.125


def test_wrong_rooms_are_told_from_mild_disturbances(result):
    # Mild ones have 0.125, 0.25 and 0.375; wrong ones 0.25 and 0.75.
    room = result["wrong_room"]
    assert room["auc"] == pytest.approx((1 / 2 + 1) / 2)
    assert (room["pairs"], room["threshold"], room["missed"]) == (
        2,
        describing.MISMATCH,
        0.5,
    )
    assert room["false_alarms"] == 0


def test_no_wrong_room():
    collected = figures.Figures()
    collected.add(one for one in whole() if one.sample.place.case != "wrong_room")
    room = collected.result()["wrong_room"]
    assert (room["pairs"], room["auc"], room["missed"]) == (0, None, None)


def test_a_rule_without_fault_divides_nothing():
    collected = figures.Figures()
    collected.add(whole(rule=1.0))
    result = collected.result()
    assert {kind["ce"]["network"] for kind in result["kinds"]} == {None}
    assert result["methods"]["network"]["mce"] is None
    assert result["methods"]["network"]["relative_mce"] is None


def test_the_median_row():
    collected = figures.Figures()
    collected.add(whole(rows=(4, 2, 9)))
    assert collected.median_row("noise", 5) == 4


def test_another_depth_lowers_the_similarity():
    collected = figures.Figures()
    collected.add(whole(rows=(0,)))
    place = Place("gain", "", 1)
    collected.add([answered(place, 0, 0.8, 0.6, depth=1 - DEPTH)])
    gain = next(k for k in collected.result()["kinds"] if k["name"] == "gain")
    assert gain["depth_ssim"][0] < 0.9
    assert gain["depth_ssim"][1] == pytest.approx(1)


def test_pairs_taken_by_hand_stand_apart():
    collected = figures.Figures()
    collected.add(whole())
    without = collected.result()
    assert without["hand_held"] == {"rows": 0, "cells": {}}
    collected.add([answered(Place("hand_held"), 77, 0.4, 0.6, mismatch=1.0)])
    result = collected.result()
    hand_held = result.pop("hand_held")
    assert hand_held["rows"] == 1
    assert hand_held["cells"]["network"]["iou"] == pytest.approx(0.4)
    for key in ("kinds", "wrong_room", "clean"):
        assert result[key] == without[key]
