"""Metrics over a whole split; every example weighs the same.

Each function returns one value an example; Keras' `Mean` adds them up, so that
a split scored in batches of any size gives the same figure. Those of depth are over
the pixels whose depth is known. What the metrics are
called and mean stands in `metric_list`.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from maskdepth_tf.network import losses, metric_list, similarity

Function = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From the truth and the output, [B, H, W, 1], to a value an example, [B]."""

FUNCTIONS: dict[str, Function] = {}
"""The function of each metric, by the metric's name."""


def _metric(function: Function) -> Function:
    """Makes a function known by its name here and to saved models, which keep it."""
    FUNCTIONS[function.__name__] = function
    register = keras.saving.register_keras_serializable(package="maskdepth_tf")
    return register(function)


DELTA_RATIO = 1.25
"""Greatest ratio of two depths that still counts as equal in `delta1`."""

DELTA_FLOOR = 0.01
"""Depths below it count as it in `delta1`: relative depth reaches 0, where no
ratio exists."""


@_metric
def dice(y_true: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Soft Dice as the reference defines it: no threshold; [B], higher is better."""
    return losses.soft_dice(tf.cast(y_true, tf.float32), tf.sigmoid(logits))


@_metric
def dice_hard(y_true: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Dice of the mask at probability 0.5; [B], higher is better."""
    mask = tf.cast(logits > 0.0, tf.float32)
    return losses.soft_dice(tf.cast(y_true, tf.float32), mask)


@_metric
def iou(y_true: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Intersection over union of the mask at probability 0.5; [B], higher is better.

    Two empty masks score 1.
    """
    value = dice_hard(y_true, logits)
    return value / (2.0 - value)


@_metric
def bce(y_true: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Sigmoid cross-entropy of the mask, in nats; [B], lower is better."""
    y_true = tf.cast(y_true, tf.float32)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits)
    return tf.reduce_mean(loss, axis=[1, 2, 3])


@_metric
def ssim(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Structural similarity of depths, as `tf.image.ssim` with its defaults.

    [B] in [-1, 1], higher is better. Windows around holes do not count.
    """
    truth, answer, known = losses.beside_holes(y_true, y_pred)
    windows = similarity.ssim_map(truth, answer, filter_size=_window(truth))
    return losses.mean_of_known(windows, known)


@_metric
def dssim(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Structural dissimilarity of depths, (1 - ssim) / 2; [B], lower is better."""
    return similarity.ssim_to_dssim(ssim(y_true, y_pred))


@_metric
def rmse(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Root of the mean squared error of a depth map; [B], lower is better."""
    truth, answer, known = losses.beside_holes(y_true, y_pred)
    return tf.sqrt(losses.mean_of_known((truth - answer) ** 2, known))


@_metric
def mae(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Mean absolute error of a depth map; [B], lower is better."""
    truth, answer, known = losses.beside_holes(y_true, y_pred)
    return losses.mean_of_known(tf.abs(truth - answer), known)


@_metric
def delta1(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Share of pixels with max(p / t, t / p) < 1.25; [B], higher is better."""
    truth, answer, known = losses.beside_holes(y_true, y_pred)
    truth, answer = tf.maximum(truth, DELTA_FLOOR), tf.maximum(answer, DELTA_FLOOR)
    ratio = tf.maximum(truth / answer, answer / truth)
    is_near = tf.cast(ratio < DELTA_RATIO, tf.float32)
    return losses.mean_of_known(is_near, known)


@keras.saving.register_keras_serializable(package="maskdepth_tf")
class KnownMean(keras.metrics.MeanMetricWrapper):
    """Mean over the examples whose depth is known, see `losses.is_known`."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch, [B, H, W, 1] each."""
        known = tf.cast(losses.is_known(y_true), self.dtype)
        weight = known if sample_weight is None else known * sample_weight
        super().update_state(y_true, y_pred, weight)


MEANS = {"mask": keras.metrics.MeanMetricWrapper, "depth": KnownMean}
"""How the values of examples become one figure, by output."""


def to_logits(probability: tf.Tensor) -> tf.Tensor:
    """Probabilities -> logits, finite: certainty ends at 1e-7 from 0 and 1."""
    probability = tf.clip_by_value(probability, 1e-7, 1 - 1e-7)
    return tf.math.log(probability) - tf.math.log1p(-probability)


def make_metrics() -> dict[str, list[keras.metrics.Metric]]:
    """Makes the metrics of each output, for `model.compile` or one's own updates."""
    return {
        output: [
            MEANS[output](FUNCTIONS[metric.name], name=metric.name) for metric in group
        ]
        for output, group in metric_list.by_output().items()
    }


def _window(image):
    # `tf.image.ssim` asks for maps of at least its window; smaller ones are only
    # met in tests of tiny networks.
    side = min(image.shape[1:3])
    return min(11, side - 1 + side % 2)
