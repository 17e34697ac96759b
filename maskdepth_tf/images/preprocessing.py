"""Bytes to pixels: the only decoder in the package.

The `decode_*` functions, `resize` and `load` are TensorFlow graph operations without
Python callbacks, so training (tf.data), prediction and the exported model run the
very same code. `read*` do the same to a file at once, behind the gate of `headers`.

Conventions, for every format alike:
- Encoded pictures are scalar strings, arrays are [H, W, C], upright as EXIF has it.
- Transparent parts of a picture become white, of a mask black; of a depth map that is
  a PNG they are holes, see `streams`.
- The first frame of an animated GIF or PNG counts. Animated WebP and BMP with a
  palette are refused. What is transparent in a GIF is black.
- 16-bit PNG keeps its upper byte, as depth all of its bits.
- Pictures are stretched to the square that the network takes, whatever their
  aspect ratio. Resizing is antialiased and bilinear, of large JPEGs from a half, a
  quarter or an eighth of their size.
- JPEG pixels equal Pillow's bit by bit, those of CMYK within 2 of 255. One that lacks
  nothing but its end marker is decoded, see `endings`.
- Colours are the numbers as stored, whatever the profile, see `profiles`.
"""

import functools
import os
import warnings

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import decoders, endings, headers, profiles

PART = 64
"""Pictures that are resized together; more gain nothing, and take memory."""
_DECODERS = {streams.MASK: decoders.mask, streams.DEPTH: decoders.depth}


def read(path: str | os.PathLike) -> bytes:
    """Encoded bytes of a picture that passed the gate.

    Warns if the picture is animated.

    Raises:
        DataError: If the file is missing or is not an acceptable picture; see
            `headers.check`.
    """
    data, header = headers.read(path)
    _warn_if_animated(header, os.fspath(path))
    return data


def decode_rgb(data: tf.Tensor) -> tf.Tensor:
    """Encoded picture -> uint8 [H, W, 3]; transparent parts become white."""
    return decoders.rgb()(data)


def decode_rgba(data: tf.Tensor) -> tf.Tensor:
    """Encoded cut-out -> uint8 [H, W, 4]; opaque if it has no alpha."""
    return decoders.rgba()(data)


def decode_mask(data: tf.Tensor) -> tf.Tensor:
    """Encoded mask -> uint8 [H, W, 1], its grey; transparent parts become black."""
    return decoders.mask()(data)


def decode_depth(data: tf.Tensor) -> tf.Tensor:
    """Encoded depth map -> float32 [H, W, 1] in [0, 1], in holes -1 less that.

    Its grey / 255, or, of a PNG with 16 bits, its grey / 65535.
    """
    grey = tf.cast(decoders.depth()(data), tf.float32) * (1.0 / streams.DEPTH_SCALE)
    return tf.cond(
        _may_have_holes(data),
        lambda: with_holes(grey, _is_known(data)),
        lambda: grey,
    )


def _may_have_holes(data) -> tf.Tensor:
    # Looking for alpha in the whole of a JPEG would take a tenth of decoding it.
    is_png = tf.strings.substr(data, 0, 4) == b"\x89PNG"
    return decoders.has_png_alpha(tf.where(is_png, data, b""))


def _is_known(data) -> tf.Tensor:
    """Where a PNG with alpha has depth: bool [H, W, 1]."""
    return decoders.rgba()(data)[..., 3:] >= streams.MASK_THRESHOLD


def with_holes(depth: tf.Tensor, is_known: tf.Tensor) -> tf.Tensor:
    """Depth that is -1 less itself where it is not known; done twice it is undone.

    Args:
        depth: Of any signed type.
        is_known: bool, of its shape.
    """
    return tf.where(is_known, depth, -1 - depth)


def known_and_filled(depth: tf.Tensor, is_known: tf.Tensor) -> tf.Tensor:
    """Depth with holes as what may be resampled: float32 [..., 1] -> [..., 3]."""
    known = tf.cast(is_known, tf.float32)
    return tf.concat([depth * known, known, depth], axis=-1)


