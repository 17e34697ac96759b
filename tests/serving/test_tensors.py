"""Requests and replies as JSON and as messages <-> arrays."""

import contextlib
import json
import math
import os
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.saved_model import SavedModel
from maskdepth_tf.serving.tensors import json_bodies, protos
from tests.support import servers

EXAMPLES = int(os.environ.get("SERVING_EXAMPLES", "50"))
"""Of each property; ten thousand take minutes."""

PROPERTY = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=HealthCheck
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return SavedModel(str(servers.write_version(tmp_path_factory.mktemp("m"), 1)))


def written(name, array):
    text = json_bodies.encode({name: array}, is_rows=False).decode()
    return text.removeprefix('{"outputs": ').removesuffix("}")


# By hand: 0.1 in float32 is 0.100000001490116..., a third 0.333333343267440796, and the
# neighbours of both are about 3e-8 away.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.33333334"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (9e6, "9000000.0"),
        (3e-5, "3e-05"),
        (16777215.0, "16777215.0"),
        (3e38, "3e+38"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_float(value, text):
    assert written("y", np.array(value, np.float32)) == text


def test_other_elements():
    for array, expected in (
        (np.array([0.1, 1 / 3, 1e300]), "[0.1, 0.3333333333333333, 1e+300]"),
        (np.array([-1, 2**40]), "[-1, 1099511627776]"),
        (np.array([True, False]), "[true, false]"),
        (np.array([], object), "[]"),
        (np.array([b'"\xc3\xa4'], object), '["\\"ä"]'),
    ):
        assert written("y", array) == expected
    assert written("a_bytes", np.array([[b"a"]], object)) == '[[{"b64": "YQ=="}]]'
    with pytest.raises(ServingError, match="y: complex64 must be asked for by gRPC"):
        written("y", np.zeros(1, np.complex64))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 2), (0,), (2, 0), (0, 2)])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_nesting(shape, dtype):
    array = np.arange(math.prod(shape), dtype=dtype).reshape(shape)
    for is_rows in {bool(shape), False}:
        (values,) = json.loads(json_bodies.encode({"y": array}, is_rows)).values()
        assert values == array.tolist()


@PROPERTY
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_floats_come_back(values):
    array = np.array(values, np.float32)
    reply = json.loads(json_bodies.encode({"y": array}, is_rows=True))
    np.testing.assert_array_equal(np.array(reply["predictions"], np.float32), array)


@PROPERTY
@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1))
def test_requests_come_back(model, rows):
    for form in ("instances", "inputs"):
        body = json.dumps({form: rows}).encode()
        request = json_bodies.decode(body, model)
        assert request.is_rows == (form == "instances")
        expected = np.array(rows, np.float32).reshape(-1, 2)
        np.testing.assert_array_equal(request.arrays["x"], expected)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.fixed_dictionaries({"b64": st.text(max_size=8)}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "number", "text", "b64", ""]), inner)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(["serving_default", "two", "echo", "kinds", "half", "none", ""])


def is_answered(body, model):
    """Decodes to arrays that the signature takes, or is refused in words."""
    try:
        request = json_bodies.decode(body, model)
    except ServingError as error:
        refusal = error
        request = None
    if request is None:
        assert refusal.http_status in (400, 501)
        assert 0 < len(refusal.message) < 1000
        return False
    signature = model.signature(request.signature_name)
    assert set(request.arrays) == set(signature.inputs)
    for name, array in request.arrays.items():
        assert array.dtype == tf.as_dtype(signature.inputs[name].dtype).as_numpy_dtype
    return True


@PROPERTY
@given(st.sampled_from(["instances", "inputs", "other"]), NAMES, JSON, JSON)
def test_any_json_is_decoded_or_refused(model, form, name, value, more):
    is_answered(
        json.dumps({form: value, "signature_name": name, "more": more}).encode(), model
    )
    is_answered(json.dumps({form: value, "signature_name": more}).encode(), model)
    is_answered(json.dumps({form: [value, more]}).encode(), model)


@PROPERTY
@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_decoded_or_refused(model, data, place):
    is_answered(data, model)
    body = b'{"instances": [[1.5, -2e3], [NaN, 4]], "signature_name": ""}'
    is_answered(body[:place] + data + body[place:], model)
    is_answered(body[:place] + data, model)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":['])
def test_a_million_brackets(model, opening):
    for start in (b"", b'{"instances": ', b'{"unused": 1, "inputs": '):
        with pytest.raises(ServingError, match="nested too deeply"):
            json_bodies.decode(start + opening * 10**6, model)


def test_what_is_deep_but_legal_json(model):
    body = b'{"unused": ' + b"[" * 500 + b"]" * 500 + b', "inputs": [[1, 2]]}'
    assert is_answered(body, model)
    for depth in (3, 50, 400):
        body = b'{"inputs": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
        with pytest.raises(ServingError, match="the shape must be|at most 32 lists"):
            json_bodies.decode(body, model)


