"""The client and servers at fault: tries within one deadline, and one-line errors."""

import contextlib
import http.server
import itertools
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from maskdepth_tf.client import Client, VersionStatus
from maskdepth_tf.clients import grpc_client, model_client, rest_client
from maskdepth_tf.clients.grpc_client import GrpcClient
from maskdepth_tf.errors import ServerError, UsageError
from tests.support.exported import BG, FG_BG
from tests.support.servers import PATIENCE


@pytest.mark.parametrize("kind", [Client, GrpcClient])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0.0}, "timeout must be positive. Received: 0.0"),
        ({"timeout": float("nan")}, "timeout must be positive. Received: nan"),
        ({"retries": -1}, "retries must not be negative. Received: -1"),
        ({"token": "a\nb"}, "the token must be visible ASCII"),
        ({"token": ""}, "the token must be visible ASCII"),
    ],
)
def test_options(kind, options, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        kind("http://127.0.0.1:8501", **options)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8501", "ftp://a:1", "http://", "http://a:b", "http://[", ""]
)
def test_urls(url):
    with pytest.raises(UsageError, match="the URL must be http://HOST:PORT. Received"):
        Client(url)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def rest_server(*replies, port=0):
    """A server of replies, (status, body, *headers), the last again and again."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers))
            status, body, *headers = replies[min(len(asked), len(replies)) - 1]
            self.send_response(status)
            for name, value in (("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


class Clock:
    """Time that passes only while the client pauses."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (model_client, rest_client, grpc_client):
        monkeypatch.setattr(module, "time", clock)
    return clock


@contextlib.contextmanager
def grpc_server(*replies, port=0):
    """As `rest_server`: codes, or bytes."""
    asked = []

    def answer(request, context):
        asked.append(request)
        reply = replies[min(len(asked), len(replies)) - 1]
        if isinstance(reply, grpc.StatusCode):
            context.abort(reply, "said so")
        return reply

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(answer)

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, [Handler()])
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield f"127.0.0.1:{port}", asked
        server.stop(0).wait()


STATUS = json.dumps(
    {
        "model_version_status": [
            {
                "version": "2",
                "state": "END",
                "status": {"error_code": "UNKNOWN", "error_message": "bad"},
            }
        ]
    }
).encode()


GRPC_STATUS = get_model_status_pb2.GetModelStatusResponse(
    model_version_status=[
        {"version": 2, "state": 50, "status": {"error_message": "bad"}}
    ]
).SerializeToString()


def are_jittered(pauses):
    """Whether each pause is of the second half of one twice as long as the last."""
    longest = [model_client.FIRST_PAUSE * 2**number for number in range(len(pauses))]
    pairs = zip(pauses, longest, strict=True)
    return all(0.5 <= pause / most <= 1 for pause, most in pairs)


@pytest.mark.parametrize("busy", [503, 429])
def test_a_busy_server_is_asked_again(clock, busy):
    replies = [(busy, b'{"error": "full"}')] * 3 + [(200, STATUS)]
    with rest_server(*replies) as (url, asked):
        assert Client(url, timeout=PATIENCE).status() == [
            VersionStatus(2, "END", "bad")
        ]
        assert len(asked) == 4
    assert len(clock.pauses) == 3
    assert are_jittered(clock.pauses)
    with rest_server(replies[0]) as (url, asked):
        with pytest.raises(ServerError, match=f"^{url}: {busy}: full$"):
            Client(url, timeout=PATIENCE, retries=2).status()
        assert len(asked) == 3


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_busy_server_is_asked_again_by_grpc(clock, code):
    busy = grpc.StatusCode[code]
    with grpc_server(busy, busy, GRPC_STATUS) as (address, asked):
        with GrpcClient(address, timeout=PATIENCE) as asker:
            assert asker.status() == [VersionStatus(2, "END", "bad")]
        assert len(asked) == 3
    assert are_jittered(clock.pauses)
    with (
        grpc_server(busy) as (address, asked),
        GrpcClient(address, timeout=PATIENCE, retries=2) as asker,
    ):
        with pytest.raises(ServerError, match=f"^{address}: {code}: said so$"):
            asker.status()
        assert len(asked) == 3


