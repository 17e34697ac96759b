"""Bodies of predict requests and replies, as TF Serving's REST interface has them.

A request holds its inputs in rows, `instances`, a list with an element for each row,
or in columns, `inputs`, with all rows of an input together; the reply has the same
form. Where a signature has a single input or output, its name is left out. Binary
strings are objects {"b64": text}. NaN, Infinity and -Infinity are numbers.
"""

import base64
import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import ServingError, invalid
from maskdepth_tf.serving.saved_model import DEFAULT_SIGNATURE, SavedModel
from maskdepth_tf.serving.tensors.protos import check_shape

_LONGEST_QUOTE = 200
"""Characters of a client's value that an error repeats."""

_MOST_AXES = 32

_WHITE_SPACE = " \t\n\r"


class _Named(float):
    """NaN, Infinity or -Infinity; a plain float is infinite if it is too large."""


_DECODER = json.JSONDecoder(
    # Of a key that is there twice the first counts.
    object_pairs_hook=lambda pairs: dict(reversed(pairs)),
    parse_constant=_Named,
)
# A string, which stays, or a spelling that Python does not know.
_SPELLING = re.compile(r'("(?:[^"\\]|\\.)*+")|\bInf\b|-(?=NaN\b)', re.DOTALL)


class Request(NamedTuple):
    """A predict request.

    Attributes:
        signature_name: Of the signature.
        arrays: Its inputs by name.
        is_rows: Whether it came in rows.
    """

    signature_name: str
    arrays: dict[str, np.ndarray]
    is_rows: bool


def decode(body: bytes, model: SavedModel) -> Request:
    """Reads a predict request.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no request for this model;
            FAILED_PRECONDITION if the model has no such signature; UNIMPLEMENTED if
            JSON has no values of an input's type.
    """
    document = _parse(body)
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid(f"signature_name must be a string. Received: {_quote(name)}")
    inputs = dict(model.signature(name).inputs)
    if not inputs:
        raise invalid(f"{name}: a signature without inputs must be asked by gRPC")
    names = sorted(inputs)
    if ("instances" in document) == ("inputs" in document):
        raise invalid(
            "the body must have either instances or inputs. Received: "
            f"{_quote(sorted(document))}"
        )
    is_rows = "instances" in document
    if is_rows:
        columns = _columns_of_rows(document["instances"], names)
    elif len(names) == 1 and not _is_object(document["inputs"]):
        columns = {names[0]: document["inputs"]}
    else:
        columns = document["inputs"]
        if not _is_object(columns) or not set(names) <= set(columns):
            raise invalid(
                f"inputs: must be an object of {', '.join(names)}. "
                f"Received: {_quote(columns)}"
            )
    arrays = {}
    for key in names:
        arrays[key] = _from_json(key, columns[key], inputs[key].dtype)
        if model.has_independent_rows:
            check_shape(key, arrays[key].shape, inputs[key])
    return Request(name or DEFAULT_SIGNATURE, arrays, is_rows)


def encode(outputs: dict[str, np.ndarray], is_rows: bool) -> bytes:
    """Writes a reply in the form of its request; outputs in order of their names."""
    names = sorted(outputs)
    if is_rows and (
        len({outputs[name].shape[:1] for name in names}) > 1
        or any(outputs[name].ndim == 0 for name in names)
    ):
        raise invalid("the outputs have no rows in common; ask with 'inputs'")
    columns = [_to_json(name, outputs[name]) for name in names]
    document: dict[str, Any]
    if len(names) == 1:
        document = {"predictions" if is_rows else "outputs": columns[0]}
    elif is_rows:
        rows = zip(*columns, strict=True)
        document = {"predictions": [dict(zip(names, row, strict=True)) for row in rows]}
    else:
        document = {"outputs": dict(zip(names, columns, strict=True))}
    return json.dumps(document, ensure_ascii=False).encode()


def _parse(body) -> dict:
    # What is no UTF-8 comes through as it is, as in TF Serving.
    text = body.decode("utf-8-sig", "surrogateescape").lstrip(_WHITE_SPACE)
    if "Inf" in text or "-NaN" in text:
        text = _SPELLING.sub(
            lambda match: match[1] or ("Infinity" if match[0] == "Inf" else ""), text
        )
    try:
        document, end = _DECODER.raw_decode(text)
        # A NUL ends the text for TF Serving, whatever follows it.
        if text[end:].partition("\0")[0].strip(_WHITE_SPACE):
            raise ValueError(f"more text follows the document, at character {end}")
    except RecursionError:
        raise invalid("the body must be JSON: nested too deeply") from None
    except ValueError as error:
        # Also an integer of thousands of digits.
        raise invalid(f"the body must be JSON: {error}") from None
    if not isinstance(document, dict):
        raise invalid(f"the body must be an object. Received: {_quote(document)}")
    return document


