"""What a camera does to one of two pictures alone, as stateless augmentation.

The background and the picture are not taken at once: the camera moves a little, its
exposure and white balance change, one of the two is out of focus, both have noise and
are compressed. As in `augmentation`, all that is random arrives as `draws`.

Shapes: B batch, S side of the square pictures in pixels.
"""

import functools
import math

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.draws import Column
from maskdepth_tf.input.augmentation import Augment, Streams, chosen, to_uint8
from maskdepth_tf.registration import choosing, warps, windows

MOST_QUALITY = 95
"""Of the JPEGs that pictures are made into; above it nothing is seen of them."""
NOISE_NUMBERS = 2**21
"""Numbers of the noise that all pictures share: one shows a stretch of them."""


def move(
    image: tf.Tensor,
    shift: tf.Tensor,
    zoom: tf.Tensor,
    turn: tf.Tensor,
    aspect: tf.Tensor,
) -> tf.Tensor:
    """Moves the camera of a picture; what comes in at the border is mirrored.

    Args:
        image: float32 [B, S, S, 3], 0 to 255.
        shift: [B, 2], to the right and down, shares of the side.
        zoom: [B], share by which things grow.
        turn: [B], radians, clockwise.
        aspect: [B], width by height of the picture before it was made a square.

    Returns:
        float32 [B, S, S, 3], 0 to 255.
    """
    x, y = tf.unstack(shift, axis=1)
    scale = 1 / (1 + zoom)
    cosine, sine = scale * tf.cos(turn), scale * tf.sin(turn)
    across, down = sine / aspect, sine * aspect
    # Where each pixel comes from.
    first = [cosine, across, -(cosine * x + across * y)]
    second = [-down, cosine, down * x - cosine * y]
    tilt = [tf.zeros_like(scale)] * 2
    warp = tf.stack(first + second + tilt, axis=1)
    return warps.resample_sharply(image, warp, "REFLECT")