def test_the_server_names_the_pause(clock):
    def busy(pause):
        return 503, b'{"error": "full"}', ("Retry-After", pause)

    replies = [busy("7"), busy("0"), busy("soon"), busy(""), (200, STATUS)]
    with rest_server(*replies) as (url, asked):
        assert Client(url, timeout=PATIENCE).status()
    assert clock.pauses[0] == 7
    assert are_jittered([model_client.FIRST_PAUSE, *clock.pauses[1:]])
    # A pause that ends after the deadline is not begun.
    with rest_server(busy(str(10 * PATIENCE))) as (url, asked):
        with pytest.raises(ServerError, match=f"^{url}: 503: full$"):
            Client(url, timeout=PATIENCE).status()
        assert len(asked) == 1
    assert len(clock.pauses) == 4


def test_tries_end_with_the_deadline(clock):
    with rest_server((503, b"{}")) as (url, asked):
        with pytest.raises(ServerError, match="503: {}"):
            Client(url, timeout=PATIENCE, retries=1000).status()
    assert are_jittered(clock.pauses)
    assert len(asked) == len(clock.pauses) + 1
    # The next pause would have ended after the deadline.
    left = PATIENCE - clock.now
    assert 0 < left <= model_client.FIRST_PAUSE * 2 ** len(clock.pauses)


def test_a_refusal_is_not_asked_again():
    with rest_server((400, b'{"error": "a\nb"}')) as (url, asked):
        with pytest.raises(ServerError, match=f'^{url}: 400: {{"error": "a b"}}$'):
            Client(url, timeout=PATIENCE).status()
        assert len(asked) == 1
    refusal = grpc.StatusCode.INVALID_ARGUMENT
    with (
        grpc_server(refusal) as (address, asked),
        GrpcClient(address, timeout=PATIENCE) as asker,
    ):
        with pytest.raises(ServerError, match="INVALID_ARGUMENT: said so"):
            asker.status()
        assert len(asked) == 1


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_a_server_that_comes_up_late(kind, monkeypatch):
    """Where nobody listens yet, somebody does at a later try."""
    port, started = free_port(), []
    reply = (200, STATUS) if kind == "rest" else GRPC_STATUS
    serve = rest_server if kind == "rest" else grpc_server

    def sleep(seconds, pause=time.sleep):
        # The servers' own threads may sleep, too.
        if threading.current_thread() is threading.main_thread() and not started:
            started.append(stack.enter_context(serve(reply, port=port)))
        pause(seconds)

    with contextlib.ExitStack() as stack:
        monkeypatch.setattr(model_client.time, "sleep", sleep)
        options = {"timeout": PATIENCE, "retries": 10}
        if kind == "rest":
            asker = Client(f"http://127.0.0.1:{port}", **options)
        else:
            asker = stack.enter_context(GrpcClient(f"127.0.0.1:{port}", **options))
        assert asker.status() == [VersionStatus(2, "END", "bad")]
        assert started


def test_nobody_listens():
    port = free_port()
    with pytest.raises(ServerError, match=f"^http://127.0.0.1:{port}: .*refused"):
        Client(f"http://127.0.0.1:{port}", timeout=PATIENCE, retries=1).status()
    with GrpcClient(f"127.0.0.1:{port}", timeout=PATIENCE, retries=1) as asker:
        with pytest.raises(ServerError, match=f"^127.0.0.1:{port}: UNAVAILABLE: "):
            asker.status()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("kind", ["rest", "grpc"])
@pytest.mark.parametrize("first", [None, b"", b"HTTP/1.1 200 OK\r\na: ", HEAD])
def test_one_deadline_for_all_tries(kind, first):
    """A server is silent, or sends a byte every now and then: no read takes long."""
    over = threading.Event()

    def drip(connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(first or b"")
            while not over.wait(0.02):
                connection.sendall(b"" if first is None else b"H")

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(20) as pool,
    ):

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    pool.submit(drip, server.accept()[0])

        pool.submit(serve)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        try:
            with contextlib.ExitStack() as stack:
                if kind == "rest":
                    asker = Client(f"http://{address}", timeout=0.3)
                else:
                    asker = stack.enter_context(GrpcClient(address, timeout=0.3))
                with pytest.raises(
                    ServerError, match="no answer within 0.3 s|UNAVAILABLE"
                ):
                    pool.submit(asker.status).result(PATIENCE)
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


