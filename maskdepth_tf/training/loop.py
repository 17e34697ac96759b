"""A network, compiled from a configuration and trained through `fit`."""

from pathlib import Path
from typing import NoReturn

import keras
import tensorflow as tf

from maskdepth_tf.errors import NonFiniteError
from maskdepth_tf.input import labels
from maskdepth_tf.training import (
    batches,
    building,
    callbacks,
    checkpoints,
    cluster,
    distribution,
)
from maskdepth_tf.training.state import RunState, StopRequest


def fit(
    data: batches.TrainingData,
    run_dir: Path,
    net: keras.Model,
    progress: checkpoints.RunProgress,
) -> None:
    """Trains a compiled model from where it is to the end, keeping state as it goes.

    Raises:
        NonFiniteError: If a loss or weight is NaN or infinite; states before are kept.
        Stopped: If a signal asked to stop; the state is kept.
    """
    training, steps = data.settings.training, data.steps_per_epoch
    strategy = net.distribute_strategy
    validation = data.validation_batches(strategy)
    batch = data.picture_batch()
    distribution.build_metrics(net, batch)
    in_step = data.is_prepared_in_step
    if in_step:
        building.prepare_in_step(net, data.prepare)
    epochs, batch_size = training.epochs, training.batch_size
    agree = distribution.any_worker(strategy)
    with StopRequest() as stop:
        state = RunState(run_dir, progress, steps * batch_size, stop, agree)
        epoch, step = len(progress.history), int(net.optimizer.iterations.numpy())
        bar = callbacks.ProgressBar(epochs, steps, batch_size, step)

        def train(epoch: int, last_epoch: int, first_step: int) -> None:
            distribution.fit(
                net,
                data.training_batches(first_step, strategy, is_prepared=not in_step),
                epochs=range(epoch, last_epoch),
                steps_per_epoch=(epoch + 1) * steps - first_step,
                validation_data=validation,
                callbacks=_callbacks(run_dir, batch, state, bar, batch_size),
            )

        try:
            if step == (epoch + 1) * steps:
                kept = _callbacks(run_dir, batch, state, bar, batch_size)
                _finish_epoch(net, epoch, validation, kept)
                epoch += 1
            elif step > epoch * steps:  # `fit` has epochs of one length
                train(epoch, epoch + 1, step)
                epoch += 1
            train(epoch, epochs, epoch * steps)
        except NonFiniteError as error:
            _explain(error, data, run_dir, net)
        finally:
            bar.stop()


def _callbacks(
    run_dir, batch, state, bar, batch_size
) -> list[keras.callbacks.Callback]:
    if not cluster.from_environment().is_chief:
        return [state]
    return [
        state,  # first: no picture is drawn of a broken step
        callbacks.Pictures(batch, run_dir),
        bar,
        callbacks.Throughput(run_dir, batch_size),
        keras.callbacks.TensorBoard(run_dir / "tensorboard"),
    ]


def _finish_epoch(net, epoch, validation, kept) -> None:
    """Does what `fit` does after an epoch's last step, for a run stopped just there."""
    scores = distribution.evaluate(net, validation)
    called = keras.callbacks.CallbackList(kept, model=net)
    called.on_train_begin()
    called.on_epoch_begin(epoch)  # brings back the means of its steps
    logs = distribution.results(net)
    logs |= {f"val_{name}": value for name, value in scores.items()}
    called.on_epoch_end(epoch, logs)
    called.on_train_end()


def _explain(error, data, run_dir, net) -> NoReturn:
    """Raises a loss' or a weight's error, with the rows of the last execution."""
    steps = data.steps_per_epoch
    last = int(net.optimizer.iterations.numpy())
    together = building.steps_per_execution(data.settings, steps)
    rows = [
        data.examples.rows[row]
        for step in range(last - together, last)
        for row in data.training_rows(tf.constant(step, tf.int64)).numpy()
    ]
    if cluster.from_environment().is_chief:
        labels.write(run_dir / "nonfinite.txt", rows)
    epoch, step = divmod(last - 1, steps)
    raise NonFiniteError(
        f"{run_dir}: losses and weights must stay finite: {error} after step "
        f"{step + 1} of epoch {epoch + 1}. Its rows are in nonfinite.txt, states "
        "before it are kept; lower optimizer.learning_rate"
    ) from error