def resampled(parts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What became of `known_and_filled`: depth, and where it is known, [..., 1] each.

    It is known where half of what is seen there is, and the mean of that.
    """
    known_sum, share, filled = tf.split(parts, 3, axis=-1)
    depth = tf.where(share > 0, tf.math.divide_no_nan(known_sum, share), filled)
    return depth, share >= 0.5


def rgb_of(data: bytes, name: str) -> np.ndarray:
    """Pixels of an encoded picture, uint8 [H, W, 3], as `read_rgb` reads a file's.

    Args:
        data: Its bytes, which have not passed the gate.
        name: What errors and warnings call it.
    """
    _warn_if_animated(headers.check_bytes(data, name), name)
    return _decoded(data, name, decode_rgb)


def _read_decoded(path: str | os.PathLike, decode: decoders.Decoder) -> np.ndarray:
    return _decoded(read(path), os.fspath(path), decode)


def _decoded(data: bytes, name: str, decode: decoders.Decoder) -> np.ndarray:
    try:
        pixels = decode(tf.constant(data)).numpy()
    except tf.errors.OpError as error:
        # The message ends with the operation's name, and that may add lines.
        reason = error.message.split(" [Op:")[0].split("}} ")[-1].splitlines()[0]
        raise DataError(f"{name}: cannot be decoded: {reason}") from None
    if endings.lacks_end(data):
        text = "a JPEG without its end marker; all pixels are there"
        warnings.warn(f"{name}: {text}", stacklevel=4)
    return pixels


def _warn_if_animated(header: headers.Header, name: str) -> None:
    if header.animated:
        text = "animated; only the first frame is used"
        warnings.warn(f"{name}: {text}", stacklevel=3)


read_rgb = functools.partial(_read_decoded, decode=decode_rgb)
"""Reads a file's uint8 [H, W, 3], see `decode_rgb`; DataError if it has none."""
read_rgba = functools.partial(_read_decoded, decode=decode_rgba)
"""Reads a file's uint8 [H, W, 4], see `decode_rgba`; DataError if it has none."""
read_mask = functools.partial(_read_decoded, decode=decode_mask)
"""Reads a file's uint8 [H, W, 1], see `decode_mask`; DataError if it has none."""
read_depth = functools.partial(_read_decoded, decode=decode_depth)
"""Reads a file's float32 [H, W, 1], see `decode_depth`; DataError if it has none."""


def in_srgb(pixels: np.ndarray, path: str | os.PathLike) -> np.ndarray:
    """Pixels of a file as they look, for a picture that is made of several.

    Args:
        pixels: As `read_rgb` or `read_rgba` gives them.
        path: The file, whose profile they have.
    """
    data, _ = headers.read(path)
    return profiles.to_srgb(pixels, headers.profile_of(data, os.fspath(path)))


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes to a square, antialiased and bilinear.

    Each output pixel is the mean of the input under a triangle as wide as two
    output pixels (two input pixels when enlarging).

    Args:
        image: [H, W, C] of any size and type.
        size: Side of the result, in pixels.

    Returns:
        float32 [size, size, C] in the range of `image`.
    """
    return tf.image.resize(image, (size, size), antialias=True)


def load_input(data: tf.Tensor, image_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """What `load` makes of an encoded `bg` or `fg_bg`, and the shape that it had.

    Returns:
        uint8 [S, S, 3].
        float32 [], width by height.
    """
    pixels = decoders.rgb(image_size)(data)
    height, width, _ = tf.unstack(tf.cast(tf.shape(pixels), tf.float32))
    return _rounded(resize(pixels, image_size), streams.BG, False), width / height


def load(data: tf.Tensor, stream: streams.Stream, image_size: int) -> tf.Tensor:
    """Turns an encoded picture into what training and prediction use of it.

    Args:
        data: Scalar string, an encoded picture.
        stream: Which of the four pictures it is.
        image_size: Side of the result, in pixels.

    Returns:
        `bg`, `fg_bg`: uint8 [S, S, 3]; `mask`: uint8 [S, S, 1], 0 or 1; `depth`:
        uint16 [S, S, 1], 65535 being 1.0, of an 8-bit map a multiple of 257;
        `HOLED_DEPTH`: the same as int32, -1 less itself in holes.
    """
    if stream == streams.HOLED_DEPTH:
        return _load_holed(data, image_size)
    if stream in streams.INPUTS:
        return load_input(data, image_size)[0]
    decoder = _DECODERS[stream](image_size)
    is_deep = stream == streams.DEPTH and decoders.has_16_bits(data)
    return _rounded(resize(decoder(data), image_size), stream, is_deep)


def _load_holed(data, image_size) -> tf.Tensor:
    def resized():
        grey = tf.cast(decoders.depth(image_size)(data), tf.float32)
        parts = resize(known_and_filled(grey, _is_known(data)), image_size)
        depth, is_known = resampled(parts)
        is_deep = decoders.has_16_bits(data)
        rounded = tf.cast(_rounded(depth, streams.DEPTH, is_deep), tf.int32)
        return with_holes(rounded, is_known)

    return tf.cond(
        _may_have_holes(data),
        resized,
        lambda: tf.cast(load(data, streams.DEPTH, image_size), tf.int32),
    )


def batch_loader(stream: streams.Stream, image_size: int) -> decoders.Decoder:
    """Makes a function from encoded pictures [B] to what `load` makes of each.

    Of small JPEGs of one size it takes a third of the time, `PART` of them together.

    Args:
        stream: Which of the four pictures they are.
        image_size: Side of the results, in pixels.
    """
    # Both inputs are loaded alike: they share one graph.
    shared = streams.BG if stream in streams.INPUTS else stream
    return _batch_loader(shared, image_size)


@functools.cache
def _batch_loader(stream, image_size) -> decoders.Decoder:
    signature = tf.TensorSpec((image_size, image_size, stream.channels), stream.dtype)

    load_one = functools.partial(load, stream=stream, image_size=image_size)
    # JPEGs have no holes.
    of_jpegs = streams.DEPTH if stream == streams.HOLED_DEPTH else stream

    def load_part(data):
        return tf.cond(
            decoders.are_small_jpegs(data, image_size),
            lambda: tf.cast(_load_together(data, of_jpegs, image_size), stream.dtype),
            lambda: tf.map_fn(load_one, data, fn_output_signature=signature),
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def load_batch(data):
        num_parts = -(-tf.size(data) // PART)
        shape = tf.TensorShape((None, *signature.shape))
        parts = tf.TensorArray(
            stream.dtype, num_parts, infer_shape=False, element_shape=shape
        )

        def load_next(i, parts):
            part = data[i * PART : (i + 1) * PART]
            return i + 1, parts.write(i, load_part(part))

        _, parts = tf.while_loop(lambda i, _: i < num_parts, load_next, (0, parts))
        return parts.concat()

    # Concrete: of functions of one code, each traced once, TensorFlow would warn.
    return load_batch.get_concrete_function()


def _load_together(data, stream, image_size) -> tf.Tensor:
    """JPEGs that are decoded to one size -> [B, S, S, C]."""
    pixels = decoders.small_jpegs(stream, image_size)(data)
    # As one picture of many channels: TensorFlow divides each picture among threads,
    # who would wait for each other, and goes from channel to channel in few steps.
    wide = tf.transpose(pixels, (1, 2, 0, 3))
    height, width, count, channels = tf.unstack(tf.shape(wide))
    wide = resize(tf.reshape(wide, (height, width, count * channels)), image_size)
    shape = (image_size, image_size, count, stream.channels)
    rounded = _rounded(tf.reshape(wide, shape), stream, is_deep=False)
    return tf.transpose(rounded, (2, 0, 1, 3))


def _rounded(pixels, stream, is_deep) -> tf.Tensor:
    """Resized pixels as they are in memory; `is_deep` says that depth has 16 bits."""
    if stream == streams.MASK:
        return tf.cast(pixels >= streams.MASK_THRESHOLD, tf.uint8)
    if stream == streams.DEPTH:
        step = tf.where(is_deep, 1.0, float(streams.DEPTH_STEP))
        return tf.cast(tf.round(pixels / step) * step, tf.uint16)
    return tf.cast(tf.round(pixels), tf.uint8)
