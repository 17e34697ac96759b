"""Bodies of predict requests and replies, as TF Serving's REST interface has them.

A request holds its inputs in rows, `instances`, a list with an element for each row,
or in columns, `inputs`, with all rows of an input together; the reply has the same
form. Where a signature has a single input or output, its name is left out. Binary
strings are objects {"b64": text}. NaN, Infinity and -Infinity are numbers.
"""

import base64
import binascii
import itertools
import json
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving import json_numbers
from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.proto_tensors import check_shape, dtype_name
from maskdepth_tf.serving.saved_model import DEFAULT_SIGNATURE, SavedModel

# What RapidJSON says where Python's parser says this.
_PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting ',' delimiter": "Missing a comma or ] after an array element.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting property name enclosed in double quotes": (
        "Missing a name for object member."
    ),
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
}

_LONGEST_QUOTE = 200
"""Characters of a client's value that an error repeats."""

_KINDS = {
    type(None): "Null",
    bool: "Bool",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


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
            UNIMPLEMENTED if JSON has no values of an input's type.
    """
    document = _parse(body)
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise _invalid(
            f"JSON Value: {_quote(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    name = name or DEFAULT_SIGNATURE
    try:
        signature = model.signature(name)
    except ServingError:
        raise _invalid(
            f'Serving signature name: "{name}" not found in signature def'
        ) from None
    if "instances" in document and "inputs" in document:
        raise _invalid(
            f"JSON Value: {_quote(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        arrays = _from_rows(document, dict(signature.inputs))
    elif "inputs" in document:
        arrays = _from_columns(document["inputs"], dict(signature.inputs))
    else:
        raise _invalid("Missing 'inputs' or 'instances' key")
    for key, array in arrays.items():
        check_shape(key, array.shape, signature.inputs[key])
    return Request(name, arrays, "instances" in document)


def encode(outputs: dict[str, np.ndarray], is_rows: bool) -> bytes:
    """Writes a reply in the form of its request; outputs in order of their names."""
    names, shapes = sorted(outputs), {k: v.shape for k, v in outputs.items()}
    texts = {name: json_numbers.texts(name, outputs[name]) for name in names}
    if not is_rows:
        columns = {k: json_numbers.nested(texts[k], shapes[k]) for k in names}
        return f'{{"outputs": {_named(columns)}}}'.encode()
    if len({shape[:1] for shape in shapes.values()}) > 1 or () in shapes.values():
        raise _invalid("the outputs have no rows in common; ask with 'inputs'")
    elements = [json_numbers.elements(texts[k], shapes[k]) for k in names]
    rows = [
        _named(dict(zip(names, row, strict=True)))
        for row in zip(*elements, strict=True)
    ]
    return f'{{"predictions": [{", ".join(rows)}]}}'.encode()


def _named(values) -> str:
    """A JSON object of values that are JSON; a single one goes without its name."""
    if len(values) == 1:
        return next(iter(values.values()))
    members = [f"{json.dumps(name)}: {value}" for name, value in values.items()]
    return "{" + ", ".join(members) + "}"


def _parse(body) -> dict:
    if not body:
        raise _invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as error:
        reason = _PARSE_ERRORS.get(error.msg, error.msg)
        raise _invalid(f"JSON Parse error: {reason} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        raise _invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from None
    except RecursionError:
        raise _invalid("JSON Parse error: nested too deeply") from None
    except ValueError:
        # An integer of thousands of digits.
        raise _invalid(
            "JSON Parse error: Number too big to be stored in double."
        ) from None
    if not isinstance(document, dict):
        raise _invalid(f"JSON Value: {_quote(document)} Is not object")
    return document


def _without_duplicates(pairs) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _invalid(f"JSON Parse error: the key {_quote(twice)} is there twice")
    return found


def _from_rows(document, infos) -> dict[str, np.ndarray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise _invalid(
            f"JSON Value: {_quote(document)} Excepting 'instances' to be an list/array"
        )
    if not rows:
        raise _invalid(f"JSON Value: {_quote(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if _is_object(rows[0]):
        columns = _columns_of_objects(rows, infos)
    else:
        for number, row in enumerate(rows):
            if _is_object(row):
                raise _invalid(
                    f"Expecting value/list but got object at item {number} of input "
                    "list"
                )
        columns = {next(iter(infos)): rows}
    return {name: _column(name, columns, infos) for name in sorted(columns)}


def _columns_of_objects(rows, infos) -> dict[str, list]:
    for number, row in enumerate(rows):
        if not _is_object(row):
            raise _invalid(
                f"Expecting object but got list at item {number} of input list"
            )
        unknown = sorted(set(row) - set(infos))
        if unknown:
            raise _invalid(
                f"Failed to process element: {number} key: {unknown[0]} of 'instances' "
                "list. Error: INVALID_ARGUMENT: JSON object: does not have named "
                f"input: {unknown[0]}"
            )
        if set(row) != set(infos):
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {_quote(row)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
    return {name: [row[name] for row in rows] for name in infos}


def _column(name, columns, infos) -> np.ndarray:
    """All rows of an input; an error names the row that is at fault."""
    dtype, rows = infos[name].dtype, columns[name]
    try:
        return _array(rows, dtype)
    except ServingError as error:
        if error.code == "UNIMPLEMENTED":
            raise
    key = f" key: {name}" if len(infos) > 1 else ""
    first = None
    for number, row in enumerate(rows):
        place = f"Failed to process element: {number}{key} of 'instances' list. Error: "
        try:
            shape = _array(row, dtype).shape
        except ServingError as error:
            raise _invalid(f"{place}{error.code}: {error.message}") from None
        first = shape if first is None else first
        if shape != first:
            raise _invalid(f"{place}INVALID_ARGUMENT: {_mismatch(first, shape)}")
    raise _invalid(f"Failed to process 'instances' list of input {name}")


def _mismatch(expected, received) -> str:
    sizes = [int(np.prod(shape)) for shape in (expected, received)]
    if sizes[0] != sizes[1]:
        return f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}"
    texts = ["[" + ",".join(map(str, shape)) + "]" for shape in (expected, received)]
    return f"Expecting shape {texts[0]} but got: {texts[1]}"


def _from_columns(value, infos) -> dict[str, np.ndarray]:
    if not _is_object(value):
        if len(infos) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        ((name, info),) = infos.items()
        return {name: _array(value, info.dtype)}
    for name in sorted(infos):
        if name not in value:
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
    unknown = sorted(set(value) - set(infos))
    if unknown:
        raise _invalid(f"JSON object: does not have named input: {unknown[0]}")
    return {name: _array(value[name], infos[name].dtype) for name in sorted(infos)}


def _array(value: Any, dtype: int) -> np.ndarray:
    """Nested lists -> array of a DataType; level by level, without recursion."""
    items: list = [value]
    shape: list[int] = []
    while items and any(isinstance(item, list) for item in items):
        _check_level(items, len(shape))
        shape.append(len(items[0]))
        items = list(itertools.chain.from_iterable(items))
    return _leaves(items, tf.as_dtype(dtype), dtype).reshape(shape)


def _check_level(items, level) -> None:
    """All of a level are lists of one size."""
    for item in items:
        if not isinstance(item, list) and isinstance(items[0], list):
            raise _invalid(
                f"JSON Value: {_quote(item)} found at incorrect level: {level + 1} in "
                f"the JSON DOM. Expected at level: {level + _depth(items[0])}"
            )
        if not isinstance(items[0], list) and isinstance(item, list):
            raise _invalid(
                f"Encountered list at unexpected level: {level} expected < {level}"
            )
        if len(item) != len(items[0]):
            raise _invalid(
                f"Encountered list at unexpected size: {len(item)} at level: {level} "
                f"expected size: {len(items[0])}"
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
        f"Conversion of JSON Value: {_quote(items[0] if items else [])} to type: "
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
            raise _invalid(
                f"Cannot convert JSON value: {_quote(item)} to "
                f"{dtype_name(number)} without loss of precision."
            )
    return np.array(items, dtype.as_numpy_dtype)


def _bytes(item, number) -> bytes:
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError:
            raise _invalid(
                "JSON Parse error: The surrogate pair in string is invalid."
            ) from None
    if not isinstance(item, dict):
        raise _type_error(item, number)
    text = item.get("b64")
    if len(item) != 1 or not isinstance(text, str):
        raise _invalid(
            f"JSON Value: {_quote(item)} not formatted correctly for base64 data"
        )
    # As TF Serving's decoder: white space is skipped, and padding may be missing.
    text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("Unable to base64 decode") from None


def _check_kinds(items, kinds, number) -> None:
    if not set(map(type, items)) <= kinds:
        item = next(item for item in items if type(item) not in kinds)
        raise _type_error(item, number)


def _type_error(item, number) -> ServingError:
    kind = str(item) if isinstance(item, bool) else _KINDS[type(item)]
    return _invalid(
        f"JSON Value: {_quote(item)} Type: {kind} is not of expected type: "
        f"{dtype_name(number)}"
    )


def _is_object(value) -> bool:
    """Whether it names inputs; {"b64": text} is a string."""
    is_bytes = isinstance(value, dict) and set(value) == {"b64"}
    return isinstance(value, dict) and not (is_bytes and isinstance(value["b64"], str))


def _quote(value) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "..."
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def _invalid(message) -> ServingError:
    return ServingError("INVALID_ARGUMENT", message)
