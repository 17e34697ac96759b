"""Values of JSON <-> arrays.

What does not fit is named by its place: `x[3][0]` is the first element of the fourth
row of the input `x`.
"""

import base64
import itertools
import json
from typing import Any

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import ServingError, invalid

_LONGEST_QUOTE = 200
"""Characters of a client's value that an error repeats."""

_MOST_AXES = 32


def from_json(name: str, value: Any, dtype: int) -> np.ndarray:
    """Makes an array of nested lists; level by level, so that depth costs no stack.

    Args:
        name: What errors call the value.
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
            raise invalid(f"{name}: there must be at most {_MOST_AXES} lists in lists")
        size = next(len(item) for item in items if isinstance(item, list))
        for number, item in enumerate(items):
            if not isinstance(item, list) or len(item) != size:
                raise invalid(
                    f"{_place(name, number, shape)}: must be a list of {size}, as "
                    f"others beside it. Received: {quote(item)}"
                )
        shape.append(size)
        items = list(itertools.chain.from_iterable(items))

    def misfit(number: int) -> ServingError:
        return invalid(
            f"{_place(name, number, shape)}: must be a value of type "
            f"{tf.as_dtype(dtype).name}. Received: {quote(items[number])}"
        )

    if dtype == tf.string.as_datatype_enum:
        return _strings(items, misfit).reshape(shape)
    return _numbers(items, tf.as_dtype(dtype), name, misfit).reshape(shape)


def to_json(name: str, array: np.ndarray) -> Any:
    """Makes nested lists for `json.dumps`.

    Numbers have the fewest digits that give the same number back. Strings are text, or
    {"b64": text} if the name ends in `_bytes`.

    Raises:
        ServingError: INVALID_ARGUMENT if JSON cannot hold them.
    """
    if array.dtype.kind == "f":
        # A float64 would be written with digits that a smaller float does not have.
        digits = (float(str(number)) for number in array.flat)
        return np.fromiter(digits, float, array.size).reshape(array.shape).tolist()
    if array.dtype.kind in "iub":
        return array.tolist()
    if array.dtype != object:
        raise invalid(f"{name}: {array.dtype.name} must be asked for by gRPC")
    write = _base64 if name.endswith("_bytes") else _text
    return np.vectorize(write, otypes=[object])(array).tolist()


def quote(value: Any) -> str:
    """Writes a value as JSON, the beginning of it if it is long."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "..."
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def is_base64(value: Any) -> bool:
    """Whether a value is {"b64": text}, which stands for bytes."""
    return (
        isinstance(value, dict)
        and set(value) == {"b64"}
        and isinstance(value["b64"], str)
    )


def _strings(items, misfit) -> np.ndarray:
    array = np.empty(len(items), object)
    for number, item in enumerate(items):
        try:
            array[number] = item.encode() if isinstance(item, str) else _decoded(item)
        except ValueError:
            raise misfit(number) from None
    return array


def _decoded(item) -> bytes:
    """The bytes of {"b64": text}; white space is skipped, padding may be missing."""
    if not is_base64(item):
        raise ValueError("no string")
    text = "".join(item["b64"].split()).rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _base64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def _text(data: bytes) -> str:
    # Bytes that are no text have no place in JSON; the suffix is for them.
    return data.decode(errors="replace")


def _numbers(items, dtype, name, misfit) -> np.ndarray:
    kind = dtype.as_numpy_dtype
    if dtype in (tf.float32, tf.float64):
        kinds, fits = {int, float}, _float_check(np.finfo(kind))
    elif dtype == tf.bool:
        kinds, fits = {bool}, lambda item: True
    elif dtype.is_integer and dtype.size <= 8:
        kinds, fits = {int}, lambda item: dtype.min <= item <= dtype.max
    else:
        raise ServingError(
            "UNIMPLEMENTED", f"{name}: {dtype.name} must be sent by gRPC"
        )
    for number, item in enumerate(items):
        if type(item) not in kinds or not fits(item):
            raise misfit(number)
    return np.array(items, kind)


def _float_check(limits: np.finfo):
    """Makes the check whether a float type holds a number without loss or overflow."""
    largest = 2 ** (limits.nmant + 1) - 1

    def fits(item):
        if isinstance(item, int):
            return abs(item) <= largest
        # Infinity and NaN are numbers, what only becomes infinite is none.
        return not float(limits.max) < abs(item) < np.inf

    return fits


def _place(name, number, shape) -> str:
    """Name of the item of a number, in row-major order."""
    index = np.unravel_index(number, shape) if shape else ()
    return name + "".join(f"[{int(i)}]" for i in index)
