"""Bodies of predict requests and replies, as TF Serving's REST interface has them.

A request holds its inputs in rows, `instances`, a list with an element for each row,
or in columns, `inputs`, with all rows of an input together; the reply has the same
form. Where a signature has a single input or output, its name is left out. Binary
strings are objects {"b64": text}. NaN, Infinity and -Infinity are numbers.
"""

import collections
import json
from typing import Any, NamedTuple

import numpy as np

from maskdepth_tf.serving.failures import invalid
from maskdepth_tf.serving.saved_model import DEFAULT_SIGNATURE, SavedModel
from maskdepth_tf.serving.tensors import json_arrays
from maskdepth_tf.serving.tensors.json_arrays import quote
from maskdepth_tf.serving.tensors.protos import check_shape


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
        raise invalid(f"signature_name must be a string. Received: {quote(name)}")
    inputs = dict(model.signature(name).inputs)
    if ("instances" in document) == ("inputs" in document):
        raise invalid(
            "the body must have either instances or inputs. Received: "
            f"{quote(sorted(document))}"
        )
    is_rows = "instances" in document
    if is_rows:
        columns = _columns_of_rows(document["instances"], sorted(inputs))
    else:
        columns = _named_columns(document["inputs"], sorted(inputs))
    arrays = {}
    for key in sorted(inputs):
        arrays[key] = json_arrays.from_json(key, columns[key], inputs[key].dtype)
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
    columns = [json_arrays.to_json(name, outputs[name]) for name in names]
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
    try:
        document = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_without_duplicates
        )
    except RecursionError:
        raise invalid("the body must be JSON: nested too deeply") from None
    except ValueError as error:
        # Also an integer of thousands of digits.
        raise invalid(f"the body must be JSON: {error}") from None
    if not isinstance(document, dict):
        raise invalid(f"the body must be an object. Received: {quote(document)}")
    return document


def _without_duplicates(pairs) -> dict:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        raise ValueError(f"the key {quote(counts.most_common(1)[0][0])} is there twice")
    return members


def _columns_of_rows(rows, names) -> dict[str, list]:
    """All rows of each input."""
    if not isinstance(rows, list) or not rows:
        raise invalid(
            "instances must be a list with an element for each row. "
            f"Received: {quote(rows)}"
        )
    if len(names) == 1 and not any(map(_is_object, rows)):
        return {names[0]: rows}
    for number, row in enumerate(rows):
        _check_names(f"instances[{number}]", row, names)
    return {name: [row[name] for row in rows] for name in names}


def _named_columns(columns, names) -> dict:
    if len(names) == 1 and not _is_object(columns):
        return {names[0]: columns}
    _check_names("inputs", columns, names)
    return columns


def _check_names(place, value, names) -> None:
    if not _is_object(value) or sorted(value) != names:
        raise invalid(
            f"{place}: must be an object of {', '.join(names)}. "
            f"Received: {quote(value)}"
        )


def _is_object(value) -> bool:
    """Whether a value names inputs; {"b64": text} is a string."""
    return isinstance(value, dict) and not json_arrays.is_base64(value)
