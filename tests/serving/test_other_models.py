"""Models that others made: of other shapes, signatures and times."""

import contextlib
import http.client
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.support import servers
from tests.support.servers import PATIENCE

FLOATS = tf.TensorSpec([None], tf.float32, "x")
FUNCTIONS = {
    "half_plus_two": (lambda x: {"y": x / 2 + 2}, [FLOATS]),
    "declared": (lambda x: {"y": x + 1}, [tf.TensorSpec([1], tf.float32, "x")]),
    "centred": (lambda x: {"y": x - tf.reduce_mean(x)}, [FLOATS]),
    "total": (lambda x: {"y": tf.reshape(tf.reduce_sum(x), [1])}, [FLOATS]),
    "text": (
        lambda x: {"y": tf.strings.to_number(x)},
        [tf.TensorSpec([None], tf.string, "x")],
    ),
    "any_text": (
        lambda x: {"y": tf.identity(x)},
        [tf.TensorSpec(None, tf.string, "x")],
    ),
    "constant": (lambda: {"y": tf.constant([1.0, 2.0])}, []),
    "custom": (lambda x: {"y": -x}, [FLOATS]),
}


def write_graph_of_tensorflow_1(folder):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        scale = tf.compat.v1.get_variable("scale", initializer=3.0, use_resource=False)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(
            session, str(folder), {"x": x}, {"y": scale * x}
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, (function, signature) in FUNCTIONS.items():
        module = tf.Module()
        module.function = tf.function(function, input_signature=signature)
        key = "mine" if name == "custom" else "serving_default"
        path = folder / name / "1"
        tf.saved_model.save(module, str(path), {key: module.function})
    write_graph_of_tensorflow_1(folder / "old" / "1")
    with servers.running(str(folder), allows_origins=True) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "body", "reply"),
    [
        # By hand, as TF Serving answers them: half_plus_two is its example.
        ("half_plus_two", {"instances": [1, 2, 5]}, {"predictions": [2.5, 3, 4.5]}),
        ("half_plus_two", {"inputs": []}, {"outputs": []}),
        # It does not look at declared shapes; the graph does, if it matters.
        ("declared", {"instances": [1, 2, 5]}, {"predictions": [2, 3, 6]}),
        # Rows may depend on each other.
        ("centred", {"instances": [1, 2, 6]}, {"predictions": [-2, -1, 3]}),
        ("total", {"inputs": [1, 2, 6]}, {"outputs": [9]}),
        ("total", {"instances": [1, 2]}, {"predictions": [3]}),
        ("text", {"instances": ["1.5"]}, {"predictions": [1.5]}),
        ("any_text", {"inputs": {"b64": "aGk="}}, {"outputs": "hi"}),
        ("any_text", {"inputs": [["a"], ["b"]]}, {"outputs": [["a"], ["b"]]}),
        ("custom", {"signature_name": "mine", "inputs": [1]}, {"outputs": [-1]}),
        ("old", {"instances": [1, 2]}, {"predictions": [3, 6]}),
        # The first of repeated keys, unknown inputs, what follows, other infinities.
        (
            "half_plus_two",
            '{"instances": [1], "more": 1, "more": 2, "instances": [2]}',
            {"predictions": [2.5]},
        ),
        (
            "half_plus_two",
            {"inputs": {"x": [1], "comment": ["mine"]}},
            {"outputs": [2.5]},
        ),
        (
            "half_plus_two",
            b'{"instances": [1]} \0 and \xff more',
            {"predictions": [2.5]},
        ),
        (
            "half_plus_two",
            '{"instances": [Inf, -Inf, -Infinity], "t": "Inf \\" Inf"}',
            {"predictions": [np.inf, -np.inf, -np.inf]},
        ),
        (
            "half_plus_two",
            {"instances": [2**64, 16777217.0]},
            {"predictions": [9.223372e18, 2.0**23 + 2]},
        ),
    ],
)
def test_answers(running, name, body, reply):
    assert running.predict(body, f"/v1/models/{name}:predict") == (200, reply)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        (
            "custom",
            {"inputs": [1]},
            "the signature must be one of mine. Received: serv",
        ),
        ("constant", {"inputs": [1]}, "without inputs must be asked by gRPC"),
        ("half_plus_two", {"inputs": {"y": [1]}}, "inputs: must be an object of x."),
    ],
)
def test_refusals(running, name, body, message):
    status, reply = running.predict(body, f"/v1/models/{name}:predict")
    assert status == 400
    assert message in reply["error"]


