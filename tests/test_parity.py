"""Our network beside the original: same weights, same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.network import losses, model
from maskdepth_tf.training import distribution
from tests.support import reference


@pytest.fixture(scope="module")
def net():
    # The stored inputs are normalised already, and the original's depth is raw.
    return model.resnet_unet(
        pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1), depth_activation="linear"
    )


def start_anew(net):
    """Gives a network the original's weights, and statistics of no batch."""
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
            layer.moving_variance.assign(tf.ones_like(layer.moving_variance))
    reference.load_weights(net)


@pytest.fixture
def fresh(net):
    start_anew(net)
    return net


@pytest.fixture
def inputs():
    x = reference.arrays()["x"]
    return {"fg_bg": x[..., :3], "bg": x[..., 3:]}


def targets_of(kind):
    return {name: reference.arrays()[f"{kind}_{name}"] for name in ("mask", "depth")}


def test_weights_are_the_originals():
    for parameter in reference.parameters():
        value = reference.weight(parameter)
        assert value.sum() == pytest.approx(parameter["sum"], rel=1e-6, abs=1e-6)
        assert np.sqrt((value**2).sum()) == pytest.approx(parameter["l2"], rel=1e-6)


def test_every_trainable_variable_has_one_parameter(net):
    names = [reference.our_name(p["name"]) for p in reference.parameters()]
    assert len(set(names)) == len(names) == len(net.trainable_variables) == 112


def test_parameter_count(net):
    assert sum(int(np.prod(v.shape)) for v in net.trainable_variables) == 11_234_066
    assert net.count_params() == 11_244_562


def test_evaluation_outputs(fresh, inputs):
    outputs = fresh(inputs, training=False)
    golden = reference.arrays()
    # Sums of terms up to 491: near zero only the scale of all of them counts.
    for name, key in (("mask", "eval_mask_logits"), ("depth", "eval_depth")):
        np.testing.assert_allclose(outputs[name], golden[key], rtol=1e-4, atol=5e-3)


def test_training_outputs_and_statistics(fresh, inputs):
    outputs = fresh(inputs, training=True)
    golden = reference.arrays()
    np.testing.assert_allclose(outputs["mask"], golden["train_mask_logits"], atol=2e-4)
    np.testing.assert_allclose(outputs["depth"], golden["train_depth"], atol=2e-4)
    names = reference.scalars()["bn_names"]
    layers = [fresh.get_layer(reference.our_name(f"{n}.bias")[0]) for n in names]
    means = np.concatenate([layer.moving_mean.numpy() for layer in layers])
    variances = np.concatenate([layer.moving_variance.numpy() for layer in layers])
    np.testing.assert_allclose(
        means, golden["bn_running_mean_after_1_train_forward"], atol=1e-4
    )
    # Keras keeps the biased variance of a batch, PyTorch the unbiased one.
    np.testing.assert_allclose(
        variances, golden["bn_running_var_after_1_train_forward"], rtol=0.017
    )


@pytest.mark.parametrize(
    ("window", "weighting", "kinds"),
    [
        (11, "avg", ("uniform", "smooth")),
        (11, "sum", ("uniform", "smooth")),
        (3, "avg", ("smooth",)),
    ],
)
def test_five_sgd_steps(net, inputs, window, weighting, kinds):
    golden = reference.arrays()
    options = {"filter_size": window, "padding": "reflect", "clip": True}
    share = 0.5 if weighting == "avg" else 1.0
    net.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
        loss={
            "mask": losses.WeightedSum({"sigmoid_cross_entropy": 1}, from_logits=True),
            "depth": losses.WeightedSum(
                {"dssim": 1}, from_logits=False, options={"dssim": options}
            ),
        },
        loss_weights={"mask": share, "depth": share},
        jit_compile=False,  # compiling takes longer than these steps
    )
    net.optimizer.build(net.trainable_variables)
    # Keras would trace the step for them.
    distribution.build_metrics(net, (inputs, targets_of(kinds[0])))
    for targets in kinds:
        start_anew(net)
        for momentum in net.optimizer.momentums:
            momentum.assign(tf.zeros_like(momentum))
        y_true = targets_of(targets)
        measured = []
        for _ in range(6):
            logs = net.train_on_batch(inputs, y_true, return_dict=True)
            net.reset_metrics()
            measured.append([logs["loss"], logs["mask_loss"], logs["depth_loss"]])
        expected = golden[f"sgd5_{targets}_w{window}_{weighting}"]
        np.testing.assert_allclose(measured, expected, atol=1e-5)
