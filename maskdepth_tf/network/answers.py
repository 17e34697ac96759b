"""What a network answers, as pictures of the size that the user's picture has.

`maskdepth_tf.predict` calls these functions and the exported graph holds them, so that
the files of the one and the PNGs of the other have the same pixels.

Shapes: S the side of the network's square, H and W the picture's own size; [...] may
be a batch or nothing.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow as tf

from maskdepth_tf import streams


def of_outputs(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What a network puts out -> mask, a probability, and depth, both 0 to 1.

    Args:
        outputs: `mask`, logits, and `depth`, [..., S, S, 1], as `model.resnet_unet`.
    """
    # A linear depth head, as the reference's, can leave the range.
    depth = tf.clip_by_value(outputs["depth"], 0.0, 1.0)
    return {"mask": tf.sigmoid(outputs["mask"]), "depth": depth}


def stretch(answer: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Answer [..., S, S, 1] -> float32 [..., H, W, 1], bilinear."""
    size, side = tf.stack([height, width]), answer.shape[-2]

    def resized(antialias):
        return tf.image.resize(answer, size, antialias=antialias)

    # Enlarging is the same with antialiasing (within 2e-7) and takes ten times as long.
    is_larger = tf.reduce_all(size >= side)
    return tf.cond(is_larger, lambda: resized(False), lambda: resized(True))


def mask_pixels(mask: tf.Tensor) -> tf.Tensor:
    """Probability 0 to 1 -> uint8, 255 being 1.0."""
    return tf.cast(tf.round(255.0 * mask), tf.uint8)


def depth_pixels(depth: tf.Tensor) -> tf.Tensor:
    """Relative depth 0 to 1 -> uint16, 65535 being 1.0."""
    return tf.cast(tf.round(float(streams.DEPTH_SCALE) * depth), tf.uint16)


def cutout(foreground: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """A picture with its mask as transparency.

    Args:
        foreground: uint8 [H, W, 3].
        mask: uint8 [H, W, 1]; 255 is opaque.

    Returns:
        uint8 [H, W, 4]; 0 where nothing is to be seen: who passes a cut-out on does not
        pass on the room, which would take most of the file.
    """
    # A pixel's four bytes are one number here: so it takes two thirds of the time.
    pixels = tf.bitcast(tf.concat([foreground, mask], axis=2), tf.int32)
    is_seen = tf.cast(mask[..., 0] > 0, tf.int32)
    return tf.bitcast(pixels * is_seen, tf.uint8)


def cutout_of_arrays(
    foreground: np.ndarray, mask: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """`cutout` in a fifth of its time.

    Args:
        foreground: uint8 [H, W, 3].
        mask: uint8 [H, W]; 255 is opaque.
        seen: uint8 [H, W], 0 where nothing is to be seen.

    Returns:
        uint8 [H, W, 4].
    """
    kept = cv2.bitwise_and(foreground, foreground, mask=seen)
    return cv2.merge([*cv2.split(kept), mask])