def light(
    image: tf.Tensor, gain: tf.Tensor, gamma: tf.Tensor, vignette: tf.Tensor
) -> tf.Tensor:
    """Changes the light of a picture.

        out = 255 (in / 255) ** gamma * gain * (1 - vignette * r^2)

    with r the distance from the middle, 1 in the corners.

    Args:
        image: float32 [B, S, S, 3], 0 to 255.
        gain: [B, 3], by channel.
        gamma: [B].
        vignette: [B], share of the light that the corners lose.

    Returns:
        float32 [B, S, S, 3], from 0.
    """
    size = image.shape[1]
    x, y = warps.grid(size)
    fall = (2 * (x**2 + y**2)).reshape(1, size, size, 1)
    field = 1 - vignette[:, tf.newaxis, tf.newaxis, tf.newaxis] * fall
    tones = (image / 255) ** gamma[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return 255 * tones * gain[:, tf.newaxis, tf.newaxis] * field


def soften(image: tf.Tensor, softness: tf.Tensor) -> tf.Tensor:
    """Mixes a picture with its blur, by [B] from 0 to 1.

    At 1 it is as blurred as by a Gaussian of 1 pixel, or a sixtieth of the side if
    that is more: out of focus is so at every size.
    """
    weights = np.ones(1)
    for step in (2**i for i in range(max(1, image.shape[1].bit_length() - 6))):
        spread = np.zeros(4 * step + 1)
        spread[::step] = (1, 4, 6, 4, 1)
        weights = np.convolve(weights, spread)
    blurred = windows.slide(image, tuple(weights), windows.MIRRORED)
    share = softness[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return image + share * (blurred - image)


def noise(
    images: list[tf.Tensor], sigma: tf.Tensor, draws: tf.Tensor
) -> list[tf.Tensor]:
    """Adds normal noise to pictures of a batch.

    Args:
        images: float32 [B, S, S, 3] each.
        sigma: [B], deviation.
        draws: [B, 2] in [0, 1), which noise an example has.
    """
    side, width = images[0].shape[1], images[0].shape[2] * 3
    table = _noise_lines(width)
    # Drawn for each example by itself it would take five times as long.
    first = tf.cast(draws[:, :1] * len(table), tf.int32)
    lines = tf.gather(table, (first + tf.range(len(images) * side)) % len(table))
    drawn = tf.reshape(lines, [-1, len(images), *images[0].shape[1:]])
    scale = tf.where(draws[:, 1] < 0.5, -sigma, sigma)
    scale = scale[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return [image + scale * drawn[:, i] for i, image in enumerate(images)]


@functools.cache
def _noise_lines(width) -> np.ndarray:
    """Lines of normal noise that pictures take some of, float32 [lines, width]."""
    numbers = np.random.default_rng(0).standard_normal(NOISE_NUMBERS, np.float32)
    return numbers[: len(numbers) // width * width].reshape(-1, width)


def compress(image: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """Gives each picture the traces of JPEG.

    Args:
        image: float32 [B, S, S, 3], 0 to 255.
        quality: int32 [B], 1 to 100; 0 leaves a picture as it is.

    Returns:
        float32 [B, S, S, 3], of whole numbers where it was compressed.
    """

    def one(row):
        pixels, own = row
        return tf.cond(
            own > 0,
            lambda: tf.cast(
                tf.image.adjust_jpeg_quality(to_uint8(pixels), own), tf.float32
            ),
            lambda: pixels,
        )

    shape = tf.TensorSpec(image.shape[1:], tf.float32)
    with tf.device("CPU:0"):  # JPEG is the host's work, where a GPU does the rest
        return tf.map_fn(one, (image, quality), fn_output_signature=shape)


def make_disturbance(
    move_probability: float = 0.0,
    shift_range: float = 0.03,
    zoom_range: float = 0.02,
    turn_range: float = 1.5,
    light_probability: float = 0.0,
    exposure_range: float = 0.5,
    balance_range: float = 0.15,
    gamma_range: float = 0.3,
    vignette_range: float = 0.3,
    blur_probability: float = 0.0,
    noise_probability: float = 0.0,
    noise_range: float = 8.0,
    compression_probability: float = 0.0,
    quality_minimum: int = 10,
) -> Augment:
    """Puts disturbances together; the defaults change nothing.

    Args are those of `config.Camera`, where each has its meaning and range.

    Returns:
        A function from a batch and its draws, as `augmentation.example_draws`.
    """

    def disturb(batch: Streams, draws: tf.Tensor) -> Streams:
        bg, fg_bg = (tf.cast(batch[name], tf.float32) for name in ("bg", "fg_bg"))
        signed = 2 * draws - 1
        if move_probability:
            on = chosen(draws, Column.IS_MOVED, move_probability)
            shift = shift_range * signed[:, Column.MOVE : Column.MOVE + 2]
            zoom = zoom_range * signed[:, Column.MOVE + 2]
            turn = math.radians(turn_range) * signed[:, Column.MOVE + 3]
            aspect = batch.get(streams.ASPECT, tf.ones_like(turn))
            bg = choosing.change_some(on, move, bg, shift, zoom, turn, aspect)
        if light_probability:
            on = chosen(draws, Column.IS_LIT, light_probability)
            exposure = exposure_range * signed[:, Column.EXPOSURE, tf.newaxis]
            exposure += balance_range * signed[:, Column.BALANCE : Column.BALANCE + 3]
            gain, gamma = map(tf.exp, (exposure, gamma_range * signed[:, Column.GAMMA]))
            vignette = vignette_range * draws[:, Column.VIGNETTE]
            which = draws[:, Column.LIT_PICTURE]
            bg, fg_bg = _one_of(bg, fg_bg, on, which, light, gain, gamma, vignette)
        if blur_probability:
            on = chosen(draws, Column.IS_SOFT, blur_probability)
            softness, which = draws[:, Column.SOFTNESS], draws[:, Column.SOFT_PICTURE]
            bg, fg_bg = _one_of(bg, fg_bg, on, which, soften, softness)
        if noise_probability:
            on = chosen(draws, Column.IS_NOISY, noise_probability)
            sigma = tf.cast(on, tf.float32) * noise_range * draws[:, Column.NOISE] ** 2
            which = draws[:, Column.NOISE_LINES : Column.NOISE_LINES + 2]
            bg, fg_bg = noise([bg, fg_bg], sigma, which)
        if compression_probability:
            on = chosen(draws, Column.IS_COMPRESSED, compression_probability)
            share = draws[:, Column.COMPRESSION : Column.COMPRESSION + 2]
            quality = quality_minimum + (MOST_QUALITY - quality_minimum) * share
            quality = tf.where(on[:, tf.newaxis], tf.cast(quality, tf.int32), 0)
            bg, fg_bg = map(compress, (bg, fg_bg), tf.unstack(quality, 2, 1))
        return batch | {"bg": to_uint8(bg), "fg_bg": to_uint8(fg_bg)}

    return disturb


def _one_of(bg, fg_bg, on, which, change, *amounts) -> tuple[tf.Tensor, tf.Tensor]:
    """Changes one of the two, where `on`: the picture if `which` is below a half."""
    is_picture, change_some = which < 0.5, choosing.change_some
    return (
        change_some(on & ~is_picture, change, bg, *amounts),
        change_some(on & is_picture, change, fg_bg, *amounts),
    )
