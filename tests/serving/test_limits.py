"""Bodies, headers and connections that are too large, too slow or too many."""

import contextlib
import gzip
import http.client
import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from maskdepth_tf.serving import connections
from maskdepth_tf.serving.running.batching import Limits
from maskdepth_tf.serving.tensors import json_bodies
from tests.support import servers
from tests.support.servers import PATIENCE

PREDICT = "/v1/models/shift:predict"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def running(shift_folder):
    with servers.running(shift_folder) as server:
        yield server


def talk(running, data=b""):
    """A connection on which something was sent."""
    host, port = urlsplit(running.rest).netloc.split(":")
    connection = socket.create_connection((host, int(port)), PATIENCE)
    connection.sendall(data)
    return connection


def rest_of(connection):
    """All that comes until the server hangs up."""
    with connection:
        return b"".join(iter(lambda: connection.recv(10_000), b""))


def reply_of(connection):
    """Status and body of the next reply."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status, json.loads(reply.read())


def test_pages_of_others_are_not_told_to_read_replies(running):
    request = b"GET /v1/models/shift HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
    reply = rest_of(talk(running, request + b"Connection: close\r\n\r\n"))
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"access-control" not in reply.lower()


def post(headers):
    return f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n".encode()


def test_a_stated_length_over_the_limit_is_not_waited_for(running):
    reply = rest_of(talk(running, post(f"Content-Length: {10**12}")))
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"the body must have at most 1048576 bytes" in reply


def send_on(connection, data, times):
    """Sends again and again until the server hangs up."""
    for _ in range(times):
        connection.sendall(data)


def test_endless_chunks_end_at_the_limit(running):
    chunk = b"10000\r\n" + bytes(2**16) + b"\r\n"
    with talk(running, post("Transfer-Encoding: chunked")) as connection:
        # The limit is 1 MiB; 64 MiB do not fit into the system's buffers.
        with pytest.raises(OSError, match="Broken pipe|reset"):
            send_on(connection, chunk, 2**10)


def test_a_shorter_body_than_stated(running):
    with talk(running, post("Content-Length: 100") + b"{}") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100)[:12] in (b"", b"HTTP/1.1 400")
    assert running.predict({"instances": [[1, 2]]})[0] == 200


def test_compressed_bodies_are_refused(running):
    body = gzip.compress(bytes(10**6))
    for coding in ("gzip", "deflate", "br"):
        headers = {"Content-Encoding": coding}
        status, reply = running.request("POST", PREDICT, body, headers)
        assert status == 415
        assert reply == {"error": f"Content-Encoding is not taken: {coding}"}


def test_headers_have_a_limit(running):
    with talk(running) as connection:
        with pytest.raises(OSError, match="Broken pipe|reset"):
            send_on(connection, b"a" * 10_000, 10_000)
    assert running.predict({"instances": [[1, 2]]})[0] == 200


def test_no_http_at_all(running):
    reply = rest_of(talk(running, b"\x00\x01\x02\r\n\r\n"))
    assert reply.startswith(b"HTTP/1.1 400 ")


def test_slow_bodies_and_silent_connections_end(running):
    silent = [talk(running, data) for data in (b"", b"GET / HT", b"G") * 10]
    slow = [talk(running, post("Content-Length: 9") + b"{") for _ in range(50)]
    servers.until(lambda: running.service.in_flight == len(slow))
    assert running.predict({"instances": [[1, 2]]})[0] == 200
    running.advance(PATIENCE)
    assert {rest_of(connection)[:13] for connection in slow} == {b"HTTP/1.1 408 "}
    # A connection that had just been seen is looked at once more.
    running.advance(PATIENCE)
    assert {rest_of(connection) for connection in silent} == {b""}


def test_a_connection_without_a_further_request_ends(running):
    with talk(running) as connection:
        for _ in range(3):
            connection.sendall(LIVE)
            assert reply_of(connection)[0] == 200
            running.advance(PATIENCE / 3)
        running.advance(PATIENCE)
        assert rest_of(connection) == b""


def test_connections_are_counted(shift_folder, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with servers.running(shift_folder) as running, contextlib.ExitStack() as stack:
        held = [stack.enter_context(talk(running, LIVE)) for _ in range(3)]
        assert [reply_of(connection)[0] for connection in held] == [200] * 3
        with pytest.raises(OSError, match="reset|closed"):
            running.request("GET", "/health/live")
        held[0].close()

        def is_answered():
            with contextlib.suppress(OSError):
                return running.request("GET", "/health/live")[0] == 200

        servers.until(is_answered)


def test_bodies_in_memory_have_a_limit(shift_folder):
    size = 2**16
    body = json.dumps({"a": "b" * (size - 100)}).encode()
    with servers.running(shift_folder, max_body=size) as running:
        with contextlib.ExitStack() as stack:
            # All but the end of the body: each waits in memory.
            for _ in range(8):
                data = post(f"Content-Length: {size}") + body
                stack.enter_context(talk(running, data))
            # Until all of them have been read, it is only an unfit request.
            replies = []
            servers.until(
                lambda: replies.append(running.predict(body)) or full(replies)
            )
            assert replies[-1] == (503, {"error": "too much is under way"})
            assert {status for status, _ in replies[:-1]} <= {400}
        servers.until(lambda: running.predict({"instances": [[1, 2]]})[0] == 200)


def full(replies):
    return replies[-1][0] == 503


@pytest.fixture(scope="module")
def gated(shift_folder):
    """A server with a queue of two, and the gate that its decoding waits for."""
    gate = threading.Event()
    decode = json_bodies.decode

    def wait(body, model):
        gate.wait(PATIENCE)
        return decode(body, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_bodies, "decode", wait)
        with servers.running(shift_folder, limits=Limits(max_queue=2)) as running:
            yield running, gate


@pytest.fixture
def busy(gated):
    """The server while its queue is full of requests that are decoded; the gate."""
    running, gate = gated
    gate.clear()
    with ThreadPoolExecutor(2) as threads:
        held = [
            threads.submit(running.predict, {"instances": [[1, 2]]}) for _ in range(2)
        ]
        try:
            servers.until(running.service.is_full)
            yield running, gate
        finally:
            gate.set()
        # 504 where a test has let the time pass that they had.
        assert {future.result()[0] for future in held} <= {200, 504}
    servers.until(lambda: not running.service.in_flight)


BODY = b'{"instances": [[1, 2]]}'
PLAIN = post(f"Content-Length: {len(BODY)}") + BODY
TOO_MANY = {"error": "too many requests are under way"}


def test_decoding_has_a_queue_too(busy):
    running, _ = busy

    def refusals():
        metrics = running.request("GET", "/monitoring/prometheus/metrics")[1].decode()
        labels = r'api="rest",code="RESOURCE_EXHAUSTED",model=""'
        counts = re.findall(rf"maskdepth_requests_total{{{labels}}} (\S+)", metrics)
        return float(counts[0]) if counts else 0

    before = refusals()
    assert running.predict(BODY) == (503, TOO_MANY)
    assert running.request("GET", "/health/ready")[0] == 200
    assert refusals() == before + 1


@pytest.mark.parametrize(
    "sent",
    [
        [PLAIN],
        [PLAIN[:-20], PLAIN[-20:-1], PLAIN[-1:]],
        [PLAIN[: -len(BODY)], BODY],
        # In the middle of the headers: read as ever.
        [PLAIN[:30], PLAIN[30:]],
        [post("Content-Length: 0")],
        [post("Connection: keep-alive\r\ncontent-length:23") + BODY],
        [post("Transfer-Encoding: chunked") + b"17\r\n" + BODY + b"\r\n0\r\n\r\n"],
        [PLAIN.replace(b"\r\n", b"\n")],
    ],
)
def test_refusals_leave_the_connection_in_order(busy, sent):
    running, gate = busy
    with talk(running) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for data in sent:
                connection.sendall(data)
                # The server reads what has come before more does.
                running.advance(0)
            assert reply_of(connection) == (503, TOO_MANY)
        gate.set()
        servers.until(lambda: not running.service.in_flight)
        connection.sendall(PLAIN)
        assert reply_of(connection) == (200, {"predictions": [[101, 102]]})


def test_refusals_of_requests_that_come_together(busy):
    running, _ = busy
    with talk(running, PLAIN + PLAIN + LIVE) as connection:
        connection.shutdown(socket.SHUT_WR)
        text = rest_of(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", text) == [b"503", b"503", b"200"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post("Connection: close\r\nContent-Length: 23") + BODY, b"503"),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), b"503"),
        (post(f"Content-Length: {2**20 + 1}"), b"413"),
        (post("Content-Length: 1\r\nContent-Length: 2") + b"{}", b"400"),
    ],
)
def test_others_are_left_to_the_parser(busy, data, status):
    running, _ = busy
    assert rest_of(talk(running, data))[9:12] == status


def test_refused_connections_end_only_if_they_are_silent(busy):
    running, _ = busy
    with talk(running) as connection:
        for _ in range(3):
            connection.sendall(PLAIN)
            assert reply_of(connection) == (503, TOO_MANY)
            running.advance(PATIENCE)
        connection.sendall(PLAIN[:-1])
        assert reply_of(connection) == (503, TOO_MANY)
        running.advance(PATIENCE)
        running.advance(PATIENCE)
        assert rest_of(connection) == b""
