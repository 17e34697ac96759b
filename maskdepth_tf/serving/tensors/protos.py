"""TensorProto <-> NumPy, with the checks that a message from outside needs."""

import math

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import invalid

# A message can state one value and a shape that repeats it without end.
_MOST_BYTES = 2**28


def arrays(inputs, signature) -> dict[str, np.ndarray]:
    """Makes arrays that fit a signature of the inputs of a request.

    Args:
        inputs: Name -> TensorProto.
        signature: SignatureDef.

    Raises:
        ServingError: INVALID_ARGUMENT if they do not fit.
    """
    if set(inputs) != set(signature.inputs):
        raise invalid(
            f"the inputs must be {', '.join(sorted(signature.inputs))}. "
            f"Received: {', '.join(sorted(inputs))}"
        )
    result = {}
    for name, info in sorted(signature.inputs.items()):
        if inputs[name].dtype != info.dtype:
            raise invalid(
                f"{name}: must be of type {_type_name(info.dtype)}. "
                f"Received: {_type_name(inputs[name].dtype)}"
            )
        result[name] = _array(name, inputs[name])
        check_shape(name, result[name].shape, info)
    return result


def check_shape(name: str, shape: tuple[int, ...], info) -> None:
    """Refuses a shape that the signature's TensorInfo does not allow.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    expected = tf.TensorShape(info.tensor_shape)
    if not expected.is_compatible_with(shape):
        sizes = ",".join("?" if size is None else str(size) for size in expected)
        raise invalid(
            f"{name}: the shape must be [{sizes}]. "
            f"Received: [{','.join(map(str, shape))}]"
        )


def fill(outputs: dict[str, np.ndarray], target) -> None:
    """Writes arrays into a message's map of TensorProto."""
    for name, value in outputs.items():
        target[name].CopyFrom(tf.make_tensor_proto(value))


def _array(name, proto) -> np.ndarray:
    dims = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in dims):
        raise invalid(f"{name}: the shape must be known")
    if math.prod(dims) * max(tf.as_dtype(proto.dtype).size or 0, 8) > _MOST_BYTES:
        raise invalid(f"{name}: the tensor must take at most {_MOST_BYTES} bytes")
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError, IndexError) as error:
        raise invalid(f"{name}: the values must fill the shape") from error


def _type_name(dtype) -> str:
    try:
        return tf.as_dtype(dtype).name
    except TypeError:
        return f"number {dtype}"
