"""JPEGs that lack their end marker, FF D9, and nothing else: browsers show them.

Cameras and downloads that stop a moment too soon leave such files. TensorFlow refuses
them; with the marker put back it takes any JPEG that was cut off, too. So it is put
back only where all pixels are there:

- The scans that are there hold all coefficients of all components to the last bit; a
  progressive picture could lack a scan.
- What follows the data does not matter. A decoder that misses bits takes zeros at a
  marker, and ones at the bytes of `_ONES`.
"""

from collections.abc import Callable

import tensorflow as tf

_END = b"\xff\xd9"
_SCAN = b"\xff\xda"
# Ones and zeros, more than a unit of pixels takes: one that a marker ends is left out.
# Then the same behind each of the restart markers, one of which may be waited for.
_RUN = b"\xaa" * 4096
_ONES = _RUN + b"".join(bytes([0xFF, 0xD0 + n]) + _RUN for n in range(8))
_HEAD = 14  # bytes, of four components
_COEFFICIENTS = 64
# Files have a few; bytes that a client makes up could have millions, each a string.
_MOST_ENDS, _MOST_SCANS = 16, 1000


def lacks_end(data: bytes) -> bool:
    """Whether a JPEG has pixels, and no end marker behind them."""
    # What is embedded, as a preview, stands before the scans and ends with a marker.
    last_part = data[data.rfind(_END) + 1 :]
    return data.startswith(b"\xff\xd8\xff") and _SCAN in last_part


def is_ended(data: tf.Tensor) -> tf.Tensor:
    """Whether the last two bytes of strings of any shape are an end marker."""
    place = tf.maximum(tf.strings.length(data) - 2, 0)
    return tf.strings.substr(data, place, tf.fill(tf.shape(place), 2)) == _END


def mended(data: tf.Tensor, decode: Callable) -> tf.Tensor:
    """The same JPEG, with an end marker where nothing else lacks.

    Args:
        data: Scalar string that begins as a JPEG.
        decode: From such a string to its pixels.
    """
    parts = tf.strings.split([data], _END, _MOST_ENDS).values
    scans = tf.strings.split(parts[-1:], _SCAN, _MOST_SCANS).values[1:]
    # Half a marker, or half of what stands for 255 in the data.
    is_half = tf.strings.substr(data, -1, 1) == b"\xff"
    length = tf.strings.length(data) - tf.cast(is_half, tf.int32)
    rest = tf.strings.substr(data, 0, length)

    def is_whole():
        ended = decode(tf.strings.join([rest, _END]))
        followed = decode(tf.strings.join([rest, _ONES, _END]))
        return tf.reduce_all(ended == followed)

    lacks_nothing = tf.cond(
        _hold_all(scans, tf.io.extract_jpeg_shape(data)[2]),
        is_whole,
        lambda: tf.constant(False),
    )
    return tf.where(lacks_nothing, tf.strings.join([rest, _END]), data)


def _hold_all(scans: tf.Tensor, num_components: tf.Tensor) -> tf.Tensor:
    """Whether scans, strings [N] behind their markers, hold all coefficients."""
    heads = tf.io.decode_raw(
        tf.strings.substr(scans, 0, _HEAD), tf.uint8, fixed_length=_HEAD
    )
    heads = tf.cast(heads, tf.int32)
    # Length, number of components, two bytes each, first, last, and two bit numbers.
    counts = tf.minimum(heads[:, 2], 4)
    places = 3 + 2 * counts[:, tf.newaxis] + tf.range(3)
    first, last, bits = tf.unstack(tf.gather(heads, places, batch_dims=1), axis=1)
    is_to_the_last_bit = bits % 16 == 0
    held = tf.where(is_to_the_last_bit, counts * (last - first + 1), 0)
    return tf.reduce_sum(held) == _COEFFICIENTS * num_components
