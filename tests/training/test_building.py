"""Steps that prepare their batches, as on a GPU, and the XLA part of them."""

import csv
import types

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.training import batches, building
from tests.support.training_runs import tiny_overrides, train_run

CHANGES = (
    "augmentation.flip_probability=0.5",
    "scene.shadow_probability=0.5",
    "camera.light_probability=0.5",
    "camera.noise_probability=0.5",
    "camera.compression_probability=0.5",
)


def test_step_prepares_batches_as_the_input_does(packed_dir):
    data = batches.open_data(
        config.load_config([], [*tiny_overrides(packed_dir, "none"), *CHANGES])
    )
    strategy = tf.distribute.get_strategy()
    expected = next(iter(data.training_batches(3, strategy)))
    element = next(iter(data.training_batches(3, strategy, is_prepared=False)))
    prepared = tf.function(data.prepare, autograph=False)(*element)
    for ours, other in zip(prepared, expected, strict=True):
        for name, value in other.items():
            # Graphs that are optimized by themselves round by themselves.
            most = 1 if value.dtype == tf.uint8 else 1e-6
            np.testing.assert_allclose(ours[name], value, rtol=0, atol=most)


def test_xla_compiles_the_step_alone():
    def train_step(batch):
        inputs, targets = batch
        assert not tf.executing_eagerly()
        return {"loss": tf.reduce_sum(inputs - targets)}

    def prepare(inputs, targets):  # XLA has no such operation
        return tf.py_function(lambda: inputs + 1, [], tf.float32), targets

    net = types.SimpleNamespace(jit_compile=True, train_step=train_step)
    building.prepare_in_step(net, prepare)
    assert not net.jit_compile
    logs = net.train_step((tf.constant([3.0]), tf.constant([1.5])))
    assert float(logs["loss"]) == 2.5


def test_run_prepares_its_batches_in_the_step(packed_dir, tmp_path, monkeypatch):
    def losses_of(name):
        overrides = [*tiny_overrides(packed_dir, tmp_path / name), *CHANGES]
        assert train_run(overrides) == 0
        with open(tmp_path / name / "metrics.csv", newline="") as file:
            return [float(epoch["loss"]) for epoch in csv.DictReader(file)]

    expected = losses_of("input")
    monkeypatch.setattr(batches.TrainingData, "is_prepared_in_step", True)
    assert losses_of("step") == pytest.approx(expected, rel=0.01)
