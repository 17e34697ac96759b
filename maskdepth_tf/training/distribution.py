"""One network trained on several devices, of one host or of many.

Every device (a replica) takes its share of each batch, statistics of batches and
gradients are added up over all of them, and all make the same step: the result is
that of one device with the whole batch, but for the order of sums.

On one host Keras' `fit` does it. On several it fails (Keras 3.15 with inputs by
name), and `fit` here takes its place: the same compiled model, data sets and
callbacks. All workers make the same calls in the same order; only the chief writes.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from maskdepth_tf.errors import DataError, UsageError, WorkerLostError
from maskdepth_tf.training import cluster


def make_strategy() -> tf.distribute.Strategy:
    """The strategy that fits the machine; must come before the first operation.

    Returns:
        `MultiWorkerMirroredStrategy` where `TF_CONFIG` names several workers,
        `MirroredStrategy` on one host with several GPUs, else TensorFlow's default.
    """
    if cluster.from_environment().num_workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def num_workers(strategy: tf.distribute.Strategy) -> int:
    """Processes that train together."""
    resolver = strategy.cluster_resolver
    return len(resolver.cluster_spec().as_dict()["worker"]) if resolver else 1


def check_batch(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Refuses a batch that the replicas cannot share.

    Raises:
        UsageError: If it does not divide.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UsageError(
            f"training.batch_size must be divisible by {replicas}, the number of "
            f"devices. Received: training.batch_size={batch_size}"
        )


def distribute(
    strategy: tf.distribute.Strategy,
    make_dataset: Callable[..., tf.data.Dataset],
) -> tf.data.Dataset:
    """Gives each replica its share of every batch.

    Args:
        strategy: The strategy.
        make_dataset: From the numbers of a host's `replicas`, and `num_replicas` on
            all hosts, to a data set of their shares, in turns.

    Returns:
        A data set, or a `tf.distribute.DistributedDataset` of several replicas.
    """
    total = strategy.num_replicas_in_sync
    if total == 1:
        return make_dataset(replicas=(0,), num_replicas=1)

    def of_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
        count = total // context.num_input_pipelines
        first = context.input_pipeline_id * count
        replicas = range(first, first + count)
        return make_dataset(replicas=replicas, num_replicas=total)

    return strategy.distribute_datasets_from_function(of_host)


def distribute_evaluation(
    strategy: tf.distribute.Strategy,
    num_examples: int,
    batch_size: int,
    make_dataset: Callable[..., tf.data.Dataset],
) -> tf.data.Dataset:
    """Gives each worker its batches of a whole split.

    The replicas of one host share each of them, as `fit` has it.

    Args:
        strategy: The strategy.
        num_examples: Examples of the split.
        batch_size: Most examples of a batch.
        make_dataset: From a `batch_size`, the number of a `worker` and how many
            `workers` there are to its batches.

    Returns:
        The worker's data set.

    Raises:
        DataError: If there is not an example for each replica of the host.
    """
    if strategy.num_replicas_in_sync == 1 or num_workers(strategy) > 1:
        index, count = cluster.from_environment().index, num_workers(strategy)
        return make_dataset(batch_size=batch_size, worker=index, workers=count)
    # `fit` adds up the replicas' shares of the first batch, to see their shape.
    replicas = strategy.num_replicas_in_sync
    share = min(max(1, batch_size // replicas), num_examples // replicas)
    if share == 0:
        raise DataError(
            f"the validation side must have an example for each of {replicas} devices. "
            f"Received: {num_examples} rows"
        )
    return make_dataset(batch_size=share * replicas, worker=0, workers=1)


def any_worker(
    strategy: tf.distribute.Strategy,
) -> Callable[[Sequence[bool]], list[bool]]:
    """A function that all workers call together, to agree.

    It answers with what holds on any of them. Signals and clocks are a worker's own,
    and what one does all must do.
    """
    if num_workers(strategy) == 1:
        return list

    @tf.function(autograph=False)
    def total(flags: tf.Tensor) -> tf.Tensor:
        def add(flags):
            context = tf.distribute.get_replica_context()
            # An argument has no device yet, and it is where sums are sent to.
            flags = tf.identity(flags)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, flags)

        return strategy.experimental_local_results(strategy.run(add, args=(flags,)))[0]

    def agree(flags: Sequence[bool]) -> list[bool]:
        return [value > 0 for value in total(tf.constant(flags, tf.float32)).numpy()]

    return agree


@contextlib.contextmanager
def _lost_worker_named() -> Iterator[None]:
    """Turns TensorFlow's errors about other workers into one of ours."""
    try:
        yield
    except tf.errors.OpError as error:
        _, mark, reason = error.message.partition("Collective ops is aborted by: ")
        if not mark:
            raise
        raise WorkerLostError(
            "another worker is gone; start all of them again with --resume: "
            f"{reason.splitlines()[0]}"
        ) from error


