"""Values of JSON -> arrays, with TF Serving's words for what does not fit."""

import base64
import binascii
import itertools
import json
from typing import Any

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.proto_tensors import dtype_name

_LONGEST_QUOTE = 200
"""Characters of a client's value that an error repeats."""

_MOST_AXES = 32

_KINDS = {
    type(None): "Null",
    bool: "Bool",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


def from_json(value: Any, dtype: int) -> np.ndarray:
    """Nested lists -> array; level by level, so that depth costs no stack.

    Args:
        value: As `json.loads` makes it.
        dtype: DataType of the array.

    Raises:
        ServingError: INVALID_ARGUMENT if the lists are uneven or hold something else;
            UNIMPLEMENTED if JSON has no such values.
    """
    items: list = [value]
    shape: list[int] = []
    while items and any(isinstance(item, list) for item in items):
        if len(shape) == _MOST_AXES:
            raise invalid(f"there must be at most {_MOST_AXES} lists in lists")
        _check_level(items, len(shape))
        shape.append(len(items[0]))
        items = list(itertools.chain.from_iterable(items))
    return _leaves(items, tf.as_dtype(dtype), dtype).reshape(shape)


def _check_level(items, level) -> None:
    """All of a level are lists of one size."""
    first = items[0]
    for item in items:
        if isinstance(item, list) and not isinstance(first, list):
            raise invalid(
                f"Encountered list at unexpected level: {level} expected < {level}"
            )
        if isinstance(first, list) and not isinstance(item, list):
            raise invalid(
                f"JSON Value: {quote(item)} found at incorrect level: {level + 1} in "
                f"the JSON DOM. Expected at level: {level + _depth(first)}"
            )
        if isinstance(item, list) and len(item) != len(first):
            raise invalid(
                f"Encountered list at unexpected size: {len(item)} at level: {level} "
                f"expected size: {len(first)}"
            )


def _depth(value) -> int:
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, value[0] if value else None
    return depth


def _leaves(items, dtype, number) -> np.ndarray:
    if dtype == tf.string:
        found = np.empty(len(items), object)
        found[:] = [_bytes(item, number) for item in items]
        return found
    if dtype in (tf.float32, tf.float64):
        return _floats(items, dtype, number)
    if dtype == tf.bool:
        _check_kinds(items, {bool}, number)
        return np.array(items, bool)
    if dtype.is_integer and dtype.size <= 8:
        _check_kinds(items, {int}, number)
        for item in items:
            if not int(dtype.min) <= item <= int(dtype.max):
                raise _type_error(item, number)
        return np.array(items, dtype.as_numpy_dtype)
    raise ServingError(
        "UNIMPLEMENTED",
        f"Conversion of JSON Value: {quote(items[0] if items else [])} to type: "
        f"{dtype_name(number)}",
    )


def _floats(items, dtype, number) -> np.ndarray:
    _check_kinds(items, {int, float}, number)
    limits = np.finfo(dtype.as_numpy_dtype)
    largest = 2 ** (limits.nmant + 1) - 1
    try:
        doubles = np.array(items, np.float64)
        if (np.abs(doubles) <= largest).all():
            return doubles.astype(dtype.as_numpy_dtype)
    except OverflowError:
        pass
    for item in items:
        # Infinity itself is a number, what only becomes it is none.
        if abs(item) != np.inf and abs(item) > (
            largest if isinstance(item, int) else float(limits.max)
        ):
            raise invalid(
                f"Cannot convert JSON value: {quote(item)} to "
                f"{dtype_name(number)} without loss of precision."
            )
    return np.array(items, dtype.as_numpy_dtype)


def _bytes(item, number) -> bytes:
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError:
            raise invalid(
                "JSON Parse error: The surrogate pair in string is invalid."
            ) from None
    if not isinstance(item, dict):
        raise _type_error(item, number)
    text = item.get("b64")
    if len(item) != 1 or not isinstance(text, str):
        raise invalid(
            f"JSON Value: {quote(item)} not formatted correctly for base64 data"
        )
    # As TF Serving's decoder: white space is skipped, and padding may be missing.
    text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _check_kinds(items, kinds, number) -> None:
    if not set(map(type, items)) <= kinds:
        item = next(item for item in items if type(item) not in kinds)
        raise _type_error(item, number)


def _type_error(item, number) -> ServingError:
    kind = str(item) if isinstance(item, bool) else _KINDS[type(item)]
    return invalid(
        f"JSON Value: {quote(item)} Type: {kind} is not of expected type: "
        f"{dtype_name(number)}"
    )


def quote(value: Any) -> str:
    """A value as JSON, the beginning of it if it is long."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "..."
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def invalid(message: str) -> ServingError:
    """For a request that does not fit."""
    return ServingError("INVALID_ARGUMENT", message)
