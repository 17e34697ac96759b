"""From a configuration to data: its labelled set, its split, its batches."""

import dataclasses
import functools

import tensorflow as tf

from maskdepth_tf import config
from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.input import augmentation, camera, packed, pipeline, scene, splits
from maskdepth_tf.input.examples import Examples, open_examples, split_examples
from maskdepth_tf.training import distribution


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The labelled set of a configuration, its split and its batches.

    Attributes:
        settings: The configuration.
        examples: The labelled set.
        split: Row numbers of each side.
    """

    settings: config.Config
    examples: Examples
    split: splits.Split

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch: whole batches, in executions of equal length.

        What fills no batch is left out, and of several steps an execution the few that
        do not divide among the executions.

        Raises:
            DataError: If the training side does not fill one batch.
        """
        training, rows = self.settings.training, len(self.split["train"])
        if rows < training.batch_size:
            raise DataError(
                "the training side must fill one batch of "
                f"training.batch_size={training.batch_size}. Received: {rows} rows"
            )
        steps = rows // training.batch_size
        executions = -(-steps // training.steps_per_execution)
        return steps // executions * executions

    def training_rows(self, step: tf.Tensor) -> tf.Tensor:
        """Row numbers of the batch of a step, counted from 0: int64 scalar -> [B]."""
        slots = pipeline.example_ids(
            step,
            num_examples=len(self.split["train"]),
            batch_size=self.settings.training.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            seed=self.settings.seed,
        )
        return tf.gather(tf.constant(self.split["train"], tf.int64), slots)

    @property
    def is_prepared_in_step(self) -> bool:
        """Whether training steps prepare their batches.

        A GPU changes and registers pictures faster than all cores of its host.
        """
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        return has_gpu and not self.settings.data.services

    def changed(
        self, batch: augmentation.Streams, draws: tf.Tensor
    ) -> augmentation.Streams:
        """Changes a batch as configured, by its draws, and registers it."""
        settings = self.settings
        for change in (
            augmentation.make_augmentation(**dataclasses.asdict(settings.augmentation)),
            scene.make_changes(**dataclasses.asdict(settings.scene)),
            camera.make_disturbance(**dataclasses.asdict(settings.camera)),
        ):
            batch = change(batch, draws)
        return pipeline.registered(batch)

    def prepare(self, batch: augmentation.Streams, draws: tf.Tensor) -> pipeline.Batch:
        """A loaded batch and its draws to the model's inputs and targets."""
        return pipeline.split_example(self.changed(batch, draws))

    def training_batches(
        self,
        first_step: int,
        strategy: tf.distribute.Strategy,
        *,
        is_prepared: bool = True,
    ) -> tf.data.Dataset:
        """The batches of the training side, from `first_step` to the run's end.

        What `prepare` takes, unless they shall be prepared already.
        """
        settings, steps = self.settings, self.steps_per_epoch
        make_dataset = functools.partial(
            pipeline.make_training_dataset,
            self.examples.load,
            self.split["train"],
            self.changed if is_prepared else None,
            batch_size=settings.training.batch_size,
            steps_per_epoch=steps,
            first_step=first_step,
            last_step=settings.training.epochs * steps,
            seed=settings.seed,
            prepared_by=settings.data.services,
        )
        return distribution.distribute(strategy, make_dataset)

    def validation_batches(self, strategy: tf.distribute.Strategy) -> tf.data.Dataset:
        """The batches of the validation side, each row once."""
        ids, most = self.split["validation"], self.settings.training.test_batch_size
        make_dataset = functools.partial(
            pipeline.make_evaluation_dataset, self.load_registered, ids
        )
        return distribution.distribute_evaluation(
            strategy, len(ids), most, make_dataset
        )

    def load_registered(self, indices: tf.Tensor) -> augmentation.Streams:
        """Rows' numbers, int64 [B], to the four streams as the network sees them."""
        return pipeline.registered(self.examples.load(indices))

    def picture_batch(self) -> tuple[dict, dict]:
        """Inputs and targets of the `training.pictures` test rows that are drawn."""
        count = self.settings.training.pictures
        ids, load = splits.spread(self.split["test"], count), self.load_registered
        return next(iter(pipeline.make_evaluation_dataset(load, ids, batch_size=count)))


def open_data(settings: config.Config) -> TrainingData:
    """Opens the labelled set that a configuration names, and splits it."""
    data, examples = settings.data, open_set(settings.data)
    split = split_examples(examples, data.split, data.test_fraction, settings.seed)
    return TrainingData(settings, examples, split)


def open_set(data: config.Data) -> Examples:
    """Opens the labelled set that a configuration names."""
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
