"""Bytes to pixels: the only decoder in the package.

The `decode_*` functions, `resize` and `load` are TensorFlow graph operations without
Python callbacks, so training (tf.data), prediction and the exported model run the
very same code. `read*` do the same to a file at once, behind the gate of `headers`.

Conventions, for every format alike:
- Encoded pictures are scalar strings, arrays are [H, W, C], upright as EXIF has it.
- Transparent parts of a picture become white, of a mask black; depth has none.
- The first frame of an animated GIF or PNG counts. Animated WebP and BMP with a
  palette are refused. What is transparent in a GIF is black.
- 16-bit PNG keeps its upper byte, as depth all of its bits.
- Pictures are stretched to the square that the network takes, whatever their
  aspect ratio. Resizing is antialiased and bilinear.
- JPEG pixels equal Pillow's bit by bit, those of CMYK within 2 of 255.
"""

import io
import os
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from maskdepth_tf import files, headers, streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.headers import Header as Header
from maskdepth_tf.headers import check as check

# TensorFlow's default is as fast, but off by 1.2 of 255 on average and by up to 18.
_DCT_METHOD = "INTEGER_ACCURATE"
# \C is any byte; `.` would stop at what is not UTF-8.
_WEBP = r"RIFF\C{4}WEBP\C*"
_EXTENDED_WEBP = r"RIFF\C{4}WEBPVP8X\C*"
_TRNS = r"\C*tRNS\C*"
# As JPEG, PNG and WebP hold it; the group is the TIFF structure in it.
_EXIF = r"\C*?(?:Exif\x00\x00|eXIf|EXIF\C{4})((?:II\*\x00|MM\x00\*)\C*)"
_JPEG_KINDS = {("uint8", ()), ("uint8", (3,))}
_PNG_KINDS = _JPEG_KINDS | {("uint8", (4,)), ("uint16", ())}
# Type and shape behind [H, W] that a file of each suffix can hold.
_WRITABLE = {".png": _PNG_KINDS, ".jpg": _JPEG_KINDS, ".jpeg": _JPEG_KINDS}
_ORIENTATION_TAG = 0x0112
_MAX_EXIF_BYTES = 65536

Decoder = Callable[[tf.Tensor], tf.Tensor]
"""From a scalar string to pixels [H, W, C]."""


def read(path: str | os.PathLike) -> bytes:
    """Encoded bytes of a picture that passed the gate.

    Warns if the picture is animated.

    Raises:
        DataError: If the file is missing or is not an acceptable picture; see
            `headers.check`.
    """
    data, header = headers.read(path)
    if header.animated:
        warnings.warn(
            f"{os.fspath(path)}: animated; only the first frame is used", stacklevel=2
        )
    return data


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """A file's uint8 [H, W, 3], see `decode_rgb`; DataError if it has none."""
    return _read_decoded(path, decode_rgb)


def read_rgba(path: str | os.PathLike) -> np.ndarray:
    """A file's uint8 [H, W, 4], see `decode_rgba`; DataError if it has none."""
    return _read_decoded(path, decode_rgba)


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """A file's uint8 [H, W, 1], see `decode_mask`; DataError if it has none."""
    return _read_decoded(path, decode_mask)


def read_depth(path: str | os.PathLike) -> np.ndarray:
    """A file's float32 [H, W, 1], see `decode_depth`; DataError if it has none."""
    return _read_decoded(path, decode_depth)


def decode_rgb(data: tf.Tensor) -> tf.Tensor:
    """Encoded picture -> uint8 [H, W, 3]; transparent parts become white."""
    return _decode_rgb(data)


def decode_rgba(data: tf.Tensor) -> tf.Tensor:
    """Encoded cut-out -> uint8 [H, W, 4]; opaque if it has no alpha."""
    return _decode_rgba(data)


def decode_mask(data: tf.Tensor) -> tf.Tensor:
    """Encoded mask -> uint8 [H, W, 1], its grey; transparent parts become black."""
    return _decode_mask(data)