def _columns_of_rows(rows, names) -> dict[str, list]:
    """All rows of each input."""
    if not isinstance(rows, list) or not rows:
        raise invalid(
            "instances must be a list with an element for each row. "
            f"Received: {_quote(rows)}"
        )
    if len(names) == 1 and not any(map(_is_object, rows)):
        return {names[0]: rows}
    for number, row in enumerate(rows):
        _check_names(f"instances[{number}]", row, names)
    return {name: [row[name] for row in rows] for name in names}


def _check_names(place, value, names) -> None:
    if not _is_object(value) or sorted(value) != names:
        raise invalid(
            f"{place}: must be an object of {', '.join(names)}. "
            f"Received: {_quote(value)}"
        )


def _is_object(value) -> bool:
    """Whether a value names inputs; {"b64": text} is a string."""
    return isinstance(value, dict) and not _is_base64(value)


def _from_json(name, value, dtype) -> np.ndarray:
    """Makes an array of nested lists; level by level, so that depth costs no stack.

    What does not fit is named by its place: `x[3][0]` is the first element of the
    fourth row of the input `x`.
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
                    f"others beside it. Received: {_quote(item)}"
                )
        shape.append(size)
        items = list(itertools.chain.from_iterable(items))
    kind = tf.as_dtype(dtype)
    element = _reader(name, kind)
    array = np.empty(len(items), kind.as_numpy_dtype)
    for number, item in enumerate(items):
        try:
            array[number] = element(item)
        except (KeyError, OverflowError, ValueError):
            raise invalid(
                f"{_place(name, number, shape)}: must be a value of type {kind.name}. "
                f"Received: {_quote(item)}"
            ) from None
    return array.reshape(shape)


def _reader(name, dtype) -> Callable[[Any], object]:
    """Makes the function that reads an element.

    It raises a KeyError for other types, a ValueError or OverflowError for others.
    """
    if dtype == tf.string:
        return _bytes
    if dtype in (tf.float32, tf.float64):
        largest = float(np.finfo(dtype.as_numpy_dtype).max)
        ranges: dict = dict.fromkeys((float, int), (-largest, largest))
        ranges[_Named] = (-math.inf, math.inf)
    elif dtype == tf.bool:
        ranges = {bool: (False, True)}
    elif dtype.is_integer and dtype.size <= 8:
        ranges = {int: (dtype.min, dtype.max)}
    else:
        raise ServingError(
            "UNIMPLEMENTED", f"{name}: {dtype.name} must be sent by gRPC"
        )

    def read(item):
        least, most = ranges[type(item)]
        # NaN compares as nothing does.
        if least <= item <= most or item != item:
            return item
        raise ValueError

    return read


def _to_json(name, array) -> Any:
    """Makes nested lists; strings are text if the name does not end in `_bytes`."""
    if array.dtype.kind == "f":
        # The fewest digits that give the number back; as float64 it would have more.
        digits = map(float, map(str, array.flat))
        return np.fromiter(digits, float, array.size).reshape(array.shape).tolist()
    if array.dtype.kind in "iub":
        return array.tolist()
    if array.dtype != object:
        raise invalid(f"{name}: {array.dtype.name} must be asked for by gRPC")

    def write(data):
        if name.endswith("_bytes"):
            return {"b64": base64.b64encode(data).decode()}
        # Bytes that are no text have no place in JSON; the suffix is for them.
        return data.decode(errors="replace")

    return np.vectorize(write, otypes=[object])(array).tolist()


def _quote(value) -> str:
    """Writes a value as JSON, the beginning of it if it is long."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "..."
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def _is_base64(value) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"b64"}
        and isinstance(value["b64"], str)
    )


def _bytes(item) -> bytes:
    """Reads a text or {"b64": text}; white space is skipped, padding may be missing."""
    if isinstance(item, str):
        return item.encode(errors="surrogateescape")
    if not _is_base64(item):
        raise ValueError
    text = "".join(item["b64"].split()).rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _place(name, number, shape) -> str:
    """Name of the item of a number, in row-major order."""
    index = np.unravel_index(number, shape) if shape else ()
    return name + "".join(f"[{int(i)}]" for i in index)
