"""Builds what is trained: the process, the compiled network and its optimizer."""

import os
from collections.abc import Callable

import keras
import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.errors import UsageError
from maskdepth_tf.network import losses, metrics, model, optimizers, schedules
from maskdepth_tf.training import distribution


def set_up(settings: config.Config) -> tf.distribute.Strategy:
    """Makes the process repeatable, sets its precision and divides the cores.

    Must come before TensorFlow's first operation.

    Returns:
        How the devices share the work; models are built in its scope.

    Raises:
        UsageError: If they cannot share a batch.
    """
    if settings.model.preset != "reference":
        # Their operations are too small to be shared by all cores; the two decoders run
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


def compiled_model(settings: config.Config, steps: int) -> keras.Model:
    """Compiles a new `resnet_unet` as configured, for epochs of so many steps.

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
        _schedule(sgd, epochs, steps),
        momentum=sgd.momentum,
        nesterov=sgd.nesterov,
        weight_decay=sgd.weight_decay,
        global_clipnorm=sgd.clip_norm,
    )


def prepare_in_step(net: keras.Model, prepare: Callable[..., tuple]) -> None:
    """Has training steps of a compiled model prepare their batches.

    Args:
        net: The model; trained from then on by what `prepare` takes.
        prepare: From the parts of an element to inputs and targets.
    """
    compute = net.train_step
    if net.jit_compile:
        # XLA cannot resample pictures: what it can compile is a function of its own.
        compute = tf.function(compute, autograph=False, jit_compile=True)
        net.jit_compile = False
    net.train_step = lambda element: compute(prepare(*element))


def set_schedule(net: keras.Model, settings: config.Config, steps: int) -> None:
    """Gives a model that goes on the learning rates of all configured epochs.

    They may be more than those that it was begun with; rates of steps before are the
    same.
    """
    epochs = settings.training.epochs
    net.optimizer.learning_rate = _schedule(settings.optimizer, epochs, steps)


def _schedule(sgd, epochs, steps) -> keras.optimizers.schedules.LearningRateSchedule:
    return schedules.step_schedule(
        sgd.learning_rate, sgd.drop_factor, sgd.drop_epochs, epochs, steps
    )


def steps_per_execution(settings: config.Config, steps: int) -> int:
    """Steps that are run at once: they divide the epoch's, at most those configured.

    Keras runs whole executions, beyond the epoch's end if need be.
    """
    most = min(settings.training.steps_per_execution, steps)
    return next(count for count in range(most, 0, -1) if steps % count == 0)