def test_base64_as_senders_write_it(model):
    for text in ("YWI=", "YWI", "YW\nI=", " YWI= "):
        body = json.dumps({"signature_name": "echo", "inputs": [{"b64": text}]})
        assert json_bodies.decode(body.encode(), model).arrays["text"][0] == b"ab"
    for text in ("YW-_", "ä", "Y"):
        body = json.dumps({"signature_name": "echo", "inputs": [{"b64": text}]})
        with pytest.raises(
            ServingError, match=r"text\[0\]: must be a value of type string"
        ):
            json_bodies.decode(body.encode(), model)


def test_a_byte_order_mark_is_skipped(model):
    assert is_answered(b'\xef\xbb\xbf{"inputs": [[1, 2]]}', model)


def message(**arrays):
    request = predict_pb2.PredictRequest()
    protos.fill(arrays, request.inputs)
    return request


def test_messages_come_back(model):
    sent = {
        "x": np.array([[1, 2]], np.float32),
        "number": np.array([3], np.int32),
    }
    arrays = protos.arrays(message(**sent).inputs, model.signature("two"), True)
    for name, array in sent.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def refused(request, model, match):
    with pytest.raises(ServingError, match=match) as caught:
        protos.arrays(request.inputs, model.signature(""), True)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_messages_that_do_not_fit(model):
    refused(
        message(y=np.zeros(1, np.float32)),
        model,
        "the inputs must be x. Received: y",
    )
    refused(
        message(x=np.zeros((1, 2))),
        model,
        "x: must be of type float32. Received: float64",
    )
    refused(
        message(x=np.zeros(2, np.float32)),
        model,
        r"x: the shape must be \[\?,2\]. Received: \[2\]",
    )
    request = message(x=np.zeros((1, 2), np.float32))
    request.inputs["x"].dtype = 99
    refused(request, model, "x: must be of type float32. Received: number 99")


def test_messages_that_lie(model):
    tensor = message(x=np.ones((1, 2), np.float32))
    tensor.inputs["x"].float_val[:] = []
    tensor.inputs["x"].tensor_content = b"abc"
    refused(tensor, model, "x: the values must fill the shape")
    tensor.inputs["x"].tensor_content = b""
    tensor.inputs["x"].float_val.append(1)
    # One value may stand for all, but not without end.
    tensor.inputs["x"].tensor_shape.dim[0].size = 10**12
    refused(tensor, model, "x: the tensor must take at most 268435456 bytes")
    tensor.inputs["x"].tensor_shape.dim[0].size = -1
    refused(tensor, model, "x: the shape must be known")
    tensor.inputs["x"].tensor_shape.Clear()
    tensor.inputs["x"].tensor_shape.unknown_rank = True
    refused(tensor, model, "x: the shape must be known")


@PROPERTY
@given(
    st.sampled_from([1, 2, 7, 0, 30]),
    st.lists(st.integers(-2, 5), max_size=3),
    st.binary(max_size=16),
    st.lists(st.floats(width=32), max_size=4),
)
def test_any_message_is_taken_or_refused(model, dtype, dims, content, values):
    request = predict_pb2.PredictRequest()
    tensor = request.inputs["x"]
    tensor.dtype, tensor.tensor_content = dtype, content
    tensor.float_val.extend(values)
    for size in dims:
        tensor.tensor_shape.dim.add(size=size)
    # Whatever else is raised is a defect.
    with contextlib.suppress(ServingError):
        arrays = protos.arrays(request.inputs, model.signature(""), True)
        assert arrays["x"].dtype == np.float32
        assert arrays["x"].shape == tuple(dims)


def steps(function):
    """Calls that a function makes, of Python's and of C's."""
    count = 0

    def note(*_):
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def bodies(value, key, times):
    """Requests that repeat a value in all places, with keys of their own or one."""
    text = json.dumps(value)
    values = ",".join([text] * times)
    keys = ",".join(f"{json.dumps(key)}:{text}" for _ in range(times))
    own = ",".join(f"{json.dumps(f'{key}{i}')}:{text}" for i in range(times))
    for form in ("instances", "inputs"):
        yield f'{{"{form}": [{values}]}}'
        yield f'{{"{form}": {{{keys}}}}}'
        yield f'{{"{form}": {{{own}}}}}'
        yield f'{{"{form}": [{{{own}}}]}}'
    for members in (keys, own):
        yield f'{{{members}, "inputs": [[1, 2]]}}'
    yield f'{{"inputs": [[1, 2]]}} {values}'


@PROPERTY
@given(JSON, st.sampled_from(["x", "inputs", "signature_name", "b64", "Inf"]))
def test_work_grows_no_faster_than_a_request(model, value, key):
    for few, many in zip(bodies(value, key, 20), bodies(value, key, 160), strict=True):
        small, large = (
            steps(lambda body=body: is_answered(body.encode(), model))
            for body in (few, many)
        )
        assert large <= 8 * small + 100, few