def decode_depth(data: tf.Tensor) -> tf.Tensor:
    """Encoded depth map -> float32 [H, W, 1] in [0, 1]; alpha is ignored.

    Its grey / 255, or, of a PNG with 16 bits, its grey / 65535.
    """
    return tf.cast(_decode_depth(data), tf.float32) * (1.0 / streams.DEPTH_SCALE)


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


def load(data: tf.Tensor, stream: streams.Stream, image_size: int) -> tf.Tensor:
    """Turns an encoded picture into what training and prediction use of it.

    Args:
        data: Scalar string, an encoded picture.
        stream: Which of the four pictures it is.
        image_size: Side of the result, in pixels.

    Returns:
        `bg`, `fg_bg`: uint8 [S, S, 3]; `mask`: uint8 [S, S, 1], 0 or 1; `depth`:
        uint16 [S, S, 1], 65535 being 1.0, of an 8-bit map a multiple of 257.
    """
    if stream == streams.MASK:
        mask = resize(decode_mask(data), image_size)
        return tf.cast(mask >= streams.MASK_THRESHOLD, tf.uint8)
    if stream == streams.DEPTH:
        step = tf.where(_has_16_bits(data), 1.0, float(streams.DEPTH_STEP))
        depth = resize(_decode_depth(data), image_size) / step
        return tf.cast(tf.round(depth) * step, tf.uint16)
    return tf.cast(tf.round(resize(decode_rgb(data), image_size)), tf.uint8)


def write_image(path: str | os.PathLike, array: np.ndarray, quality: int = 95) -> None:
    """Writes a picture, complete or not at all.

    Args:
        path: Ends in `.png`, `.jpg` or `.jpeg`.
        array: [H, W] or [H, W, 1] (grey), [H, W, 3] or, PNG only, [H, W, 4]; uint8
            or, PNG and grey only, uint16.
        quality: Of a JPEG, 1 to 100.

    Raises:
        DataError: If the suffix or the array is not one of these.
        OSError: If the file cannot be written.
    """
    name, suffix = os.fspath(path), os.path.splitext(path)[1].lower()
    if suffix not in _WRITABLE:
        raise DataError(
            f"{name}: expected the suffix {', '.join(_WRITABLE)}, received '{suffix}'"
        )
    pixels = array[..., 0] if array.shape[2:] == (1,) else array
    kind = (str(pixels.dtype), pixels.shape[2:])
    if pixels.ndim < 2 or pixels.size == 0 or kind not in _WRITABLE[suffix]:
        raise DataError(
            f"{name}: expected pixels that a {suffix} can hold, "
            f"received {array.dtype} {list(array.shape)}"
        )
    encoding = "PNG" if suffix == ".png" else "JPEG"  # PNG has no quality to lose
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, encoding, quality=quality)
    files.write_atomically(path, buffer.getvalue())


def _read_decoded(path, decode: Decoder) -> np.ndarray:
    data = read(path)
    try:
        return decode(tf.constant(data)).numpy()
    except tf.errors.OpError as error:
        # The message ends with the operation's name, and that may add lines.
        reason = error.message.split(" [Op:")[0].split("}} ")[-1].splitlines()[0]
        raise DataError(f"{os.fspath(path)}: cannot be decoded: {reason}") from None


def _is_jpeg(data) -> tf.Tensor:
    # TensorFlow's decoders go by the contents, not by the name of the operation: no
    # other bytes than those of a JPEG may come into decode_jpeg.
    return tf.strings.substr(data, 0, 3) == b"\xff\xd8\xff"


def _is_png(data) -> tf.Tensor:
    return tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"


def _head(data) -> tf.Tensor:
    """The first 32 bytes; zeros after the end."""
    return tf.io.decode_raw(tf.strings.substr(data, 0, 32), tf.uint8, fixed_length=32)


def _has_png_alpha(data) -> tf.Tensor:
    """Whether a PNG has an alpha channel or a transparent colour."""
    colour_type = _head(data)[25]
    before_pixels = tf.strings.split([data], "IDAT", maxsplit=1).values[0]
    has_transparent_colour = tf.strings.regex_full_match(before_pixels, _TRNS)
    return (colour_type == 4) | (colour_type == 6) | has_transparent_colour


