"""Losses: worked by hand, zero at perfection, finite at the edges, savable."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.network import losses
from tests.support import reference

MASK = np.array([[1.0, 0.0], [0.0, 0.0]], "float32").reshape(1, 2, 2, 1)
LARGE = 50.0
"""Logit of a certain answer."""


def maps(seed=0, count=2, side=16):
    return np.random.default_rng(seed).uniform(size=(count, side, side, 1)).astype("f4")


def masks(seed=0, count=2, side=16):
    return (maps(seed, count, side) > 0.7).astype("float32")


def mixture(terms, from_logits, **kwargs):
    return losses.WeightedSum(terms, from_logits=from_logits, **kwargs)


def test_soft_dice_by_hand():
    probability = np.array([[0.5, 0.25], [0.0, 0.0]], "float32").reshape(1, 2, 2, 1)
    expected = (2 * 0.5 + 1e-4) / (0.75 + 1 + 1e-4)
    np.testing.assert_allclose(losses.soft_dice(MASK, probability), [expected], 1e-6)
    np.testing.assert_allclose(losses.SoftDice()(MASK, probability), 1 - expected, 1e-6)


def test_soft_dice_at_the_ends():
    empty = tf.zeros_like(MASK)
    assert float(losses.soft_dice(MASK, MASK)[0]) == 1.0
    assert float(losses.soft_dice(empty, empty)[0]) == 1.0
    assert float(losses.soft_dice(MASK, 1 - MASK)[0]) == pytest.approx(2.5e-5, rel=1e-3)


@pytest.mark.parametrize("targets", ["uniform", "smooth"])
@pytest.mark.parametrize("state", ["eval", "train"])
def test_dice_is_the_originals(state, targets):
    golden = reference.arrays()
    loss = mixture({"dice": 1}, True)
    value = loss(golden[f"{targets}_mask"], golden[f"{state}_mask_logits"])
    expected = reference.scalars()[f"{state}/{targets}"]["dice_soft_eps1e4"]
    assert 1 - float(value) == pytest.approx(expected, abs=1e-6)


def test_dssim_by_hand():
    a, b = np.full((1, 4, 4, 1), 0.5, "f4"), np.full((1, 4, 4, 1), 0.25, "f4")
    ssim = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert float(losses.DSSIM(filter_size=3)(a, b)) == pytest.approx((1 - ssim) / 2)


def test_dssim_by_example():
    y_true, y_pred = maps(0), maps(1)
    loss = losses.DSSIM(reduction="none")
    single = [loss(y_true[i : i + 1], y_pred[i : i + 1])[0] for i in range(2)]
    assert single[0].shape == (6, 6)
    np.testing.assert_allclose(loss(y_true, y_pred), single, atol=1e-6)
    assert float(losses.DSSIM()(y_true, y_pred)) == pytest.approx(np.mean(single))


def test_dssim_clip_counts_negative_windows_as_zero():
    a = maps(0)
    plain, clipped = losses.DSSIM()(a, 1 - a), losses.DSSIM(clip=True)(a, 1 - a)
    assert float(plain) > 0.9
    assert float(clipped) == 0.5
    y_pred = tf.constant(1 - a)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = losses.DSSIM(clip=True)(a, y_pred)
    assert float(tf.reduce_max(tf.abs(tape.gradient(value, y_pred)))) == 0.0


@pytest.mark.parametrize("window", [3, 5, 11])
def test_dssim_is_the_originals(window):
    golden = reference.arrays()
    loss = losses.DSSIM(filter_size=window, padding="reflect", clip=True)
    expected = reference.scalars()["dssim(noisy_depth,smooth_depth)"][str(window)]
    value = loss(golden["smooth_depth"], golden["noisy_depth"])
    assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("targets", ["uniform", "smooth"])
@pytest.mark.parametrize("state", ["eval", "train"])
def test_cross_entropy_is_the_originals(state, targets):
    golden = reference.arrays()
    loss = mixture({"sigmoid_cross_entropy": 1}, True)
    value = loss(golden[f"{targets}_mask"], golden[f"{state}_mask_logits"])
    expected = reference.scalars()[f"{state}/{targets}"]["bce"]
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("implementation", ["banded", "tf"])
@pytest.mark.parametrize("padding", ["valid", "reflect"])
def test_dssim_is_zero_for_equal_maps(padding, implementation):
    loss = losses.DSSIM(padding=padding, implementation=implementation)
    assert float(loss(maps(), maps())) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("term", losses.TERMS)
def test_every_term_is_zero_at_perfection(term):
    y_true = masks()
    logits = LARGE * (2 * y_true - 1)
    assert float(mixture({term: 1}, True)(y_true, logits)) == pytest.approx(0, abs=1e-6)
    assert float(mixture({term: 1}, False)(y_true, y_true)) == pytest.approx(
        0.0, abs=1e-6
    )


@pytest.mark.parametrize("term", losses.TERMS)
def test_every_term_sees_the_probability(term):
    y_true, logits = masks(), (8 * maps(1) - 4)
    value = mixture({term: 1}, True)(y_true, logits)
    same = mixture({term: 1}, False)(y_true, tf.sigmoid(logits))
    assert float(value) == pytest.approx(float(same), rel=1e-5)
    assert 0 < float(value)


def test_cross_entropy_takes_logits_that_a_probability_cannot_hold():
    value = mixture({"sigmoid_cross_entropy": 1}, True)(MASK, -200 * MASK)
    assert float(value) == pytest.approx(200 / 4 + 3 / 4 * np.log(2), rel=1e-6)


def test_pixel_terms_by_hand():
    y_true = np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1)
    y_pred = np.array([0.5, 4.0], "float32").reshape(1, 1, 2, 1)
    for term, expected in (
        ("mean_squared_error", (0.25 + 9) / 2),
        ("mean_absolute_error", 1.75),
        ("smooth_l1", (0.125 + 2.5) / 2),
    ):
        assert float(mixture({term: 1}, False)(y_true, y_pred)) == pytest.approx(
            expected
        )


def test_depth_that_is_not_known_has_no_loss():
    known = np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1)
    y_true = np.concatenate([known, np.full_like(known, 0.3)])
    y_pred = tf.Variable(np.concatenate([known + 0.5, known]))
    with tf.GradientTape() as tape:
        value = mixture({"mean_absolute_error": 1}, False)(y_true, y_pred)
    assert float(value) == pytest.approx(0.25)  # the mean of 0.5 and nothing
    gradient = tape.gradient(value, y_pred).numpy()
    assert gradient[0].all()
    assert not gradient[1].any()
    # A mask of one value is an empty scene, and counts.
    empty = np.zeros((1, 1, 2, 1), "float32")
    assert float(mixture({"sigmoid_cross_entropy": 1}, True)(empty, empty)) > 0


def with_hole(y_true, *where):
    held = np.array(y_true)
    held[where] = -1 - held[where]
    return held


def value_and_gradient(loss, y_true, y_pred):
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return float(value), tape.gradient(value, y_pred).numpy()


def test_holes_by_hand():
    truth = np.array([0.0, 0.5, 1.0, 0.25], "float32").reshape(1, 1, 4, 1)
    answer = np.array([0.25, 0.0, 1.0, 9.0], "float32").reshape(1, 1, 4, 1)
    y_true = with_hole(truth, 0, 0, [1, 3])
    loss = mixture({"mean_absolute_error": 1, "mean_squared_error": 2}, False)
    value, gradient = value_and_gradient(loss, y_true, answer)
    assert value == pytest.approx((0.25 + 0) / 2 + 2 * (0.0625 + 0) / 2)
    # Of one pixel in two: 1 / 2 + 2 * 2 * 0.25 / 2.
    np.testing.assert_allclose(gradient.ravel(), [1, 0, 0, 0])


def test_the_loss_is_that_of_the_part_that_is_known():
    truth, answer = maps(0), maps(1)
    loss = mixture({"mean_absolute_error": 1, "smooth_l1": 0.5}, False)
    y_true = with_hole(truth, slice(None), slice(None), slice(6, None))
    whole = loss(truth[:, :, :6], answer[:, :, :6])
    assert float(loss(y_true, answer)) == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"padding": "reflect"}])
@pytest.mark.parametrize("term", losses.TERMS)
def test_holes_have_no_gradient_and_what_is_answered_there_no_say(term, options):
    options = {"dssim": options | {"filter_size": 5}}
    loss = mixture({term: 1}, False, options=options)
    hole = np.zeros((2, 16, 16, 1), bool)
    hole[:, 3:9, 5:12] = True
    y_true, y_pred = with_hole(maps(0), hole), maps(1)
    value, gradient = value_and_gradient(loss, y_true, y_pred)
    assert value > 0
    assert not gradient[hole].any()
    assert gradient[~hole].any(axis=None)
    other = np.where(hole, maps(2), y_pred)
    assert value == value_and_gradient(loss, y_true, other)[0]


def test_ssim_counts_windows_around_what_is_known():
    # Of 6 x 6 pixels 4 x 4 windows of 3 fit; all but two columns of them are around
    # holes, and one of those two has no hole inside.
    truth, answer = maps(0, 1, 6), maps(1, 1, 6)
    y_true = with_hole(truth, slice(None), slice(None), [0, 1, 2])
    filled = np.where(y_true <= -1, truth, answer)
    window = losses.DSSIM(3, reduction="none")
    expected = np.mean(window(truth, filled).numpy()[:, :, 2:])
    loss = mixture({"dssim": 1}, False, options={"dssim": {"filter_size": 3}})
    assert float(loss(y_true, answer)) == pytest.approx(expected, rel=1e-5)


def test_holes_alone_have_neither_loss_nor_gradient():
    y_true = np.concatenate([maps(0, 1), -1 - maps(0, 1)])
    # Nor does a map of which one depth is known.
    y_true = np.concatenate([y_true, with_hole(maps(0, 1), 0, slice(1, None))])
    y_true[2, 0] = 0.5
    assert losses.is_known(y_true).numpy().tolist() == [True, False, False]
    loss = mixture({name: 1 for name in losses.TERMS}, False, reduction="sum")
    value, gradient = value_and_gradient(loss, y_true, maps(1, 3))
    assert value == pytest.approx(float(loss(y_true[:1], maps(1, 3)[:1])))
    assert np.isfinite(gradient).all()
    assert not gradient[1:].any()


def test_weights_add_up():
    y_true, y_pred = masks(), maps(1)
    value = mixture({"dice": 2, "mean_squared_error": 0.5}, False)(y_true, y_pred)
    dice = mixture({"dice": 1}, False)(y_true, y_pred)
    square = mixture({"mean_squared_error": 1}, False)(y_true, y_pred)
    assert float(value) == pytest.approx(2 * float(dice) + 0.5 * float(square))


def test_every_example_weighs_the_same():
    y_true, y_pred = masks(count=3), maps(1, count=3)
    loss = mixture({name: 1 for name in losses.TERMS}, False, reduction="none")
    values = loss(y_true, y_pred)
    assert values.shape == (3,)
    single = [loss(y_true[i : i + 1], y_pred[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(values, single, rtol=1e-5)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("term", losses.TERMS)
@pytest.mark.parametrize("y_true", [np.zeros, np.ones, np.full])
def test_gradients_are_finite(term, from_logits, y_true):
    shape = (1, 16, 16, 1)
    y_true = (y_true(shape, 0.5) if y_true is np.full else y_true(shape)).astype("f4")
    for y_pred in (y_true, 0 * y_true, 0 * y_true + 1, maps(3, 1)):
        y_pred = tf.constant(LARGE * (2 * y_pred - 1) if from_logits else y_pred)
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = mixture({term: 1}, from_logits)(y_true, y_pred)
        assert np.isfinite(value)
        assert np.all(np.isfinite(tape.gradient(value, y_pred)))


@pytest.mark.parametrize("term", losses.TERMS)
def test_half_precision_in_single_precision_out(term):
    y_true, y_pred = masks(), maps(1)
    value = mixture({term: 1}, False)(y_true, tf.cast(y_pred, tf.float16))
    assert value.dtype == tf.float32
    single = mixture({term: 1}, False)(y_true, y_pred)
    assert float(value) == pytest.approx(float(single), rel=0.02)


@pytest.mark.parametrize(
    "loss",
    [
        losses.SoftDice(name="overlap"),
        losses.DSSIM(5, "reflect", True, "tf", 2.0, reduction="none"),
        losses.WeightedSum(
            {"dice": 2.0, "dssim": 0.5},
            from_logits=True,
            options={"dssim": {"filter_size": 3}},
            reduction="sum",
            name="both",
        ),
    ],
)
def test_serialization(loss):
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    y_true, y_pred = masks(), maps(1)
    np.testing.assert_array_equal(again(y_true, y_pred), loss(y_true, y_pred))


def test_options_reach_the_term():
    loss = mixture({"dssim": 1}, False, options={"dssim": {"filter_size": 3}})
    y_true, y_pred = maps(0), maps(1)
    expected = losses.DSSIM(filter_size=3)(y_true, y_pred)
    assert float(loss(y_true, y_pred)) == pytest.approx(float(expected))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 1, width=32))
def test_ranges(seed, share):
    y_true = (maps(seed, 1) < share).astype("float32")
    y_pred = maps(seed + 1, 1)
    for loss in (losses.SoftDice(), losses.DSSIM(), losses.DSSIM(padding="reflect")):
        assert -1e-6 <= float(loss(y_true, y_pred)) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mixture({}, True), "a loss must name at least one of sigmoid_cross_"),
        (
            lambda: mixture({"hinge": 1}, True),
            "a loss term must be one of sigmoid_cross_entropy, dice, dssim, .*"
            "Received: hinge",
        ),
        (
            lambda: mixture({"dice": 1}, True, options={"dise": {}}),
            "Received: dise",
        ),
        (lambda: losses.DSSIM(4), "positive odd number of pixels"),
        (lambda: losses.DSSIM(padding="same"), "`padding` must be one of"),
        (lambda: losses.DSSIM(implementation="x"), "`implementation` must be one of"),
        (
            lambda: losses.DSSIM()(maps(side=8), maps(side=8)),
            "maps must be at least 11 pixels",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_option_is_refused():
    with pytest.raises(TypeError, match="radius"):
        mixture({"dssim": 1}, False, options={"dssim": {"radius": 3}})
