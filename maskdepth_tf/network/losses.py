"""Losses for the two outputs; each is 0 at perfection.

A loss of one output is a weighted sum of named terms, so that every mixture is a
line of configuration: `{"sigmoid_cross_entropy": 1.0, "dice": 2.0}`. Terms see
the mask as a probability; only cross-entropy takes the logits themselves, where it
is exact.
"""

from collections.abc import Mapping

import keras
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.network import similarity

DICE_SMOOTHING = 1e-4
"""Added to both sides of the Dice fraction, as the reference does."""


def soft_dice(y_true: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Overlap of a mask and a probability map, per example.

        dice = (2 sum(p t) + s) / (sum p + sum t + s),  s = 1e-4

    Args:
        y_true: [B, H, W, 1], 0 or 1.
        probability: [B, H, W, 1] in [0, 1].

    Returns:
        [B] in [0, 1]; 1 is perfect, and two empty masks are.
    """
    axes = [1, 2, 3]
    both = tf.reduce_sum(y_true * probability, axes)
    total = tf.reduce_sum(y_true, axes) + tf.reduce_sum(probability, axes)
    return (2.0 * both + DICE_SMOOTHING) / (total + DICE_SMOOTHING)


def is_known(depth: tf.Tensor) -> tf.Tensor:
    """Whether true depths tell anything: [B, H, W, 1] -> bool [B].

    A relative map reaches from 0 to 1; one of a single value stands for a depth that
    nobody knows, as does one of holes alone. Such an example trains the mask alone.
    """
    far = tf.reduce_max(depth, [1, 2, 3], keepdims=True)
    near = tf.reduce_min(tf.where(depth <= streams.HOLE, far, depth), [1, 2, 3])
    return far[:, 0, 0, 0] > near


def beside_holes(
    y_true: tf.Tensor, y_pred: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Takes the holes of true depths out of a comparison.

    Args:
        y_true: [B, H, W, 1] in [0, 1]; in holes -1 less what stands for them.
        y_pred: [B, H, W, 1].

    Returns:
        truth: What stands for holes in the holes.
        answer: In holes it is the truth, so that there is no error and no gradient.
        known: float32, 0 in holes and 1 elsewhere.
    """
    is_hole = y_true <= streams.HOLE
    truth = tf.where(is_hole, -1.0 - y_true, y_true)
    answer = tf.where(is_hole, truth, y_pred)
    return truth, answer, tf.cast(~is_hole, tf.float32)


def mean_of_known(values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """The mean of what an error map shows beside holes, per example.

    Args:
        values: [B, H', W', ...], values around each pixel; those of windows that would
            not fit inside the picture are missing at its border.
        known: [B, H, W, 1], 1 where depth is known, else 0.

    Returns:
        [B]; 0 where nothing is known.
    """
    height, width = known.shape[1:3]
    top, left = (height - values.shape[1]) // 2, (width - values.shape[2]) // 2
    known = known[:, top : height - top, left : width - left, 0]
    values = tf.reshape(values, tf.shape(known))
    total = tf.reduce_mean(values * known, axis=[1, 2])
    return tf.math.divide_no_nan(total, tf.reduce_mean(known, axis=[1, 2]))


@keras.saving.register_keras_serializable(package="maskdepth_tf")
class SoftDice(keras.losses.Loss):
    """One minus the soft Dice overlap.

        loss = 1 - (2 sum(p t) + 1e-4) / (sum p + sum t + 1e-4)

    In [0, 1], lower is better.

    Call shapes:
        y_true: [B, H, W, 1], 0 or 1.
        y_pred: [B, H, W, 1] probabilities.
        returns: [B] before reduction.
    """

    def call(self, y_true, y_pred):
        return 1.0 - soft_dice(y_true, y_pred)


@keras.saving.register_keras_serializable(package="maskdepth_tf")
class DSSIM(keras.losses.Loss):
    """Structural dissimilarity of two maps.

        dssim = (1 - ssim(y_true, y_pred)) / 2

    In [0, 1], lower is better: 0 for identical maps, about 1/2 for unrelated ones,
    near 1 for inverted ones. With `padding="reflect", clip=True` it is the
    reference's loss, which takes windows with negative SSIM for unrelated ones.

    Args:
        filter_size: Side of the Gaussian window, in pixels; odd.
        padding: "valid" scores windows that fit inside the picture, so that pixels
            near the border weigh less; "reflect" scores one around each pixel.
        clip: Whether windows with negative SSIM count as zero. Their gradient is
            then zero, too.
        implementation: "banded", or "tf" for `tf.image.ssim` itself.
        max_val: Width of the maps' value range.
        name: Name of the loss.
        **kwargs: Passed to `keras.losses.Loss`, as its `reduction`.

    Call shapes:
        y_true, y_pred: [B, H, W, 1] in [0, max_val].
        returns: [B, H', W'] before reduction, a value a window.

    Example:
    >>> depth = keras.random.uniform((2, 64, 64, 1), seed=0)
    >>> float(DSSIM()(depth, depth))
    0.0
    """

    def __init__(
        self,
        filter_size=11,
        padding="valid",
        clip=False,
        implementation="banded",
        max_val=1.0,
        name="dssim",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        # The maps' size is only known in `call`; all else is refused here.
        similarity.check_window(2**30, filter_size, padding, implementation)
        self.clip = clip
        self.window = {
            "filter_size": filter_size,
            "padding": padding,
            "implementation": implementation,
            "max_val": max_val,
        }

    def call(self, y_true, y_pred):
        value = similarity.ssim_map(y_true, y_pred, **self.window)
        if self.clip:
            value = tf.maximum(value, 0.0)
        return similarity.ssim_to_dssim(value)

    def get_config(self):
        return super().get_config() | self.window | {"clip": self.clip}


TERMS = {
    "sigmoid_cross_entropy": keras.losses.BinaryCrossentropy,
    "dice": SoftDice,
    "dssim": DSSIM,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "smooth_l1": keras.losses.Huber,
}
"""Every term a configuration may name. SmoothL1 is Huber's loss with delta 1."""


@keras.saving.register_keras_serializable(package="maskdepth_tf")
class WeightedSum(keras.losses.Loss):
    """A weighted sum of named terms for one output.

        loss = sum_k weight_k * term_k(y_true, y_pred)

    Args:
        weights: Weight of each term, by its name in `TERMS`.
        from_logits: Whether `y_pred` is logits, as the mask's is; they become
            probabilities for every term but cross-entropy. What are no logits are
            depths: the loss of those that are not known, see `is_known`, is 0, and
            holes, see `beside_holes`, take no part in it.
        options: Arguments of a term's class, by the term's name.
        name: Name of the loss.
        **kwargs: Passed to `keras.losses.Loss`, as its `reduction`.

    Call shapes:
        y_true, y_pred: [B, H, W, 1].
        returns: [B] before reduction.

    Raises:
        ValueError: If no term is named, or an unknown one.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        from_logits: bool,
        options: Mapping[str, Mapping] | None = None,
        name="weighted_sum",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not weights:
            raise ValueError(f"a loss must name at least one of {', '.join(TERMS)}")
        for term in (*weights, *(options or {})):
            if term not in TERMS:
                raise ValueError(
                    f"a loss term must be one of {', '.join(TERMS)}. Received: {term}"
                )
        self.weights = dict(weights)
        self.from_logits = from_logits
        self.options = {key: dict(value) for key, value in (options or {}).items()}
        self.terms = {name: self._make_term(name) for name in self.weights}

    def _make_term(self, name):
        options = self.options.get(name, {})
        if name == "sigmoid_cross_entropy":
            options = options | {"from_logits": self.from_logits}
        return TERMS[name](reduction="none", **options)

    def call(self, y_true, y_pred):
        y_pred = tf.cast(y_pred, tf.float32)
        y_true = tf.cast(y_true, tf.float32)
        if self.from_logits:
            return self._total(y_true, y_pred, tf.sigmoid(y_pred), tf.ones_like(y_true))
        truth, answer, known = beside_holes(y_true, y_pred)
        total = self._total(truth, answer, answer, known)
        return tf.where(is_known(y_true), total, 0.0)

    def _total(self, truth, output, answer, known):
        """Weighted sum of the terms: [B]."""
        total = 0.0
        for name, term in self.terms.items():
            seen = output if name == "sigmoid_cross_entropy" else answer
            value = term(truth, seen)
            # But for the overlap, terms have a value a pixel or a window.
            if len(value.shape) > 1:
                value = mean_of_known(value, known)
            total += self.weights[name] * value
        return total

    def get_config(self):
        return super().get_config() | {
            "weights": self.weights,
            "from_logits": self.from_logits,
            "options": self.options,
        }