def _has_16_bits(data) -> tf.Tensor:
    return _is_png(data) & (_head(data)[24] == 16)


def _is_opaque_png(data) -> tf.Tensor:
    return _is_png(data) & ~_has_png_alpha(data)


def _has_exif(data) -> tf.Tensor:
    return tf.strings.regex_full_match(data, _EXIF)


def _apart(function: Decoder) -> Decoder:
    """Keeps operations out of the graph that calls them.

    TensorFlow goes through all operations of a branch, taken or not: those of the
    rare formats would take as long as decoding a JPEG of 224 pixels.
    """
    return tf.function(
        function,
        input_signature=[tf.TensorSpec([], tf.string)],
        experimental_attributes={"_noinline": True},
    )


def _decoder(jpeg: Decoder, png: Decoder, other: Decoder) -> Decoder:
    """A decoder from those of JPEG, of PNG without alpha, and of all formats."""

    @_apart
    def decode_any(data):
        image = tf.cond(
            _is_jpeg(data),
            lambda: jpeg(data),
            lambda: tf.cond(
                _is_opaque_png(data), lambda: png(data), lambda: other(data)
            ),
        )
        return _upright(image, data)

    @_apart
    def decode_png_or_any(data):
        return tf.cond(
            _is_opaque_png(data) & ~_has_exif(data),
            lambda: png(data),
            lambda: decode_any(data),
        )

    def decode(data):
        return tf.cond(
            _is_jpeg(data) & ~_has_exif(data),
            lambda: jpeg(data),
            lambda: decode_png_or_any(data),
        )

    return decode


def _decode_depth_with_alpha(data) -> tf.Tensor:
    return tf.cond(
        _is_png(data),
        lambda: tf.io.decode_png(data, channels=1, dtype=tf.uint16),
        lambda: _widened(tf.image.rgb_to_grayscale(_decode_with_alpha(data)[..., :3])),
    )


def _widened(image) -> tf.Tensor:
    return tf.cast(image, tf.uint16) * tf.constant(streams.DEPTH_STEP, tf.uint16)


def _decode_with_alpha(data) -> tf.Tensor:
    """A picture of any format -> uint8 [H, W, 4], as stored."""
    data = tf.where(_is_trap(data), b"", data)
    # decode_png(channels=4) gives an opaque PNG of 1, 2 or 4 bits an alpha of 1, 3
    # or 15 of 255; WebP is only decoded with the channels that it has.
    image = tf.cond(
        _is_png(data) & _has_png_alpha(data),
        lambda: tf.io.decode_png(data, channels=4),
        lambda: tf.cond(
            tf.strings.regex_full_match(data, _WEBP),
            lambda: _with_alpha(_decode_image(data, 0)),
            lambda: _opaque(
                tf.cond(
                    _is_jpeg(data),
                    lambda: _decode_jpeg(data, 3),
                    lambda: _decode_image(data, 3),
                )
            ),
        ),
    )
    return tf.ensure_shape(image, (None, None, 4))


def _is_trap(data) -> tf.Tensor:
    """Whether TensorFlow 2.21 would crash or show wrong colours."""
    head = _head(data)
    # Of an animated WebP it writes four channels a pixel where three have room; of
    # a BMP with a palette it takes the indices for grey values.
    is_animated = tf.bitwise.bitwise_and(head[20], tf.constant(2, tf.uint8)) != 0
    is_webp = tf.strings.regex_full_match(data, _EXTENDED_WEBP)
    is_bmp = tf.strings.substr(data, 0, 2) == b"BM"
    return (is_webp & is_animated) | (is_bmp & (head[28] != 24) & (head[28] != 32))


def _decode_jpeg(data, channels: int) -> tf.Tensor:
    return tf.io.decode_jpeg(data, channels=channels, dct_method=_DCT_METHOD)


