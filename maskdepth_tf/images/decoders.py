"""Graphs that turn bytes into pixels, for `images`.

A decoder is made once for each size. JPEGs much larger than that are decoded at a
half, a quarter or an eighth, in a fraction of the time, but not to less than one and a
half times the size: of 100 rooms of 224 pixels with quality 30, at 64 pixels, that is
1.72 of 255 off the originals on average; at full size it would be 1.61.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.images import endings, exif

# TensorFlow's default is as fast, but off by 1.2 of 255 on average and by up to 18.
_DCT_METHOD = "INTEGER_ACCURATE"
# \C is any byte; `.` would stop at what is not UTF-8.
_WEBP = r"RIFF\C{4}WEBP\C*"
_EXTENDED_WEBP = r"RIFF\C{4}WEBPVP8X\C*"
_TRNS = r"\C*tRNS\C*"
_TIFF = r"(?:II\*\x00|MM\x00\*)\C*"
# As JPEG, PNG and WebP hold it, or something that looks like it.
_EXIF = rf"\C*?(?:Exif\x00\x00|eXIf|EXIF\C{{4}}){_TIFF}"
_RATIOS = (2, 4, 8)
_SPARE = 1.5
# Pixels: of 64 such pictures in colour a copy takes 12 MB.
_SMALL = 2**16

Decoder = Callable[[tf.Tensor], tf.Tensor]
"""From a scalar string to pixels [H, W, C]."""


@functools.cache
def rgb(size: int | None = None) -> Decoder:
    """Makes a decoder to uint8 [H, W, 3]; transparent parts become white.

    Args:
        size: What the pixels will be resized to; None if they will not. So the next
            two.
    """
    return _decoder(
        jpeg=_jpeg_decoder(3, size),
        png=lambda data: tf.io.decode_png(data, channels=3),
        other=lambda data: _over(_decode_with_alpha(data), 255.0),
    )


@functools.cache
def mask(size: int | None = None) -> Decoder:
    """Makes a decoder to uint8 [H, W, 1], grey; transparent parts become black."""
    return _decoder(
        jpeg=_jpeg_decoder(1, size),
        png=lambda data: tf.io.decode_png(data, channels=1),
        other=lambda data: tf.image.rgb_to_grayscale(
            _over(_decode_with_alpha(data), 0.0)
        ),
    )


@functools.cache
def depth(size: int | None = None) -> Decoder:
    """Makes a decoder to uint16 [H, W, 1]; 8 bits are widened to value * 257."""
    jpeg = _jpeg_decoder(1, size)
    return _decoder(
        jpeg=lambda data: _widened(jpeg(data)),
        png=lambda data: tf.io.decode_png(data, channels=1, dtype=tf.uint16),
        other=_decode_depth_with_alpha,
    )


@functools.cache
def rgba() -> Decoder:
    """Makes a decoder to uint8 [H, W, 4]; opaque where there is no alpha."""
    return _apart(lambda data: _upright(_decode_with_alpha(data), data))


def _is_jpeg(data) -> tf.Tensor:
    # TensorFlow's decoders go by the contents, not by the name of the operation: no
    # other bytes than those of a JPEG may come into decode_jpeg.
    return tf.strings.substr(data, 0, 3) == b"\xff\xd8\xff"


def _is_png(data) -> tf.Tensor:
    return tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"


def _head(data) -> tf.Tensor:
    """The first 32 bytes; zeros after the end."""
    return tf.io.decode_raw(tf.strings.substr(data, 0, 32), tf.uint8, fixed_length=32)


def has_png_alpha(data) -> tf.Tensor:
    """Whether it is a PNG with an alpha channel or a transparent colour."""
    before_pixels = tf.strings.split([data], "IDAT", maxsplit=1).values[0]
    has_transparent_colour = tf.strings.regex_full_match(before_pixels, _TRNS)
    has_channel = tf.bitwise.bitwise_and(_head(data)[25], tf.constant(4, tf.uint8)) != 0
    return _is_png(data) & (has_channel | has_transparent_colour)


def has_16_bits(data: tf.Tensor) -> tf.Tensor:
    """Whether an encoded picture is a PNG with 16 bits a channel."""
    return _is_png(data) & (_head(data)[24] == 16)


def _is_opaque_png(data) -> tf.Tensor:
    return _is_png(data) & ~has_png_alpha(data)


def _has_exif(data) -> tf.Tensor:
    """Whether there may be EXIF: of most pictures this is all that is looked at."""
    return tf.strings.regex_full_match(data, _EXIF)


def _apart(function: Decoder) -> Decoder:
    """Keeps operations out of the graphs that call them, which share them.

    TensorFlow goes through all operations of a branch, taken or not: those of the
    rare formats would take as long as decoding a JPEG of 224 pixels.
    """
    signature, attributes = [tf.TensorSpec([], tf.string)], {"_noinline": True}
    return tf.function(
        function, signature, autograph=False, experimental_attributes=attributes
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


def are_small_jpegs(data: tf.Tensor, size: int) -> tf.Tensor:
    """Whether `small_jpegs` decodes all of [B], and to one size: a bool."""

    def are_alike():
        shape = tf.TensorSpec([3], tf.int32)
        shapes = tf.map_fn(tf.io.extract_jpeg_shape, data, fn_output_signature=shape)
        sides = tf.bitwise.right_shift(
            shapes[0, :2], tf.fill([2], _halvings(shapes[0, :2], size))
        )
        is_small = tf.reduce_prod(tf.cast(sides, tf.int64)) <= _SMALL
        return is_small & tf.reduce_all(shapes[:, :2] == shapes[0, :2])

    is_whole = _is_jpeg(data) & endings.is_ended(data)
    is_plain = tf.reduce_all(is_whole & ~_has_exif(data))
    return tf.cond(is_plain, are_alike, lambda: tf.constant(False))


def small_jpegs(stream: streams.Stream, size: int) -> Decoder:
    """Makes a decoder of JPEGs [B] as `are_small_jpegs` wants them, to [B, H, W, C].

    Its pixels are those of `rgb`, `mask` or `depth`.
    """
    spec = tf.TensorSpec((None, None, stream.channels), tf.uint8)

    def decode(data):
        halvings = _halvings(tf.io.extract_jpeg_shape(data[0])[:2], size)
        decode_one = functools.partial(_decode_halved, halvings, stream.channels)
        pixels = tf.map_fn(decode_one, data, fn_output_signature=spec)
        return _widened(pixels) if stream == streams.DEPTH else pixels

    return decode


def _decode_depth_with_alpha(data) -> tf.Tensor:
    return tf.cond(
        _is_png(data),
        lambda: tf.io.decode_png(data, channels=1, dtype=tf.uint16),
        lambda: _widened(tf.image.rgb_to_grayscale(_decode_with_alpha(data)[..., :3])),
    )


def _widened(image) -> tf.Tensor:
    return tf.cast(image, tf.uint16) * tf.constant(streams.DEPTH_STEP, tf.uint16)


@_apart
def _decode_with_alpha(data) -> tf.Tensor:
    """A picture of any format -> uint8 [H, W, 4], as stored."""
    data = tf.where(_is_trap(data), b"", data)
    # decode_png(channels=4) gives an opaque PNG of 1, 2 or 4 bits an alpha of 1, 3
    # or 15 of 255; WebP is only decoded with the channels that it has.
    image = tf.cond(
        has_png_alpha(data),
        lambda: tf.io.decode_png(data, channels=4),
        lambda: tf.cond(
            tf.strings.regex_full_match(data, _WEBP),
            lambda: _with_alpha(_decode_image(data, 0)),
            lambda: _opaque(
                tf.cond(
                    _is_jpeg(data),
                    lambda: _decode_jpeg(_ended(data)),
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


def _decode_jpeg(data, ratio: int = 1, channels: int = 3) -> tf.Tensor:
    return tf.io.decode_jpeg(data, channels, ratio, dct_method=_DCT_METHOD)


def _jpeg_decoder(channels: int, size: int | None) -> Decoder:
    """Of JPEGs, for what they will be resized to."""

    def decode(data):
        data = _ended(data)
        if size is None:
            return _decode_jpeg(data, channels=channels)
        halvings = _halvings(tf.io.extract_jpeg_shape(data)[:2], size)
        return _decode_halved(halvings, channels, data)

    return decode


def _ended(data) -> tf.Tensor:
    """A JPEG, mended if it lacks nothing but its end marker."""
    return tf.cond(endings.is_ended(data), lambda: data, lambda: _mend(data))


_mend = _apart(functools.partial(endings.mended, decode=_decode_jpeg))


def _decode_halved(halvings, channels: int, data) -> tf.Tensor:
    """A JPEG, halved as often as it is said."""
    ratios = (1, *_RATIOS)
    decode_at = [functools.partial(_decode_jpeg, data, r, channels) for r in ratios]
    return tf.switch_case(halvings, decode_at)


def _halvings(sides, size: int) -> tf.Tensor:
    """How often a JPEG is halved before it is resized, 0 to 3."""
    sides, ratios = sides[:, None], np.array(_RATIOS)
    # A half of an odd side would be rounded up, and the picture shifted.
    fits = (sides % ratios == 0) & (sides >= np.ceil(_SPARE * size * ratios))
    return tf.reduce_sum(tf.cast(tf.reduce_all(fits, axis=0), tf.int32))


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
    """Undoes an orientation in EXIF, 2 to 8; anything else changes nothing."""

    def turned():
        orientation = _orientation(data)

        def change_if(orientations, change, image):
            applies = tf.reduce_any(orientation == orientations)
            return tf.cond(applies, lambda: change(image), lambda: image)

        wide = change_if([5, 6, 7, 8], lambda x: tf.transpose(x, (1, 0, 2)), image)
        wide = change_if([2, 3, 6, 7], lambda x: tf.reverse(x, [1]), wide)
        return change_if([3, 4, 7, 8], lambda x: tf.reverse(x, [0]), wide)

    return tf.cond(_has_exif(data), turned, lambda: image)


def _find_exif(data) -> tf.Tensor:
    """The EXIF of a picture, where its format puts it; empty if there is none."""
    size = tf.strings.length(data)
    is_jpeg, is_png = _is_jpeg(data), _is_png(data)

    def at(place, length):
        part = tf.strings.substr(data, tf.minimum(place, size), length)
        raw = tf.io.decode_raw(part, tf.uint8, fixed_length=length)
        return part, tf.cast(raw, tf.int32)

    def number(digits, place_values):
        return tf.reduce_sum(digits * tf.constant(place_values))

    def segment(place):
        # FF, marker, length with its own two bytes; the pixels begin after DA.
        part, raw = at(place, 10)
        length = number(raw[2:4], (256, 1))
        is_exif = (raw[1] == 0xE1) & (tf.strings.substr(part, 4, 6) == b"Exif\0\0")
        is_last = (raw[0] != 0xFF) | (raw[1] == 0xDA)
        is_fill = raw[1] == 0xFF
        following = tf.where(is_fill, place + 1, place + 2 + tf.maximum(length, 2))
        return is_exif, is_last, following, place + 4, length - 2

    def chunk(place):
        # A PNG's: length, name, data, sum. A WebP's: name, length, data, even.
        part, raw = at(place, 8)
        png_length = number(raw[:4], (2**24, 2**16, 2**8, 1))
        webp_length = number(raw[4:], (1, 2**8, 2**16, 2**24))
        length = tf.clip_by_value(tf.where(is_png, png_length, webp_length), -1, size)
        name = tf.strings.substr(part, tf.where(is_png, 4, 0), 4)
        is_exif = name == tf.where(is_png, b"eXIf", b"EXIF")
        is_last = (name == b"IEND") | (length < 0)
        rest = tf.where(is_png, 4, length % 2)
        return is_exif, is_last, place + 8 + length + rest, place + 8, length

    def step(place, start, _):
        is_exif, is_last, following, own, length = tf.cond(
            is_jpeg, lambda: segment(place), lambda: chunk(place)
        )
        place = tf.where(is_exif | is_last, size, tf.minimum(following, size))
        start = tf.where(is_exif, own, start)
        return place, start, tf.where(is_exif, length, 0)

    first = tf.where(is_jpeg, 2, tf.where(is_png, 8, 12))
    # Bounded: a step takes as long as thousands of bytes, and may pass over one.
    _, start, length = tf.while_loop(
        lambda place, *_: place < size,
        step,
        (tf.minimum(first, size), size, 0),
        maximum_iterations=exif.MAX_CHUNKS,
    )
    length = tf.clip_by_value(length, 0, exif.MAX_BYTES)
    found = tf.strings.substr(data, tf.minimum(start, size), length)
    return tf.strings.regex_replace(found, rb"^Exif\x00\x00", b"")


@_apart
def _orientation(data) -> tf.Tensor:
    """As `exif.orientation`; 0 or another number where that is 1."""
    found = _find_exif(data)
    is_tiff = tf.strings.regex_full_match(found, _TIFF)
    tiff = tf.io.decode_raw(tf.where(is_tiff, found, b""), tf.uint8)
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
    is_orientation = number(entries[:, :2], 2) == exif.ORIENTATION_TAG
    entry = tf.boolean_mask(entries, is_orientation)[:1]
    kind = number(entry[:, 2:4], 2)
    short, long = (number(entry[:, 8 : 8 + n], n) for n in (2, 4))
    value = tf.where(kind == exif.LONG, long, tf.where(kind == exif.SHORT, short, 0))
    return tf.reduce_sum(value)
