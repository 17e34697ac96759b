"""What needs no learning; a yardstick in every evaluation."""

import tensorflow as tf

DIFFERENCE = 30
"""Least difference, of 255, that counts as foreground: the rule found best on true
composites at 64 pixels."""


def difference_mask(bg: tf.Tensor, fg_bg: tf.Tensor) -> tf.Tensor:
    """Where the two pictures differ clearly in any channel.

        mask = max over channels |fg_bg - bg| > 30

    In signed numbers: bytes would wrap around and turn every small negative
    difference into a large one.

    Args:
        bg: uint8 [B, H, W, 3].
        fg_bg: uint8 [B, H, W, 3].

    Returns:
        float32 [B, H, W, 1], 0 or 1.
    """
    difference = tf.abs(tf.cast(fg_bg, tf.int32) - tf.cast(bg, tf.int32))
    difference = tf.reduce_max(difference, axis=-1, keepdims=True)
    return tf.cast(difference > DIFFERENCE, tf.float32)


class MeanDepth:
    """The mean of all depth maps, pixel by pixel: the best constant answer.

    It is taken over the very examples that it is scored on, which favours it.
    """

    def __init__(self) -> None:
        """Starts with no map."""
        self._total = 0.0
        self._count = 0

    def update(self, depth: tf.Tensor) -> None:
        """Adds a batch, float32 [B, H, W, 1]."""
        self._total += tf.reduce_sum(tf.cast(depth, tf.float64), axis=0, keepdims=True)
        self._count += depth.shape[0]

    def result(self) -> tf.Tensor:
        """The mean map, float32 [1, H, W, 1]."""
        return tf.cast(self._total / self._count, tf.float32)