def _decode_image(data, channels: int) -> tf.Tensor:
    return tf.io.decode_image(data, channels=channels, expand_animations=False)


def _with_alpha(image) -> tf.Tensor:
    return tf.cond(tf.shape(image)[2] == 4, lambda: image, lambda: _opaque(image))


def _opaque(image) -> tf.Tensor:
    alpha = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
    return tf.concat([image, alpha], axis=2)


def _over(image, background: float) -> tf.Tensor:
    """[H, W, 4] -> [H, W, 3], composited on a plain grey of 0 to 255."""
    # Graphs turn a division into this product, eager execution does not.
    alpha = tf.cast(image[..., 3:], tf.float32) * (1.0 / 255.0)
    colours = tf.cast(image[..., :3], tf.float32)
    return tf.cast(tf.round(background + alpha * (colours - background)), tf.uint8)


def _upright(image, data) -> tf.Tensor:
    """Applies the orientation in EXIF."""
    return tf.cond(
        _has_exif(data),
        lambda: _turned(image, _orientation(data)),
        lambda: image,
    )


def _turned(image, orientation) -> tf.Tensor:
    """Undoes an orientation of EXIF, 2 to 8; anything else changes nothing."""

    def change_if(orientations, change, image):
        applies = tf.reduce_any(orientation == orientations)
        return tf.cond(applies, lambda: change(image), lambda: image)

    image = change_if([5, 6, 7, 8], lambda x: tf.transpose(x, (1, 0, 2)), image)
    image = change_if([2, 3, 6, 7], lambda x: tf.reverse(x, [1]), image)
    return change_if([3, 4, 7, 8], lambda x: tf.reverse(x, [0]), image)


def _orientation(data) -> tf.Tensor:
    """Value of the orientation tag in the first directory of EXIF, 0 if not there."""
    tiff = tf.strings.regex_replace(data, _EXIF, r"\1", replace_global=False)
    tiff = tf.io.decode_raw(tf.strings.substr(tiff, 0, _MAX_EXIF_BYTES), tf.uint8)
    # Zeros stand for what is cut off.
    tiff = tf.pad(tf.cast(tiff, tf.int64), [[0, 12]])
    is_little_endian = tiff[0] == ord("I")

    def number(digits, length):
        big_endian = tf.where(is_little_endian, tf.reverse(digits, [-1]), digits)
        place_values = tf.constant([256**i for i in reversed(range(length))], tf.int64)
        return tf.reduce_sum(big_endian * place_values, axis=-1)

    start = tf.minimum(number(tiff[4:8], 4), tf.size(tiff, tf.int64) - 2)
    num_entries = number(tiff[start : start + 2], 2)
    entries = tiff[start + 2 : start + 2 + 12 * num_entries]
    entries = tf.reshape(entries[: tf.size(entries) // 12 * 12], (-1, 12))
    is_orientation = number(entries[:, :2], 2) == _ORIENTATION_TAG
    values = number(entries[:, 8:10], 2)
    return tf.reduce_sum(tf.where(is_orientation, values, tf.zeros_like(values)))


_decode_rgb = _decoder(
    jpeg=lambda data: _decode_jpeg(data, 3),
    png=lambda data: tf.io.decode_png(data, channels=3),
    other=lambda data: _over(_decode_with_alpha(data), 255.0),
)
_decode_rgba = _apart(lambda data: _upright(_decode_with_alpha(data), data))
_decode_mask = _decoder(
    jpeg=lambda data: _decode_jpeg(data, 1),
    png=lambda data: tf.io.decode_png(data, channels=1),
    other=lambda data: tf.image.rgb_to_grayscale(_over(_decode_with_alpha(data), 0.0)),
)
# uint16 [H, W, 1]; 8 bits are widened to value * 257.
_decode_depth = _decoder(
    jpeg=lambda data: _widened(_decode_jpeg(data, 1)),
    png=lambda data: tf.io.decode_png(data, channels=1, dtype=tf.uint16),
    other=_decode_depth_with_alpha,
)