def test_every_failure_gives_its_place_back(running):
    bodies = [
        ("constant", {"instances": [1]}),
        ("half_plus_two", "no JSON"),
        ("half_plus_two", {"instances": ["text"]}),
        ("text", {"instances": ["no number"]}),
        ("none", {"instances": [1]}),
    ]
    for name, body in bodies * 60:
        status, _ = running.predict(body, f"/v1/models/{name}:predict")
        assert status in (400, 404)
    servers.until(lambda: not running.service.is_busy())
    assert not running.service.is_full()
    assert (running.service.in_flight, running.service.batcher.waiting()) == (0, 0)
    expected = (200, {"predictions": [2.5]})
    path = "/v1/models/half_plus_two:predict"
    assert running.predict({"instances": [1]}, path) == expected


@pytest.mark.parametrize("name", ["half_plus_two", "constant"])
def test_grpc(running, name):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = name
    if name == "half_plus_two":
        asked.inputs["x"].dtype = tf.float32.as_datatype_enum
        asked.inputs["x"].tensor_shape.dim.add(size=2)
        asked.inputs["x"].float_val.extend([1, 5])
    with grpc.insecure_channel(running.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        y = stub.Predict(asked, timeout=PATIENCE).outputs["y"]
    expected = [2.5, 4.5] if name == "half_plus_two" else [1, 2]
    # Clients of TF Serving's examples read these fields alone.
    assert (list(y.float_val), y.tensor_content) == (expected, b"")
    assert [dim.size for dim in y.tensor_shape.dim] == [2]


@contextlib.contextmanager
def connected(running):
    host, port = running.rest.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(PATIENCE)
        yield connection


def reply_to(connection, request, end=b"}"):
    """What is received up to the end of a JSON document, or of the connection."""
    connection.sendall(request)
    reply = b""
    while not reply.endswith(end) and (part := connection.recv(2**16)):
        reply += part
    return reply


def test_http_1_0_keeps_its_connection(running):
    request = b"GET /v1/models/total HTTP/1.0\r\n%b\r\n"
    with connected(running) as connection:
        for more in (b"Connection: Keep-Alive\r\n", b"connection:keep-alive\r\n"):
            reply = reply_to(connection, request % more, b"\n}")
            assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: keep-alive\r\n" in reply.lower()
        reply = reply_to(connection, request % b"", b"never")
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


def test_absolute_form(running):
    path = f"{running.rest}/v1/models/total".encode()
    request = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path
    with connected(running) as connection:
        reply = reply_to(connection, request)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


def test_pages_from_elsewhere_may_ask(running):
    connection = http.client.HTTPConnection(running.rest.removeprefix("http://"))
    for method, body in (("OPTIONS", None), ("POST", '{"instances": [1]}')):
        path = "/v1/models/half_plus_two:predict"
        connection.request(method, path, body, {"Origin": "http://a.b"})
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
    connection.close()


def test_a_body_that_is_too_large_is_read_before_it_is_refused(running):
    # Most clients look at replies only once all is sent.
    body = b" " * (5 * 2**20)
    status, reply = running.request(
        "POST", "/v1/models/total:predict", body, {"Content-Type": "application/json"}
    )
    assert status == 413
    assert "the body must have at most" in reply["error"]
