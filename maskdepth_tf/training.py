"""A network, compiled from a configuration and trained through `fit`."""

import dataclasses
import os
from pathlib import Path

import keras
import tensorflow as tf

from maskdepth_tf import (
    augmentation,
    callbacks,
    checkpoints,
    config,
    examples,
    input_pipeline,
    losses,
    metrics,
    model,
    schedules,
    splits,
)
from maskdepth_tf.errors import DataError, NonFiniteError, UsageError


def set_up(settings: config.Config) -> None:
    """Makes the process repeatable, sets its precision and divides the cores.

    Must come before TensorFlow's first operation.
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
    except (TypeError, ValueError) as error:
        raise UsageError(f"the configuration cannot be built: {error}") from error
    return net


def make_optimizer(
    sgd: config.Optimizer, epochs: int, steps: int
) -> keras.optimizers.Optimizer:
    """SGD with momentum under a step schedule over `epochs` of `steps` steps."""
    return keras.optimizers.SGD(
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
) -> tuple[keras.Model, int]:
    """The network to train and the epoch to train next.

    Args:
        settings: The configuration.
        run_dir: Run folder.
        steps: Steps of an epoch.
        resume: Whether to go on where the folder's last model is.

    Returns:
        The compiled model, new or as the last finished epoch left it, and the epoch
        that comes next, counted from 0.
    """
    last = run_dir / checkpoints.LAST
    if resume and last.exists():
        net = checkpoints.load_model(last)
        return net, int(net.optimizer.iterations) // steps
    return compiled_model(settings, steps), 0


def fit(
    settings: config.Config,
    run_dir: Path,
    net: keras.Model,
    found: examples.Examples,
    split: splits.Split,
    first_epoch: int,
) -> None:
    """Trains from `first_epoch` to the end, keeping state after every epoch.

    Args:
        settings: The configuration.
        run_dir: Run folder.
        net: The compiled model.
        found: The labelled set.
        split: Its sides.
        first_epoch: Epoch to train next, counted from 0.

    Raises:
        NonFiniteError: If the loss is NaN or infinite; the last good epoch is kept.
    """
    training = settings.training
    steps = steps_per_epoch(settings, split)
    dataset, validation, shown = make_datasets(settings, found, split, first_epoch)
    progress = callbacks.Progress(
        training.epochs, first_epoch, steps, training.batch_size
    )
    try:
        net.fit(
            dataset,
            epochs=training.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps,
            validation_data=validation,
            verbose=0,
            shuffle=False,  # the data set is in its order already
            callbacks=[
                # It must come first: no state of a broken step may be kept.
                keras.callbacks.TerminateOnNaN(raise_error=True),
                callbacks.RunState(run_dir, first_epoch, steps * training.batch_size),
                callbacks.Pictures(next(iter(shown)), run_dir),
                progress,
                keras.callbacks.TensorBoard(run_dir / "tensorboard"),
            ],
        )
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise NonFiniteError(
            f"{run_dir}: the loss must stay finite: {error}. The last finished epoch "
            "is kept; lower optimizer.learning_rate"
        ) from error
    finally:
        progress.stop()


def make_datasets(
    settings: config.Config,
    found: examples.Examples,
    split: splits.Split,
    first_epoch: int,
) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """The batches of training from `first_epoch` on, of validation, and to be shown."""
    training = settings.training
    steps = steps_per_epoch(settings, split)
    train = input_pipeline.make_training_dataset(
        found.load,
        split["train"],
        augmentation.make_augmentation(**dataclasses.asdict(settings.augmentation)),
        batch_size=training.batch_size,
        steps_per_epoch=steps,
        first_step=first_epoch * steps,
        last_step=training.epochs * steps,
        seed=settings.seed,
    )
    validation = input_pipeline.make_evaluation_dataset(
        found.load, split["validation"], batch_size=training.test_batch_size
    )
    shown = input_pipeline.make_evaluation_dataset(
        found.load,
        _spread(split["test"], training.pictures),
        batch_size=training.pictures,
    )
    return train, validation, shown


def _spread(ids, count):
    """`count` rows from all over a split: neighbours often share a picture."""
    return ids[:: max(1, len(ids) // count)][:count]
