"""One of two values for each example or pixel of a batch, and work on some examples.

`tf.where` stretches a condition over all that it chooses between; for pictures that
takes up to ten times as long as copying whole examples or pixels.

Shapes: B batch, S side of the square pictures in pixels.
"""

from collections.abc import Callable

import tensorflow as tf


def by_example(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) -> tf.Tensor:
    """`yes` where the condition, bool [B], holds, else `no`: [B, ...]."""
    return tf.raw_ops.Select(condition=condition, x=yes, y=no)


def by_pixel(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) -> tf.Tensor:
    """`yes` where the condition, bool [B, S, S, 1], holds, else `no`: [B, S, S, C]."""
    rows = [tf.reshape(pixels, [-1, pixels.shape[-1]]) for pixels in (yes, no)]
    chosen = by_example(tf.reshape(condition, [-1]), *rows)
    return tf.reshape(chosen, [-1, *yes.shape[1:]])


def change_some(
    condition: tf.Tensor,
    change: Callable[..., tf.Tensor],
    pictures: tf.Tensor,
    *others: tf.Tensor,
) -> tf.Tensor:
    """Changes some pictures of a batch; the others cost nothing.

    Args:
        condition: bool [B], which.
        change: From those of `pictures` and of `others` to those changed.
        pictures: [B, S, S, C].
        others: [B, ...], what else it takes.

    Returns:
        [B, S, S, C].
    """
    rows = tf.where(condition)
    some = (tf.gather(values, rows[:, 0]) for values in (pictures, *others))
    return tf.tensor_scatter_nd_update(pictures, rows, change(*some))
