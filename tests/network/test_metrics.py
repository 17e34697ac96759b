"""Metrics: worked by hand, the original's numbers, and no trace of the batch size."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.network import metric_list, metrics
from tests.support import reference

BOTH = [(metric.output, metric.name) for metric in metric_list.METRICS]


def column(*values):
    """Values as one map, [1, len(values), 1, 1]."""
    return tf.reshape(tf.constant(values, tf.float32), [1, -1, 1, 1])


def examples(count, seed=0):
    """Targets and outputs of both kinds, [count, 16, 16, 1]."""
    rng = np.random.default_rng(seed)
    shape = (count, 16, 16, 1)
    targets = {
        "mask": (rng.uniform(size=shape) > 0.6).astype("float32"),
        "depth": rng.uniform(size=shape).astype("float32"),
    }
    outputs = {
        "mask": rng.normal(size=shape).astype("float32"),
        "depth": rng.uniform(size=shape).astype("float32"),
    }
    return targets, outputs


def scored(targets, outputs, batches):
    """The figure of every metric after the batches, given as their ends."""
    found = metrics.make_metrics()
    start = 0
    for end in batches:
        for output, group in found.items():
            for metric in group:
                metric.update_state(
                    targets[output][start:end], outputs[output][start:end]
                )
        start = end
    return {m.name: float(m.result()) for group in found.values() for m in group}


def test_mask_by_hand():
    # Logits 3, -3, 1, -1 say 1, 0, 1, 0; the truth is 1, 1, 0, 0.
    y_true, logits = column(1, 1, 0, 0), column(3, -3, 1, -1)
    p = 1 / (1 + np.exp([-3.0, 3.0, -1.0, 1.0]))
    soft = (2 * (p[0] + p[1]) + 1e-4) / (p.sum() + 2 + 1e-4)
    np.testing.assert_allclose(metrics.dice(y_true, logits), [soft], rtol=1e-6)
    hard = (2 * 1 + 1e-4) / (2 + 2 + 1e-4)
    np.testing.assert_allclose(metrics.dice_hard(y_true, logits), [hard], rtol=1e-6)
    np.testing.assert_allclose(metrics.iou(y_true, logits), [1 / 3], rtol=1e-4)
    bce = -(np.log(p[0]) + np.log(p[1]) + np.log(1 - p[2]) + np.log(1 - p[3])) / 4
    np.testing.assert_allclose(metrics.bce(y_true, logits), [bce], rtol=1e-6)


def test_probability_of_one_half_is_background():
    assert float(metrics.dice_hard(column(1, 1), column(0, 0))[0]) < 1e-4
    assert float(metrics.iou(column(0, 0), column(0, 0))[0]) == 1.0


def test_depth_by_hand():
    y_true, y_pred = column(0.2, 0.4, 0.8, 0.0), column(0.24, 0.5, 0.4, 0.012)
    errors = np.array([0.04, 0.1, 0.4, 0.012])
    np.testing.assert_allclose(metrics.mae(y_true, y_pred), [errors.mean()], rtol=1e-5)
    rmse = np.sqrt((errors**2).mean())
    np.testing.assert_allclose(metrics.rmse(y_true, y_pred), [rmse], rtol=1e-5)
    # Ratios 1.2, 1.25 (not below), 2, and 0.012 against the floor 0.01: 1.2.
    np.testing.assert_array_equal(metrics.delta1(y_true, y_pred), [0.5])
    np.testing.assert_array_equal(metrics.delta1(y_pred, y_true), [0.5])


def test_depth_beside_holes_by_hand():
    # The third and fourth are holes, for which 0.8 and 0.0 stand.
    y_true, y_pred = column(0.2, 0.4, -1.8, -1.0), column(0.24, 0.5, 0.4, 0.012)
    np.testing.assert_allclose(metrics.mae(y_true, y_pred), [0.07], rtol=1e-5)
    rmse = np.sqrt((0.04**2 + 0.1**2) / 2)
    np.testing.assert_allclose(metrics.rmse(y_true, y_pred), [rmse], rtol=1e-5)
    np.testing.assert_allclose(metrics.delta1(y_true, y_pred), [0.5])


def test_holes_are_no_answer_right_or_wrong():
    targets, outputs = examples(2)
    hole = np.zeros(targets["depth"].shape, bool)
    hole[1, :, 4:7] = True
    targets["depth"] = np.where(hole, -1 - targets["depth"], targets["depth"])
    found = scored(targets, outputs, [2])
    outputs["depth"] = np.where(hole, 0.5, outputs["depth"])
    assert scored(targets, outputs, [2]) == found
    whole = {name: value[:1] for name, value in targets.items()}
    assert found != scored(whole, outputs, [1])
    # A map of holes alone does not count.
    targets["depth"][1] = -1.5
    expected = pytest.approx(scored(whole, outputs, [1])["ssim"], abs=1e-6)
    assert scored(targets, outputs, [2])["ssim"] == expected


def test_depths_a_little_below_0_are_depths():
    y_true = column(-0.2, 0.4)
    np.testing.assert_allclose(metrics.mae(y_true, column(0.0, 0.4)), [0.1], rtol=1e-6)


def test_ssim_is_tensorflows():
    targets, outputs = examples(3)
    expected = tf.image.ssim(targets["depth"], outputs["depth"], 1.0)
    value = metrics.ssim(targets["depth"], outputs["depth"])
    np.testing.assert_allclose(value, expected, atol=1e-6)
    dssim = metrics.dssim(targets["depth"], outputs["depth"])
    np.testing.assert_allclose(dssim, (1 - expected) / 2, atol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 3, 8, 10, 11, 12])
def test_ssim_of_small_maps(side):
    depth = np.random.default_rng(0).uniform(size=(2, side, side, 1)).astype("f4")
    np.testing.assert_allclose(metrics.ssim(depth, depth), [1, 1], atol=1e-6)


@pytest.mark.parametrize("targets", ["uniform", "smooth"])
@pytest.mark.parametrize("state", ["eval", "train"])
def test_the_originals_numbers(state, targets):
    golden = reference.arrays()
    expected = reference.scalars()[f"{state}/{targets}"]
    y_true, logits = golden[f"{targets}_mask"], golden[f"{state}_mask_logits"]
    dice = float(tf.reduce_mean(metrics.dice(y_true, logits)))
    assert dice == pytest.approx(expected["dice_soft_eps1e4"], abs=1e-6)
    bce = float(tf.reduce_mean(metrics.bce(y_true, logits)))
    assert bce == pytest.approx(expected["bce"], rel=1e-5)


@pytest.mark.parametrize(("output", "name"), BOTH)
def test_one_value_an_example(output, name):
    targets, outputs = examples(4)
    function = metrics.FUNCTIONS[name]
    values = function(targets[output], outputs[output])
    assert values.shape == (4,)
    for i in range(4):
        one = function(targets[output][i : i + 1], outputs[output][i : i + 1])
        np.testing.assert_allclose(one, values[i : i + 1], atol=1e-6)


def test_every_metric_has_a_function_of_its_name():
    assert list(metrics.FUNCTIONS) == [name for _, name in BOTH]


def test_batches_leave_no_trace():
    targets, outputs = examples(10)
    whole = scored(targets, outputs, [10])
    assert set(whole) == {name for _, name in BOTH}
    assert scored(targets, outputs, [7, 10]) == pytest.approx(whole, abs=1e-6)
    assert scored(targets, outputs, range(1, 11)) == pytest.approx(whole, abs=1e-6)


def test_perfection():
    targets, _ = examples(2)
    outputs = {"mask": metrics.to_logits(targets["mask"]), "depth": targets["depth"]}
    figures = scored(targets, outputs, [2])
    best = {"dice": 1, "dice_hard": 1, "iou": 1, "bce": 0, "ssim": 1, "dssim": 0}
    best |= {"rmse": 0, "mae": 0, "delta1": 1}
    assert figures == pytest.approx(best, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_intersection_over_union_follows_from_dice(seed):
    targets, outputs = examples(1, seed)
    truth, found = targets["mask"] > 0, outputs["mask"] > 0
    expected = (truth & found).sum() / (truth | found).sum()
    d = metrics.dice_hard(targets["mask"], outputs["mask"])
    iou = metrics.iou(targets["mask"], outputs["mask"])
    np.testing.assert_allclose(iou, [expected], atol=1e-5)
    np.testing.assert_allclose(iou, d / (2 - d), rtol=1e-6)


def test_to_logits():
    np.testing.assert_allclose(
        metrics.to_logits(tf.constant([0.5, 0.75])), [0, np.log(3)], rtol=1e-6
    )
    ends = metrics.to_logits(tf.constant([0.0, 1.0]))
    np.testing.assert_allclose(ends, [-16.1, 16.1], atol=0.3)
    middle = tf.constant([0.001, 0.3, 0.999])
    np.testing.assert_allclose(tf.sigmoid(metrics.to_logits(middle)), middle, rtol=1e-5)


def test_integer_masks_are_taken():
    y_true = tf.cast(column(1, 0), tf.uint8)
    np.testing.assert_array_equal(
        metrics.bce(y_true, column(2, 2)), metrics.bce(column(1, 0), column(2, 2))
    )