@_lost_worker_named()
def fit(
    model: keras.Model,
    dataset: tf.distribute.DistributedDataset,
    *,
    epochs: range,
    steps_per_epoch: int,
    validation_data: tf.data.Dataset,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """`keras.Model.fit`, also for several workers.

    Args:
        model: Compiled in the strategy's scope.
        dataset: Batches, or shares of them; as `distribute`.
        epochs: The epochs, counted from 0.
        steps_per_epoch: Steps of an epoch.
        validation_data: Batches of this worker's part of the validation side.
        callbacks: As those of `keras.Model.fit`.

    Raises:
        WorkerLostError: If another worker is gone.
    """
    if num_workers(model.distribute_strategy) == 1:
        model.fit(
            dataset,
            epochs=epochs.stop,
            initial_epoch=epochs.start,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation_data,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,  # the data set is in its order already
        )
        return
    # What `keras.Model.fit` does, on public calls of `tf.distribute`.
    train_step = _step(model, model.train_step)
    test_step = _step(model, model.test_step)
    called = keras.callbacks.CallbackList(callbacks, model=model)
    batches = iter(dataset)
    called.on_train_begin()
    for epoch in epochs:
        model.reset_metrics()
        called.on_epoch_begin(epoch)
        for step in range(steps_per_epoch):
            called.on_train_batch_begin(step)
            logs = train_step(next(batches))
            called.on_train_batch_end(step, logs)
        logs = results(model)
        scores = _evaluate_together(model, test_step, validation_data, called)
        called.on_epoch_end(epoch, logs | {f"val_{k}": v for k, v in scores.items()})
    called.on_train_end()


@_lost_worker_named()
def evaluate(model: keras.Model, dataset: tf.data.Dataset) -> dict[str, float]:
    """`keras.Model.evaluate`, also for several workers, each with its part."""
    if num_workers(model.distribute_strategy) == 1:
        return model.evaluate(dataset, return_dict=True, verbose=0)
    called, test_step = keras.callbacks.CallbackList(), _step(model, model.test_step)
    return _evaluate_together(model, test_step, dataset, called)


def _evaluate_together(model, test_step, dataset, called) -> dict[str, float]:
    agree = any_worker(model.distribute_strategy)
    batches = iter(dataset)
    model.reset_metrics()
    called.on_test_begin()
    # Parts differ in length, and all workers must make the same calls.
    for turn in itertools.count():
        batch = next(batches, None)
        if not any(agree([batch is not None])):
            break
        logs = test_step(batch) if batch is not None else {}
        called.on_test_batch_end(turn, logs)
    scores = results(model)
    called.on_test_end(scores)
    return scores


def results(model: keras.Model) -> dict[str, float]:
    """Figures so far, over all workers' examples."""
    return {
        name: float(np.asarray(value))
        for name, value in model.get_metrics_result().items()
    }


def build_metrics(model: keras.Model, batch: tuple) -> None:
    """Makes the running metrics of a compiled model from a batch, inputs and targets.

    Keras does so in its first step, which TensorFlow then traces twice.
    """
    inputs, targets = batch

    def score() -> None:
        model.compute_loss(inputs, targets, targets)
        model.compute_metrics(inputs, targets, targets)

    model.distribute_strategy.run(score)
    model.reset_metrics()


def _step(model, replica_step):
    """One step of all replicas; answers with this worker's running figures."""
    strategy = model.distribute_strategy

    @tf.function(autograph=False)
    def step(batch):
        logs = strategy.run(replica_step, args=(batch,))
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], logs
        )

    return lambda batch: {name: float(v) for name, v in step(batch).items()}
