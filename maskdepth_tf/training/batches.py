"""From a configuration to data: its labelled set, its split, its batches."""

import dataclasses

import numpy as np
import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.input import augmentation, packed, pipeline, splits
from maskdepth_tf.input.examples import Examples, open_examples, split_examples
from maskdepth_tf.training import distribution


def open_data(settings: config.Config) -> Examples:
    """Opens the labelled set that a configuration names."""
    data = settings.data
    if data.services and packed.is_packed(data.labels):
        raise UsageError(
            "data.services must be empty for a packed set, which is read faster than "
            f"it could be sent. Received: data.labels={data.labels}"
        )
    return open_examples(
        data.labels,
        data.root,
        image_size=data.image_size,
        max_rows=data.max_rows,
        memory_gb=0 if data.services else data.memory_gb,
        foregrounds=data.split == "unseen",
    )


def split_data(settings: config.Config, examples: Examples) -> splits.Split:
    """Splits the examples as a configuration asks."""
    data = settings.data
    return split_examples(examples, data.split, data.test_fraction, settings.seed)


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


def training_batches(
    settings: config.Config,
    examples: Examples,
    split: splits.Split,
    first_step: int,
    strategy: tf.distribute.Strategy,
) -> tf.data.Dataset:
    """The batches of the training side, from `first_step` to the run's end."""
    training, steps = settings.training, steps_per_epoch(settings, split)
    augment = augmentation.make_augmentation(
        **dataclasses.asdict(settings.augmentation)
    )
    return distribution.distribute(
        strategy,
        lambda replicas, num_replicas: pipeline.make_training_dataset(
            examples.load,
            split["train"],
            augment,
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


def validation_batches(
    settings: config.Config,
    examples: Examples,
    split: splits.Split,
    strategy: tf.distribute.Strategy,
) -> tf.data.Dataset:
    """The batches of the validation side, each row once."""
    return distribution.distribute_evaluation(
        strategy,
        len(split["validation"]),
        settings.training.test_batch_size,
        lambda batch_size, worker, workers: pipeline.make_evaluation_dataset(
            examples.load,
            split["validation"],
            batch_size=batch_size,
            worker=worker,
            workers=workers,
        ),
    )


def picture_batch(
    settings: config.Config, examples: Examples, split: splits.Split
) -> tuple[dict, dict]:
    """Inputs and targets of the `training.pictures` test rows that are drawn."""
    count = settings.training.pictures
    ids = spread(split["test"], count)
    dataset = pipeline.make_evaluation_dataset(examples.load, ids, batch_size=count)
    return next(iter(dataset))


def spread(ids: np.ndarray, count: int) -> np.ndarray:
    """Takes `count` rows from all over a split: neighbours often share a picture."""
    return ids[:: max(1, len(ids) // count)][:count]