def test_a_redirection_is_not_followed():
    """Whoever is asked next would hear the token."""
    with (
        rest_server((200, STATUS)) as (other, not_asked),
        rest_server((307, b"", ("Location", other))) as (url, asked),
    ):
        with pytest.raises(ServerError, match=f"^{url}: 307: "):
            Client(url, token="t", timeout=PATIENCE).status()
    assert (len(asked), not_asked) == (1, [])


def test_no_proxy_is_asked(monkeypatch):
    with rest_server((200, STATUS)) as (proxy, not_asked):
        with rest_server((200, STATUS)) as (url, asked):
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy)
            assert Client(url, timeout=PATIENCE).status()
    assert (len(asked), not_asked) == (1, [])


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"model_version_status": [{}]}', b"\xff", b"1"]
)
def test_replies_of_something_else(body):
    with rest_server((200, body)) as (url, asked):
        message = f"^{url}: the reply is none of a server of maskdepth: "
        with pytest.raises(ServerError, match=message):
            Client(url, timeout=PATIENCE).status()
        assert len(asked) == 1


def reply_with(**outputs):
    reply = predict_pb2.PredictResponse()
    for name, change in outputs.items():
        change(reply.outputs[name])
    return reply.SerializeToString()


def floats(*values, shape):
    def change(tensor):
        tensor.dtype = 1
        tensor.float_val.extend(values)
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)

    return change


def test_both_ways_to_write_a_tensor():
    """TF Serving lists floats, where our server has their bytes."""
    one = floats(0.1, 0.2, shape=(1, 1, 2, 1))
    with (
        grpc_server(reply_with(mask=one, depth=one)) as (address, _),
        GrpcClient(address, timeout=PATIENCE) as asker,
    ):
        mask = asker.predict_arrays(BG[:1], FG_BG[:1])["mask"]
    np.testing.assert_array_equal(mask, np.float32([[[[0.1], [0.2]]]]))


@pytest.mark.parametrize(
    "reply",
    [
        b"\xff",
        reply_with(),
        reply_with(mask=floats(1, shape=(1, 2)), depth=floats(1, shape=(1, 1))),
        reply_with(mask=floats(1, 2, shape=(2, 1)), depth=floats(1, 2, shape=(2, 1))),
        reply_with(mask=lambda t: setattr(t, "dtype", 3), depth=lambda t: None),
    ],
    ids=itertools.count(),  # protobuf writes maps in no fixed order
)
def test_grpc_replies_of_something_else(reply):
    with (
        grpc_server(reply) as (address, _),
        GrpcClient(address, timeout=PATIENCE) as asker,
    ):
        message = f"^{address}: the reply is none of a server of maskdepth: "
        with pytest.raises(ServerError, match=message):
            asker.predict_arrays(BG[:1], FG_BG[:1])


def test_what_speaks_no_http():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ServerError, match=f"^{url}: does not speak HTTP$"):
            Client(url, timeout=PATIENCE).status()
        thread.join(PATIENCE)


def test_tls_is_spoken():
    with rest_server((200, STATUS)) as (url, _):
        url = url.replace("http:", "https:")
        with pytest.raises(ServerError, match=f"^{url}: .*SSL"):
            Client(url, timeout=PATIENCE, retries=0).status()


def test_names_are_quoted_and_a_prefix_stays():
    with rest_server((200, STATUS)) as (url, asked):
        Client(f"{url}/behind/", "a/b c", "t", PATIENCE).status()
    path, headers = asked[0]
    assert path == "/behind/v1/models/a%2Fb%20c"
    assert headers["Authorization"] == "Bearer t"


def test_one_line():
    assert model_client.one_line("a\n\x1b[2J b\t") == "a [2J b"
    assert len(model_client.one_line("a" * 1000)) == 500
