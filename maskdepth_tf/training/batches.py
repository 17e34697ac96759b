"""From a configuration to data: its labelled set, its split, its batches."""

import dataclasses

import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.input import augmentation, examples, packed, pipeline, splits
from maskdepth_tf.training import distribution


def open_data(settings: config.Config) -> examples.Examples:
    """The labelled set that a configuration names."""
    data = settings.data
    if data.services and packed.is_packed(data.labels):
        raise UsageError(
            "data.services must be empty for a packed set, which is read faster than "
            f"it could be sent. Received: data.labels={data.labels}"
        )
    return examples.open_examples(
        data.labels,
        data.root,
        image_size=data.image_size,
        max_rows=data.max_rows,
        memory_gb=0 if data.services else data.memory_gb,
        foregrounds=data.split == "unseen",
    )


def split_data(settings: config.Config, found: examples.Examples) -> splits.Split:
    """The split that a configuration asks for."""
    data = settings.data
    return examples.split_examples(found, data.split, data.test_fraction, settings.seed)


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
