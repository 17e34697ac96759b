"""Stateless augmentations of whole examples.

Every function is a pure function of its arguments. What is random arrives as
`draws`, uniform numbers that an example's seed, epoch and place in the epoch decide,
so that it looks the same in any worker, in any order and after any restart.

Examples are dicts of the four streams as they are in memory (`streams`), in batches:
uint8 pixels, binary mask, depth in uint16 or, with holes, int32. Where the picture
moves, all four streams move together, and colours change in both pictures alike. What
happens to one picture alone is in `scene` and `camera`.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.draws import Column
from maskdepth_tf.images import preprocessing
from maskdepth_tf.registration import choosing

Streams = dict[str, tf.Tensor]
"""The four streams of a batch, by name."""
Augment = Callable[[Streams, tf.Tensor], Streams]

CUTOUT_VALUE = 153
"""Grey of a hole: 0.6 of 255, the reference's."""
MAX_HOLES = 16
"""Most holes of a picture."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luma of red, green and blue (ITU-R BT.601)."""


def example_draws(seed: int, epoch: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """The random numbers of examples in one epoch.

    Args:
        seed: Seed of the run.
        epoch: int64 scalar.
        indices: int64 [B], the examples' numbers in their split.

    Returns:
        float32 [B, Column.END] in [0, 1); a row depends on its own index alone.
    """
    run = tf.stack([tf.constant(seed, tf.int64), epoch])

    def draw(index):
        own = tf.random.experimental.stateless_fold_in(run, index)
        return tf.random.stateless_uniform([Column.END], own)

    return tf.map_fn(draw, indices, fn_output_signature=tf.float32)


def cutout_boxes(
    image: tf.Tensor, centers: tf.Tensor, size: int, value: int
) -> tf.Tensor:
    """Fills squares of pictures, clipped at the border.

    Args:
        image: [..., H, W, C].
        centers: int32 [..., K, 2], row and column; a square covers `size // 2` pixels
            before its center, and from there on as many.
        size: Side of the squares, in pixels; even.
        value: What they are filled with.

    Returns:
        [..., H, W, C], as `image`.
    """
    half = size // 2

    def covered(length, center):
        start = center[..., tf.newaxis] - half
        line = tf.range(length)
        return (line >= start) & (line < start + 2 * half)

    shape = tf.shape(image)
    in_rows = covered(shape[-3], centers[..., 0])[..., :, tf.newaxis]
    in_columns = covered(shape[-2], centers[..., 1])[..., tf.newaxis, :]
    hole = tf.reduce_any(in_rows & in_columns, axis=-3)
    return tf.where(hole[..., tf.newaxis], tf.cast(value, image.dtype), image)


def frame(
    batch: Streams,
    share: tf.Tensor,
    offset: tf.Tensor,
    mirrored: tf.Tensor,
    margin: int = 0,
) -> Streams:
    """Enlarges a square part of all streams to the whole picture, and mirrors it.

    A part larger than the picture shows it smaller, mirrored at its borders. Depth is
    stretched anew to the part's own nearest and farthest point, since it
    is relative to its picture. Holes move along, see `preprocessing.resampled`.

    Args:
        batch: The four streams, [B, S, S, C] each.
        share: [B], greater than 0, the part's side as a share of the picture's.
        offset: [B, 2] in [0, 1], where the part lies: 0 top or left, 1 bottom or
            right.
        mirrored: bool [B], whether left and right are exchanged.
        margin: Pixels around the picture that parts may reach, at most its side.

    Returns:
        The four streams, of the same size, resampled bilinearly.
    """
    has_holes = batch["depth"].dtype == streams.HOLED_DEPTH.dtype
    size = batch["bg"].shape[1]
    stacked = [tf.cast(batch[stream.name], tf.float32) for stream in streams.STREAMS]
    if has_holes:
        is_known = stacked[-1] >= 0
        filled = preprocessing.with_holes(stacked[-1], is_known)
        stacked[-1] = preprocessing.known_and_filled(filled, is_known)
    widths = [image.shape[-1] for image in stacked]
    start = offset * (1 - share[:, tf.newaxis])
    top, left = start[:, 0], start[:, 1]
    right = left + share
    # A box whose right side lies left of its left one is mirrored.
    left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
    boxes = tf.stack([top, left, top + share, right], axis=1)
    whole = tf.concat(stacked, -1)
    if margin:
        around = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        whole = tf.pad(whole, around, "SYMMETRIC")
        # Shares of the way from the first pixel's middle to the last one's.
        boxes = (boxes * (size - 1) + margin) / (size - 1 + 2 * margin)
    part = tf.image.crop_and_resize(
        whole, boxes, tf.range(tf.shape(share)[0]), [size, size]
    )
    bg, fg_bg, mask, depth = tf.split(part, widths, axis=-1)
    return {
        "bg": to_uint8(bg),
        "fg_bg": to_uint8(fg_bg),
        "mask": tf.cast(mask >= 0.5, tf.uint8),
        "depth": _stretched_beside_holes(depth) if has_holes else _stretched(depth),
    }


def _stretched(depth) -> tf.Tensor:
    near = tf.reduce_min(depth, axis=[1, 2, 3], keepdims=True)
    far = tf.reduce_max(depth, axis=[1, 2, 3], keepdims=True)
    depth = (depth - near) / tf.maximum(far - near, 1.0) * streams.DEPTH_SCALE
    return tf.cast(tf.round(depth), tf.uint16)


def _stretched_beside_holes(parts) -> tf.Tensor:
    """The same by what is known; what stands for holes is cut off where that ends."""
    depth, is_known = preprocessing.resampled(parts)
    least = tf.where(is_known, depth, float(streams.DEPTH_SCALE))
    near = tf.reduce_min(least, axis=[1, 2, 3], keepdims=True)
    far = tf.reduce_max(depth * tf.cast(is_known, tf.float32), [1, 2, 3], keepdims=True)
    stretched = _stretched(tf.clip_by_value(depth, near, tf.maximum(near, far)))
    return preprocessing.with_holes(tf.cast(stretched, tf.int32), is_known)


def contrast(image: tf.Tensor, factor: tf.Tensor, gain: tf.Tensor) -> tf.Tensor:
    """Stretches pictures around middle grey, then scales them.

        out = ((in - 127.5) * factor + 127.5) * gain, clipped to 0..255

    Args:
        image: uint8 [B, H, W, C].
        factor: [B]; 1 leaves the contrast as it is.
        gain: [B, C]; 1 leaves the brightness as it is.

    Returns:
        uint8 [B, H, W, C].
    """
    # Multiplied out, so that a pixel costs one product and one sum.
    factor = factor[:, tf.newaxis]
    scale = (factor * gain)[:, tf.newaxis, tf.newaxis]
    shift = (127.5 * (1 - factor) * gain)[:, tf.newaxis, tf.newaxis]
    return to_uint8(tf.cast(image, tf.float32) * scale + shift)


def grey(image: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Takes the colour out of chosen pictures.

    Args:
        image: uint8 [B, H, W, 3].
        chosen: bool [B].

    Returns:
        uint8 [B, H, W, 3]; the chosen have three equal channels.
    """
    # Not `matvec`, for the reason given in `similarity.ssim_map`.
    luma = tf.reduce_sum(tf.cast(image, tf.float32) * GREY_WEIGHTS, axis=-1)
    plain = to_uint8(luma)[..., tf.newaxis]
    return choosing.by_example(chosen, tf.tile(plain, [1, 1, 1, 3]), image)


def make_augmentation(
    flip_probability: float = 0.0,
    zoom_minimum: float = 1.0,
    zoom_maximum: float = 1.0,
    zoom_probability: float = 1.0,
    contrast_range: float = 0.0,
    gain_range: float = 0.0,
    grey_probability: float = 0.0,
    cutout_holes: int = 0,
    cutout_size: int = 16,
) -> Augment:
    """Puts augmentations together; the defaults change nothing.

    Args:
        flip_probability: Share of examples mirrored.
        zoom_minimum: Least side of the part shown, as a share of the picture's.
        zoom_maximum: Greatest; beyond 1 the picture is mirrored at its borders.
        zoom_probability: Share of examples that are not shown as they are.
        contrast_range: Contrast factors lie in 1 plus or minus this, for both
            pictures alike.
        gain_range: So do gains of brightness, by channel, for both alike.
        grey_probability: Share of examples in grey.
        cutout_holes: Holes in each picture, at most `MAX_HOLES`, drawn separately
            for `fg_bg` and `bg`.
        cutout_size: Side of a hole, in pixels; even.

    Returns:
        A function from a batch and its draws, as `example_draws`, to a batch.
    """

    def augment(batch: Streams, draws: tf.Tensor) -> Streams:
        if zoom_minimum < zoom_maximum or flip_probability:
            share = zoom_minimum + (zoom_maximum - zoom_minimum) * draws[:, Column.ZOOM]
            share = tf.where(draws[:, Column.IS_ZOOMED] < zoom_probability, share, 1.0)
            offset = draws[:, Column.OFFSET : Column.OFFSET + 2]
            mirrored = draws[:, Column.FLIP] < flip_probability
            margin = math.ceil((zoom_maximum - 1) * batch["bg"].shape[1])
            batch = batch | frame(batch, share, offset, mirrored, margin)
        pictures = {stream.name: batch[stream.name] for stream in streams.INPUTS}
        if contrast_range or gain_range:
            factor = 1 + contrast_range * (2 * draws[:, Column.CONTRAST] - 1)
            # Half of the gain is the light's strength, half its colour.
            strength = draws[:, Column.STRENGTH, tf.newaxis]
            colour = draws[:, Column.COLOUR : Column.COLOUR + 3]
            gain = 1 + gain_range * (strength + colour - 1)
            pictures = {k: contrast(v, factor, gain) for k, v in pictures.items()}
        if grey_probability:
            chosen = draws[:, Column.GREY] < grey_probability
            pictures = {name: grey(image, chosen) for name, image in pictures.items()}
        for place, name in enumerate(pictures if cutout_holes else ()):
            size = pictures[name].shape[1]
            first = Column.HOLES + place * 2 * MAX_HOLES
            drawn = draws[:, first : first + 2 * cutout_holes]
            centers = tf.reshape(drawn * size, [-1, cutout_holes, 2])
            pictures[name] = cutout_boxes(
                pictures[name], tf.cast(centers, tf.int32), cutout_size, CUTOUT_VALUE
            )
        return batch | pictures

    return augment


def chosen(draws: tf.Tensor, column: Column, probability: float) -> tf.Tensor:
    """Bool [B], which examples something happens to."""
    return draws[:, column] < probability


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """Rounds and clips to whole numbers from 0 to 255."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
