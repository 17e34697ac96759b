"""TensorProto <-> NumPy, with the checks that a message from outside needs."""

import math

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import ServingError

# A message can state one value and a shape that repeats it without end.
_MOST_BYTES = 2**28

_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def dtype_name(dtype: int) -> str:
    """TF Serving's name of a DataType."""
    name = tf.as_dtype(dtype).name
    return _NAMES.get(name, name)


def arrays(inputs, signature) -> dict[str, np.ndarray]:
    """Inputs of a request as arrays that fit a signature.

    Args:
        inputs: Name -> TensorProto.
        signature: SignatureDef.

    Raises:
        ServingError: INVALID_ARGUMENT if they do not fit.
    """
    sent, known = set(inputs), set(signature.inputs)
    if sent != known:
        raise ServingError(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(sent)}!={len(known)} "
            f"len({_braced(sent)}) != len({_braced(known)}). "
            f"Sent extra: {_braced(sent - known)}. "
            f"Missing but required: {_braced(known - sent)}.",
        )
    found = {}
    for number, name in enumerate(sorted(known)):
        expected, received = signature.inputs[name].dtype, inputs[name].dtype
        if received != expected:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"Expects arg[{number}] to be {dtype_name(expected)} but "
                f"{_sent_name(received)} is provided",
            )
        found[name] = _array(name, inputs[name])
        check_shape(name, found[name].shape, signature.inputs[name])
    return found


def check_shape(name: str, shape: tuple[int, ...], info) -> None:
    """Refuses a shape that the signature's TensorInfo does not allow.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if info.tensor_shape.unknown_rank:
        return
    expected = [dim.size for dim in info.tensor_shape.dim]
    if len(shape) != len(expected) or any(
        b not in (-1, a) for a, b in zip(shape, expected, strict=True)
    ):
        raise ServingError(
            "INVALID_ARGUMENT",
            f"{name}: the shape must be {_shape(expected)}. Received: {_shape(shape)}",
        )


def fill(outputs: dict[str, np.ndarray], target) -> None:
    """Writes arrays into a message's map of TensorProto."""
    for name, value in outputs.items():
        target[name].CopyFrom(tf.make_tensor_proto(value))


def _array(name, proto) -> np.ndarray:
    dims = [dim.size for dim in proto.tensor_shape.dim]
    dtype = tf.as_dtype(proto.dtype)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in dims):
        raise ServingError("INVALID_ARGUMENT", f"{name}: the shape must be known")
    if math.prod(dims) * max(dtype.size or 0, 8) > _MOST_BYTES:
        raise ServingError("INVALID_ARGUMENT", f"{name}: the tensor is too large")
    try:
        array = tf.make_ndarray(proto)
    except (ValueError, TypeError, IndexError) as error:
        raise ServingError(
            "INVALID_ARGUMENT", f"{name}: the values do not fill the shape"
        ) from error
    return array


def _sent_name(dtype) -> str:
    try:
        return dtype_name(dtype)
    except TypeError:
        return f"type {dtype}"


def _braced(names) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _shape(dims) -> str:
    return "[" + ",".join("?" if size == -1 else str(size) for size in dims) + "]"
