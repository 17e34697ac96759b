"""A network, compiled from a configuration and trained through `fit`."""

import dataclasses
import os
from pathlib import Path
from typing import NoReturn

import keras
import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.errors import DataError, NonFiniteError, UsageError
from maskdepth_tf.input import augmentation, examples, labels, pipeline, splits
from maskdepth_tf.network import losses, metrics, model, optimizers, schedules
from maskdepth_tf.training import callbacks, checkpoints, cluster, distribution


def set_up(settings: config.Config) -> tf.distribute.Strategy:
    """Makes the process repeatable, sets its precision and divides the cores.

    Must come before TensorFlow's first operation.

    Returns:
        How the devices share the work; models are built in its scope.

    Raises:
        UsageError: If they cannot share a batch.
    """
    if settings.model.preset == "fast":
        # Its operations are too small to be shared by all cores; the two decoders run
        # side by side instead. A step takes a fifth less time on two cores, where
        # one of `reference` would take a sixth more.
        half = max(1, len(os.sched_getaffinity(0)) // 2)
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(half))
    keras.utils.set_random_seed(settings.seed)
    if not settings.training.jit_compile:
        # Beside it Keras would quietly leave XLA out.
        tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(settings.model.precision)
    strategy = distribution.make_strategy()
    distribution.check_batch(strategy, settings.training.batch_size)
    return strategy


