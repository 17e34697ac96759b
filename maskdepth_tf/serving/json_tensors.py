"""Bodies of predict requests and replies, as TF Serving's REST interface has them.

A request holds its inputs in rows, `instances`, a list with an element for each row,
or in columns, `inputs`, with all rows of an input together; the reply has the same
form. Where a signature has a single input or output, its name is left out. Binary
strings are objects {"b64": text}. NaN, Infinity and -Infinity are numbers.
"""

import json
from typing import NamedTuple

import numpy as np

from maskdepth_tf.serving import json_numbers
from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.json_arrays import from_json, invalid, quote
from maskdepth_tf.serving.proto_tensors import check_shape
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
        raise invalid(
            f"JSON Value: {quote(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    name = name or DEFAULT_SIGNATURE
    try:
        signature = model.signature(name)
    except ServingError:
        raise invalid(
            f'Serving signature name: "{name}" not found in signature def'
        ) from None
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {quote(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        arrays = _from_rows(document, dict(signature.inputs))
    elif "inputs" in document:
        arrays = _from_columns(document["inputs"], dict(signature.inputs))
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
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
        raise invalid("the outputs have no rows in common; ask with 'inputs'")
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
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as error:
        reason = _PARSE_ERRORS.get(error.msg, error.msg)
        raise invalid(f"JSON Parse error: {reason} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from None
    except RecursionError:
        raise invalid("JSON Parse error: nested too deeply") from None
    except ValueError:
        # An integer of thousands of digits.
        raise invalid(
            "JSON Parse error: Number too big to be stored in double."
        ) from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {quote(document)} Is not object")
    return document


def _without_duplicates(pairs) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise invalid(f"JSON Parse error: the key {quote(twice)} is there twice")
    return found


def _from_rows(document, infos) -> dict[str, np.ndarray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(
            f"JSON Value: {quote(document)} Excepting 'instances' to be an list/array"
        )
    if not rows:
        raise invalid(f"JSON Value: {quote(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if _is_object(rows[0]):
        columns = _columns_of_objects(rows, infos)
    else:
        for number, row in enumerate(rows):
            if _is_object(row):
                raise invalid(
                    f"Expecting value/list but got object at item {number} of input "
                    "list"
                )
        columns = {next(iter(infos)): rows}
    return {name: _column(name, columns, infos) for name in sorted(columns)}


def _columns_of_objects(rows, infos) -> dict[str, list]:
    for number, row in enumerate(rows):
        if not _is_object(row):
            raise invalid(
                f"Expecting object but got list at item {number} of input list"
            )
        unknown = sorted(set(row) - set(infos))
        if unknown:
            raise invalid(
                f"Failed to process element: {number} key: {unknown[0]} of 'instances' "
                "list. Error: INVALID_ARGUMENT: JSON object: does not have named "
                f"input: {unknown[0]}"
            )
        if set(row) != set(infos):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {quote(row)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
    return {name: [row[name] for row in rows] for name in infos}


def _column(name, columns, infos) -> np.ndarray:
    """All rows of an input; an error names the row that is at fault."""
    dtype, rows = infos[name].dtype, columns[name]
    try:
        return from_json(rows, dtype)
    except ServingError as error:
        if error.code == "UNIMPLEMENTED":
            raise
    key = f" key: {name}" if len(infos) > 1 else ""
    first = None
    for number, row in enumerate(rows):
        place = f"Failed to process element: {number}{key} of 'instances' list. Error: "
        try:
            shape = from_json(row, dtype).shape
        except ServingError as error:
            raise invalid(f"{place}{error.code}: {error.message}") from None
        first = shape if first is None else first
        if shape != first:
            raise invalid(f"{place}INVALID_ARGUMENT: {_mismatch(first, shape)}")
    raise invalid(f"Failed to process 'instances' list of input {name}")


def _mismatch(expected, received) -> str:
    sizes = [int(np.prod(shape)) for shape in (expected, received)]
    if sizes[0] != sizes[1]:
        return f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}"
    texts = ["[" + ",".join(map(str, shape)) + "]" for shape in (expected, received)]
    return f"Expecting shape {texts[0]} but got: {texts[1]}"


def _from_columns(value, infos) -> dict[str, np.ndarray]:
    if not _is_object(value):
        if len(infos) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        ((name, info),) = infos.items()
        return {name: from_json(value, info.dtype)}
    for name in sorted(infos):
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    unknown = sorted(set(value) - set(infos))
    if unknown:
        raise invalid(f"JSON object: does not have named input: {unknown[0]}")
    return {name: from_json(value[name], infos[name].dtype) for name in sorted(infos)}


def _is_object(value) -> bool:
    """Whether it names inputs; {"b64": text} is a string."""
    is_bytes = isinstance(value, dict) and set(value) == {"b64"}
    return isinstance(value, dict) and not (is_bytes and isinstance(value["b64"], str))
