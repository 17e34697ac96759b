"""TensorProto <-> NumPy, with the checks that a message from outside needs."""

import math

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving.failures import invalid

# A message can state one value and a shape that repeats it without end.
_MOST_BYTES = 2**28

# Tags of the packed fields `float_val`, 5, and `double_val`, 6.
_FLOATS, _DOUBLES = b"\x2a", b"\x32"


def arrays(inputs, signature, checks_shapes: bool) -> dict[str, np.ndarray]:
    """Makes arrays that fit a signature of the inputs of a request.

    Args:
        inputs: Name -> TensorProto.
        signature: SignatureDef.
        checks_shapes: Whether shapes must be those that it declares.

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
        if checks_shapes:
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


def fill(outputs: dict[str, np.ndarray], target, as_content: bool = False) -> None:
    """Writes arrays into a message's map of TensorProto.

    Args:
        outputs: The arrays by name.
        target: The map.
        as_content: Whether numbers become the bytes of `tensor_content`, which not all
            clients read, instead of `float_val`, `int_val` and so on.
    """
    for name, value in outputs.items():
        if as_content or value.dtype == object:
            target[name].CopyFrom(tf.make_tensor_proto(value))
        else:
            _fill_values(value, target[name])


def _fill_values(value, target) -> None:
    target.dtype = tf.as_dtype(value.dtype).as_datatype_enum
    # A scalar has a shape too, and clients look into it.
    target.tensor_shape.SetInParent()
    for size in value.shape:
        target.tensor_shape.dim.add(size=size)
    if value.dtype in (np.float32, np.float64):
        # A packed field is the numbers' bytes; adding one by one takes twenty times as
        # long.
        data = value.astype(value.dtype.newbyteorder("<")).tobytes()
        field = _FLOATS if value.dtype == np.float32 else _DOUBLES
        target.MergeFromString(field + _varint(len(data)) + data)
        return
    kind, flat = value.dtype, value.ravel()
    if kind in (np.float16, tf.bfloat16.as_numpy_dtype):
        target.half_val.extend(flat.view(np.uint16).tolist())
    elif kind.kind == "c":
        parts = target.scomplex_val if kind == np.complex64 else target.dcomplex_val
        parts.extend(np.stack([flat.real, flat.imag], axis=1).ravel().tolist())
    elif kind == np.bool_:
        target.bool_val.extend(flat.tolist())
    elif kind == np.int64:
        target.int64_val.extend(flat.tolist())
    elif kind == np.uint64:
        target.uint64_val.extend(flat.tolist())
    elif kind == np.uint32:
        target.uint32_val.extend(flat.tolist())
    else:
        target.int_val.extend(flat.tolist())


def _varint(number) -> bytes:
    """A length as protocol buffers write it: seven bits a byte, the lowest first."""
    parts = []
    while number >= 128:
        parts.append(number % 128 + 128)
        number //= 128
    return bytes([*parts, number])


def _array(name, proto) -> np.ndarray:
    dims = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in dims):
        raise invalid(f"{name}: the shape must be known")
    if math.prod(dims) * max(tf.as_dtype(proto.dtype).size or 0, 8) > _MOST_BYTES:
        raise invalid(f"{name}: the tensor must take at most {_MOST_BYTES} bytes")
    try:
        return tf.make_ndarray(proto)
    except OverflowError as error:
        raise invalid(f"{name}: the values must be of its type") from error
    except (ValueError, TypeError, IndexError) as error:
        raise invalid(f"{name}: the values must fill the shape") from error


def _type_name(dtype) -> str:
    try:
        return tf.as_dtype(dtype).name
    except TypeError:
        return f"number {dtype}"