def steps_per_epoch(settings: config.Config, split: splits.Split) -> int:
    """Steps of an epoch: whole batches, in executions of equal length.

    What fills no batch is left out, and of several steps an execution the few that do
    not divide among the executions.

    Raises:
        DataError: If the training side does not fill one batch.
    """
    batch_size, rows = settings.training.batch_size, len(split["train"])
    if rows < batch_size:
        raise DataError(
            "the training side must fill one batch of "
            f"training.batch_size={batch_size}. Received: {rows} rows"
        )
    steps = rows // batch_size
    executions = -(-steps // settings.training.steps_per_execution)
    return steps // executions * executions


def steps_per_execution(settings: config.Config, steps: int) -> int:
    """Steps that are run at once: they divide the epoch's, at most those configured.

    Keras runs whole executions, beyond the epoch's end if need be.
    """
    most = min(settings.training.steps_per_execution, steps)
    return next(count for count in range(most, 0, -1) if steps % count == 0)


def compiled_model(settings: config.Config, steps: int) -> keras.Model:
    """A new network with its losses, metrics and optimizer.

    Args:
        settings: The configuration.
        steps: Steps of an epoch.

    Returns:
        The compiled `resnet_unet`.

    Raises:
        UsageError: If the shape or a loss cannot be built as asked.
    """
    shape, training = settings.model, settings.training
    preset = model.PRESETS[shape.preset]
    outputs = {"mask": settings.losses.mask, "depth": settings.losses.depth}
    try:
        net = model.resnet_unet(
            settings.data.image_size,
            widths=shape.widths or preset.widths,
            patch_size=shape.patch_size or preset.patch_size,
            difference=preset.difference,
            depth_activation=shape.depth_activation,
        )
        loss = {
            name: losses.WeightedSum(
                output.terms, from_logits=name == "mask", options=output.options
            )
            for name, output in outputs.items()
        }
        # A window that does not fit would only show in the first step.
        for name, output in net.output.items():
            empty = tf.zeros((1, *output.shape[1:]))
            loss[name](empty, empty)
        net.compile(
            optimizer=make_optimizer(settings.optimizer, training.epochs, steps),
            loss=loss,
            loss_weights={name: output.weight for name, output in outputs.items()},
            metrics=metrics.make_metrics(),
            steps_per_execution=steps_per_execution(settings, steps),
            jit_compile=training.jit_compile,
        )
        # Made in the first step, its variables would have that traced twice.
        net.optimizer.build(net.trainable_variables)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the configuration cannot be built: {error}") from error
    return net


def make_optimizer(
    sgd: config.Optimizer, epochs: int, steps: int
) -> keras.optimizers.Optimizer:
    """SGD with momentum under a step schedule over `epochs` of `steps` steps."""
    return optimizers.SGD(
        schedules.step_schedule(
            sgd.learning_rate, sgd.drop_factor, sgd.drop_epochs, epochs, steps
        ),
        momentum=sgd.momentum,
        nesterov=sgd.nesterov,
        weight_decay=sgd.weight_decay,
        global_clipnorm=sgd.clip_norm,
    )


def restored_model(
    settings: config.Config, run_dir: Path, steps: int, resume: bool
) -> tuple[keras.Model, checkpoints.Progress]:
    """The network to train and how far it has come.

    Args:
        settings: The configuration.
        run_dir: Run folder.
        steps: Steps of an epoch.
        resume: Whether to go on with the folder's latest state.

    Returns:
        The compiled model, new or as the run left it, and the progress.
    """
    state = checkpoints.load_state(run_dir) if resume else None
    return state or (compiled_model(settings, steps), checkpoints.Progress())


def fit(
    settings: config.Config,
    run_dir: Path,
    net: keras.Model,
    found: examples.Examples,
    split: splits.Split,
    progress: checkpoints.Progress,
) -> None:
    """Trains from where the network is to the end, keeping state as it goes.

    Args:
        settings: The configuration.
        run_dir: Run folder.
        net: The compiled model.
        found: The labelled set.
        split: Its sides.
        progress: How far it has come.

    Raises:
        NonFiniteError: If a loss or weight is NaN or infinite; states before are kept.
        Stopped: If a signal asked to stop; the state is kept.
    """
    steps = steps_per_epoch(settings, split)
    strategy = net.distribute_strategy
    _, validation, shown = make_datasets(settings, found, split, 0, strategy)
    batch = next(iter(shown))
    distribution.build_metrics(net, batch)
    epochs, batch_size = settings.training.epochs, settings.training.batch_size
    agree = distribution.any_worker(strategy)
    with callbacks.StopRequest() as stop:
        state = callbacks.RunState(run_dir, progress, steps * batch_size, stop, agree)
        epoch, step = len(progress.history), int(net.optimizer.iterations.numpy())
        bar = callbacks.Progress(epochs, steps, batch_size, step)

        def train(epoch: int, last_epoch: int, first_step: int) -> None:
            distribution.fit(
                net,
                make_datasets(settings, found, split, first_step, strategy)[0],
                epochs=last_epoch,
                initial_epoch=epoch,
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
            _explain(error, settings, run_dir, net, found, split)
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
    """What `fit` does after the last step of an epoch, for a run stopped just there."""
    scores = distribution.evaluate(net, validation)
    called = keras.callbacks.CallbackList(kept, model=net)
    called.on_train_begin()
    called.on_epoch_begin(epoch)  # brings back the means of its steps
    logs = distribution.results(net)
    logs |= {f"val_{name}": value for name, value in scores.items()}
    called.on_epoch_end(epoch, logs)
    called.on_train_end()


def _explain(error, settings, run_dir, net, found, split) -> NoReturn:
    """Raises a loss' or a weight's error, with the rows of the last execution."""
    steps, last = (
        steps_per_epoch(settings, split),
        int(net.optimizer.iterations.numpy()),
    )
    together = steps_per_execution(settings, steps)
    rows = [
        found.rows[split["train"][slot]]
        for step in range(last - together, last)
        for slot in pipeline.example_ids(
            tf.constant(step, tf.int64),
            num_examples=len(split["train"]),
            batch_size=settings.training.batch_size,
            steps_per_epoch=steps,
            seed=settings.seed,
        ).numpy()
    ]
    if cluster.from_environment().is_chief:
        labels.write(run_dir / "nonfinite.txt", rows)
    epoch, step = divmod(last - 1, steps)
    raise NonFiniteError(
        f"{run_dir}: losses and weights must stay finite: {error} after step "
        f"{step + 1} of epoch {epoch + 1}. Its rows are in nonfinite.txt, states "
        "before it are kept; lower optimizer.learning_rate"
    ) from error


def make_datasets(
    settings: config.Config,
    found: examples.Examples,
    split: splits.Split,
    first_step: int,
    strategy: tf.distribute.Strategy,
) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """The batches of training from `first_step` on, of validation, and to be shown."""
    training = settings.training
    steps = steps_per_epoch(settings, split)
    train = distribution.distribute(
        strategy,
        lambda replicas, num_replicas: pipeline.make_training_dataset(
            found.load,
            split["train"],
            augmentation.make_augmentation(**dataclasses.asdict(settings.augmentation)),
            batch_size=training.batch_size,
            steps_per_epoch=steps,
            first_step=first_step,
            last_step=training.epochs * steps,
            seed=settings.seed,
            replicas=replicas,
            num_replicas=num_replicas,
            prepared_by=settings.data.services,
        ),
    )
    validation = distribution.distribute_evaluation(
        strategy,
        len(split["validation"]),
        training.test_batch_size,
        lambda batch_size, worker, workers: pipeline.make_evaluation_dataset(
            found.load,
            split["validation"],
            batch_size=batch_size,
            worker=worker,
            workers=workers,
        ),
    )
    shown = pipeline.make_evaluation_dataset(
        found.load,
        _spread(split["test"], training.pictures),
        batch_size=training.pictures,
    )
    return train, validation, shown


def _spread(ids, count):
    """`count` rows from all over a split: neighbours often share a picture."""
    return ids[:: max(1, len(ids) // count)][:count]
