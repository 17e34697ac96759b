"""Depths after a fit of scale and shift."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.inference import depths
from maskdepth_tf.input import examples, labels

SIZE = 8
RAMP = np.linspace(0, 1, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE, 1)


class Fixed:
    """Answers what it is given, row after row."""

    image_size = SIZE

    def __init__(self, answers):
        self._answers = iter(answers)

    def outputs(self, inputs):
        """See `scoring.Scorable`."""
        count = len(inputs["bg"])
        return {"depth": tf.constant([next(self._answers) for _ in range(count)])}


def labelled(tmp_path, truths, ranges=None):
    """A set of these depths, in which the left half is foreground."""
    rows = [
        labels.Row("b.png", "f.png", "w.png", "m.png", f"d/{n}.png")
        for n in range(len(truths))
    ]
    mask = np.zeros((SIZE, SIZE, 1), np.uint8)
    mask[:, : SIZE // 2] = 1

    def load(indices):
        count = len(indices)
        pixels = tf.zeros([count, SIZE, SIZE, 3], tf.uint8)
        chosen = np.rint(65535 * np.stack([truths[i] for i in indices]))
        return {
            "bg": pixels,
            "fg_bg": pixels,
            "mask": tf.constant(np.stack([mask] * count)),
            "depth": tf.constant(chosen.astype(np.uint16)),
        }

    if ranges:
        lines = [f"d/{n}.png,{near},{far}\n" for n, (near, far) in enumerate(ranges)]
        (tmp_path / "depth_range.csv").write_text(
            "depth,near_m,far_m\n" + "".join(lines)
        )
    return examples.Examples(rows, str(tmp_path), load)


def test_a_fit_by_hand():
    truth = np.array([1.0, 2.0, 4.0])
    # a = sum (p - 1)(t - 7/3) / sum (p - 1)^2 = 3 / 2, b = 5 / 6.
    np.testing.assert_allclose(
        depths.fit(np.array([0, 1, 2.0]), truth), [5 / 6, 7 / 3, 23 / 6]
    )
    np.testing.assert_allclose(depths.fit(np.zeros(3), truth), [7 / 3] * 3)


def test_another_scale_and_shift_is_no_error(tmp_path):
    found = labelled(tmp_path, [RAMP, RAMP], [(1, 3), (2, 8)])
    figures = depths.score(Fixed([0.2 + 0.5 * RAMP, RAMP]), found, np.arange(2), 1)
    assert figures["units"] == "m"
    for part in ("whole", "foreground", "background"):
        values = figures["network"][part]
        assert values["abs_rel"] == pytest.approx(0, abs=1e-4)
        assert values["rmse"] == pytest.approx(0, abs=1e-4)
        assert values["delta1"] == 1


def test_metres_by_hand(tmp_path):
    """A constant answer is the mean depth: 2 m where it is 1 to 3 m."""
    found = labelled(tmp_path, [RAMP], [(1, 3)])
    figures = depths.score(Fixed([np.full_like(RAMP, 0.3)]), found, np.arange(1), 4)
    truth = 1 + 2 * RAMP
    values = figures["network"]["whole"]
    assert values["abs_rel"] == pytest.approx(
        np.mean(np.abs(2 - truth) / truth), rel=1e-3
    )
    assert values["rmse"] == pytest.approx(np.std(truth), rel=1e-3)
    is_near = (truth > 2 / 1.25) & (truth < 2 * 1.25)
    assert values["delta1"] == pytest.approx(is_near.mean())
    # Here the mean map is the truth itself.
    assert figures["mean_map"]["whole"]["delta1"] == 1


def test_unknown_depths_do_not_count_and_units_are_said(tmp_path):
    flat = np.full_like(RAMP, 0.5)
    found = labelled(tmp_path, [RAMP, flat])
    figures = depths.score(Fixed([RAMP, RAMP]), found, np.arange(2), 2)
    assert figures["units"] is None
    assert figures["network"]["whole"]["delta1"] == 1
    assert "RMSE [m]" not in depths.table(figures)
    assert depths.score(Fixed([RAMP]), found, np.array([1]), 2) == {}
    assert depths.table({}) == "depth after a fit: no row's depth is known"


def test_holes_take_no_part(tmp_path):
    """Neither in the fit, nor in the figures, nor in the mean map."""
    hole = np.zeros((SIZE, SIZE, 1), bool)
    hole[2:4, 1:6] = True
    found = labelled(tmp_path, [RAMP, RAMP, RAMP], [(1, 3)] * 3)
    load = found.load

    def load_with_holes(indices):
        batch = load(indices)
        depth = batch["depth"].numpy().astype(np.int32)
        depth[indices < 2] = np.where(hole, -1 - 65535, depth[indices < 2])
        return batch | {"depth": tf.constant(depth)}

    found = dataclasses.replace(found, load=load_with_holes)
    answer = np.where(hole, 7, 0.2 + 0.5 * RAMP)
    answers = [answer, answer, 0.2 + 0.5 * RAMP]
    figures = depths.score(Fixed(answers), found, np.arange(3), 2)
    for name in ("network", "mean_map"):
        for part in depths.PARTS:
            assert figures[name][part]["rmse"] == pytest.approx(0, abs=1e-4)
            assert figures[name][part]["delta1"] == 1


def test_joined_sets_know_their_metres(tmp_path):
    (tmp_path / "d").mkdir()
    found = labelled(tmp_path, [RAMP])
    (tmp_path / "d" / "depth_range.csv").write_text("depth,near_m,far_m\n0.png,1,3\n")
    figures = depths.score(Fixed([RAMP]), found, np.arange(1), 1)
    assert figures["units"] == "m"
    lines = depths.table(figures).splitlines()
    assert len(lines) == 7
    assert max(map(len, lines)) < 80
    assert lines[1].split() == ["whole", "0.0000", "0.0000", "1.0000"]
