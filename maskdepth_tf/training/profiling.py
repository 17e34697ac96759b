"""Where the time of a training step goes, stage by stage.

Stages are timed alone, one after the other, each as fast as it can be on all cores:
what is read, decoded and changed while the step before it is computed. Training is
as slow as the slowest of input and compute, or a little slower, where they share cores.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.input import pipeline
from maskdepth_tf.training import batches, building, distribution

WARM_UP, STEPS = 5, 30
"""Steps before the clock is started, and under it."""
TRACED = 3
"""Steps of training in the trace."""


class Stage(NamedTuple):
    """A part of a training step.

    Attributes:
        name: What is done.
        seconds: Time for one step's batch.
    """

    name: str
    seconds: float


def profile(data: batches.TrainingData, net: keras.Model, folder: Path) -> list[Stage]:
    """Times the stages of training and writes a trace for TensorBoard.

    Args:
        data: The configuration and its labelled set.
        net: The compiled model; it is trained for some steps.
        folder: Where the trace goes.

    Returns:
        Reading (what is not in memory), decoding, registering, all that changes
        pictures, all input together, transfer to a GPU (if there is one), computing,
        and training as a whole. Where the step prepares its batches, that is part of
        computing.
    """
    in_step = data.is_prepared_in_step
    if in_step:
        building.prepare_in_step(net, data.prepare)
    training_batches = _batches(data, is_prepared=not in_step)
    whole = _seconds(training_batches)
    loaded = whole if in_step else _seconds(_batches(data, is_prepared=False))
    stages, read, from_files = [], 0.0, data.examples.from_files
    if from_files:
        read = _seconds(_reading(data))
        stages.append(Stage("read from files", read))
    name = "decode" if from_files else "gather"
    stages.append(Stage(name, loaded - read))
    if not in_step:
        unchanged = dataclasses.replace(
            data.settings,
            augmentation=config.Augmentation(),
            scene=config.Scene(),
            camera=config.Camera(),
        )
        registered = _seconds(_batches(dataclasses.replace(data, settings=unchanged)))
        stages.append(Stage("register", registered - loaded))
        stages.append(Stage("change", whole - registered))
    stages.append(Stage("input together", whole))
    batch = next(iter(training_batches))
    if tf.config.list_physical_devices("GPU"):
        stages.append(Stage("transfer", _seconds(_transfers(batch))))
    distribution.build_metrics(net, data.picture_batch())
    constant = tf.data.Dataset.from_tensors(batch).repeat()
    stages.append(Stage("compute", _training_seconds(net, constant)))
    stages.append(Stage("training", _training_seconds(net, training_batches, folder)))
    return stages


def table(stages: list[Stage], batch_size: int) -> str:
    """A line a stage, and one that says what limits the run."""
    lines = [f"{'':16}{'ms a step':>10}{'images/s':>12}"]
    for name, seconds in stages:
        rate = batch_size / max(seconds, 1e-9)
        # A difference of two times can be nothing, or less.
        images = f"{rate:12,.0f}" if seconds > 1e-5 else f"{'-':>12}"
        lines.append(f"{name:16}{1000 * max(seconds, 0.0):10.2f}{images}")
    times = dict(stages)
    slow, fast = "input together", "compute"
    if times[slow] < times[fast]:
        slow, fast = fast, slow
    lines.append(
        f"limited by {slow.split()[0]}: {fast.split()[0]} alone could go "
        f"{times[slow] / times[fast]:.1f} times as fast"
    )
    return "\n".join(lines)


def _batches(data, is_prepared=True) -> tf.data.Dataset:
    """The batches of training, over and over."""
    strategy = tf.distribute.get_strategy()
    return data.training_batches(0, strategy, is_prepared=is_prepared).repeat()


def _reading(data) -> tf.data.Dataset:
    """The encoded pictures for the batches of training."""
    examples = data.examples
    read = pipeline.read_files(examples.rows, examples.root, examples.from_files)
    steps = tf.data.Dataset.range(WARM_UP + STEPS)
    pictures = steps.map(
        lambda step: read(data.training_rows(step)), num_parallel_calls=tf.data.AUTOTUNE
    )
    return pictures.prefetch(tf.data.AUTOTUNE)


def _transfers(batch) -> Iterator[None]:
    while True:
        with tf.device("GPU:0"):
            tf.nest.map_structure(tf.identity, batch)
        tf.test.experimental.sync_devices()
        yield


def _seconds(steps: Iterable) -> float:
    """Time of one step, the mean over `STEPS`."""
    steps = iter(steps)
    for _ in itertools.islice(steps, WARM_UP):
        pass
    start = time.perf_counter()
    done = sum(1 for _ in itertools.islice(steps, STEPS))
    return (time.perf_counter() - start) / max(1, done)


def _training_seconds(net, dataset, trace: Path | None = None) -> float:
    """Time of one step of `fit`."""
    net.make_train_function()
    executions = net.train_function
    iterator: Iterator = iter(dataset)

    def run() -> Iterator[None]:
        while True:
            logs = executions(iterator)
            float(logs["loss"])
            yield

    seconds = _seconds(run()) / net.steps_per_execution
    if trace is not None:
        tf.profiler.experimental.start(str(trace))
        for _ in itertools.islice(run(), TRACED):
            pass
        tf.profiler.experimental.stop()
    return seconds
