"""Arrays written as JSON, digit for digit as TF Serving writes them."""

import base64
import json
from collections.abc import Sequence

import numpy as np

from maskdepth_tf.serving.failures import ServingError

_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def texts(name: str, array: np.ndarray) -> list[str]:
    """JSON of each element, in row-major order.

    Numbers have the fewest of 6 and 9 digits (17 for double) that give the same
    number back. Strings are text, or {"b64": text} if the name ends in `_bytes`.

    Raises:
        ServingError: INVALID_ARGUMENT if JSON cannot hold them.
    """
    flat = array.reshape(-1)
    if array.dtype.kind == "f":
        return _decimals(flat)
    if array.dtype.kind in "iub":
        return json.dumps(flat.tolist())[1:-1].split(", ") if flat.size else []
    if array.dtype != object:
        raise ServingError(
            "INVALID_ARGUMENT",
            f"Failed to write JSON value for tensor type: {array.dtype.name}",
        )
    if name.endswith("_bytes"):
        return [f'{{"b64": "{base64.b64encode(s).decode()}"}}' for s in flat]
    # Bytes that are no text have no place in JSON; the suffix is for them.
    return [json.dumps(s.decode(errors="replace"), ensure_ascii=False) for s in flat]


def elements(values: Sequence[str], shape: Sequence[int]) -> list[str]:
    """Groups row-major values by the first axis, each a JSON value."""
    if 0 in shape:
        return [json.dumps(row) for row in np.empty(shape).tolist()]
    for size in reversed(shape[1:]):
        starts = range(0, len(values), size)
        values = ["[" + ", ".join(values[i : i + size]) + "]" for i in starts]
    return list(values)


def nested(values: Sequence[str], shape: Sequence[int]) -> str:
    """All row-major values as one JSON value."""
    return elements(values, (1, *shape))[0]


def _decimals(values) -> list[str]:
    if not values.size:
        return []
    numbers = values.astype(np.float64).tolist()
    short = ("%g " * len(numbers) % tuple(numbers)).split()
    digits = 17 if values.dtype == np.float64 else 9
    same = (np.array(short, values.dtype) == values) | np.isnan(values)
    written = [
        text if is_same else f"{number:.{digits}g}"
        for text, is_same, number in zip(short, same.tolist(), numbers, strict=True)
    ]
    # A whole number would look like an integer.
    return [
        text if "." in text or "e" in text else _SPECIAL.get(text, text + ".0")
        for text in written
    ]
