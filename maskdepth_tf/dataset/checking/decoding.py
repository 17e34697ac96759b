"""Pictures of a labelled set as pixels, by the column that names them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from maskdepth_tf import errors
from maskdepth_tf.images import headers, stores

COLUMNS = ("bg", "fg_bg", "mask", "depth")
"""Columns of the labels file whose pictures make an example."""


def decode(source: stores.Pictures, column: str, name: str) -> np.ndarray:
    """Reads and decodes one picture of full size; imports TensorFlow.

    Args:
        source: Where it is.
        column: One of `COLUMNS`.
        name: The picture.

    Returns:
        uint8 [H, W, 3]; of a mask uint8 [H, W, 1]; of depth float32 [H, W, 1] in
        [0, 1] or, in holes, -1 less that.

    Raises:
        DataError: If it is missing, damaged or too much work, see `headers`.
    """
    from maskdepth_tf.images import preprocessing

    decoders = {"depth": preprocessing.decode_depth, "mask": preprocessing.decode_mask}
    return read(source, name, decoders.get(column, preprocessing.decode_rgb))[2]


def read(
    source: stores.Pictures, name: str, decode_bytes: Callable
) -> tuple[bytes, headers.Header, Any]:
    """Reads a picture: its bytes, its header, and NumPy arrays of what is decoded.

    Raises:
        DataError: If it is missing, damaged or too much work, see `headers`.
    """
    import tensorflow as tf

    data, where = source.read(name), source.place(name)
    header = headers.check_bytes(data, where)
    try:
        decoded = decode_bytes(tf.constant(data))
    except tf.errors.OpError:
        raise errors.DataError(f"{where}: cannot be decoded, is damaged") from None
    return data, header, tf.nest.map_structure(lambda x: x.numpy(), decoded)
