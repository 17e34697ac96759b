"""One of two values for each example, or for each pixel, of a batch of pictures.

`tf.where` stretches a condition over all that it chooses between; for pictures that
takes up to ten times as long as copying whole examples or pixels.

Shapes: B batch, S side of the square pictures in pixels.
"""

import tensorflow as tf


def by_example(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) -> tf.Tensor:
    """`yes` where the condition, bool [B], holds, else `no`: [B, ...]."""
    return tf.raw_ops.Select(condition=condition, x=yes, y=no)


def by_pixel(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) -> tf.Tensor:
    """`yes` where the condition, bool [B, S, S, 1], holds, else `no`: [B, S, S, C]."""
    rows = [tf.reshape(pixels, [-1, pixels.shape[-1]]) for pixels in (yes, no)]
    chosen = by_example(tf.reshape(condition, [-1]), *rows)
    return tf.reshape(chosen, [-1, *yes.shape[1:]])
