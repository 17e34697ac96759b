"""Bodies, headers and connections that are too large, too slow or too many."""

import contextlib
import gzip
import http.client
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from maskdepth_tf.serving import connections, json_tensors, rest
from maskdepth_tf.serving.batching import Limits
from tests.support import servers

PREDICT = "/v1/models/shift:predict"


@pytest.fixture(scope="module")
def running(shift_folder):
    with servers.running(shift_folder) as found:
        yield found


def talk(running, data=b""):
    """A connection on which something was sent."""
    host, port = urlsplit(running.rest).netloc.split(":")
    connection = socket.create_connection((host, int(port)), 20)
    connection.sendall(data)
    return connection


def rest_of(connection):
    """All that comes until the server hangs up."""
    with connection:
        return b"".join(iter(lambda: connection.recv(10_000), b""))


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
        time.sleep(0.001)


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
            send_on(connection, b"a" * 10_000, 1000)
    assert running.predict({"instances": [[1, 2]]})[0] == 200


def test_no_http_at_all(running):
    reply = rest_of(talk(running, b"\x00\x01\x02\r\n\r\n"))
    assert reply.startswith(b"HTTP/1.1 400 ")


def test_slow_bodies_and_silent_connections_end(shift_folder, monkeypatch):
    monkeypatch.setattr(rest, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with servers.running(shift_folder) as running:
        start = time.monotonic()
        silent = [talk(running, data) for data in (b"", b"GET / HT", b"G") * 10]
        slow = [talk(running, post("Content-Length: 9") + b"{") for _ in range(50)]
        assert running.predict({"instances": [[1, 2]]})[0] == 200
        assert {rest_of(connection)[:13] for connection in slow} == {b"HTTP/1.1 408 "}
        assert {rest_of(connection) for connection in silent} == {b""}
        assert time.monotonic() - start < 10


def test_connections_are_counted(shift_folder, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with servers.running(shift_folder) as running, contextlib.ExitStack() as stack:
        held = [stack.enter_context(talk(running, b"GET ")) for _ in range(3)]
        time.sleep(0.2)
        with pytest.raises(OSError, match="reset|closed"):
            running.request("GET", "/health/live")
        held[0].close()
        time.sleep(0.2)
        assert running.request("GET", "/health/live")[0] == 200


def test_bodies_in_memory_have_a_limit(shift_folder):
    size = 2**16
    body = json.dumps({"a": "b" * (size - 100)}).encode()
    data = post(f"Content-Length: {size}") + body
    with servers.running(shift_folder, max_body=size) as running:
        with contextlib.ExitStack() as stack:
            # All but the end of the body: each waits in memory.
            for _ in range(8):
                stack.enter_context(talk(running, data))
            time.sleep(0.3)
            reply = rest_of(talk(running, data))
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert b"too much is under way" in reply
        time.sleep(0.3)
        assert running.predict({"instances": [[1, 2]]})[0] == 200


@contextlib.contextmanager
def full(shift_folder, monkeypatch, **changes):
    """A server whose queue of two is full of what is being decoded; and the gate."""
    gate = threading.Event()
    decode = json_tensors.decode

    def wait(body, model):
        gate.wait(servers.PATIENCE)
        return decode(body, model)

    monkeypatch.setattr(json_tensors, "decode", wait)
    with (
        servers.running(shift_folder, limits=Limits(max_queue=2), **changes) as running,
        ThreadPoolExecutor(2) as threads,
    ):
        body = {"instances": [[1, 2]]}
        held = [threads.submit(running.predict, body) for _ in range(2)]
        try:
            servers.until(running.service.is_full)
            yield running, gate
        finally:
            gate.set()
        assert [future.result()[0] for future in held] == [200, 200]


BODY = b'{"instances": [[1, 2]]}'
PLAIN = post(f"Content-Length: {len(BODY)}") + BODY
TOO_MANY = {"error": "too many requests are under way"}


def reply_of(connection):
    """Status and body of the next reply."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status, json.loads(reply.read())


def test_decoding_has_a_queue_too(shift_folder, monkeypatch):
    with full(shift_folder, monkeypatch) as (running, _):
        assert running.predict(BODY) == (503, TOO_MANY)
        assert running.request("GET", "/health/ready")[0] == 200
        metrics = running.request("GET", "/monitoring/prometheus/metrics")[1].decode()
        labels = 'api="rest",code="RESOURCE_EXHAUSTED",model=""'
        assert f"maskdepth_requests_total{{{labels}}} 1.0" in metrics


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
def test_refusals_leave_the_connection_in_order(shift_folder, monkeypatch, sent):
    with full(shift_folder, monkeypatch) as (running, gate):
        with talk(running) as connection:
            for _ in range(2):
                for data in sent:
                    connection.sendall(data)
                    time.sleep(0.02)
                assert reply_of(connection) == (503, TOO_MANY)
            gate.set()
            servers.until(lambda: not running.service.in_flight)
            connection.sendall(PLAIN)
            assert reply_of(connection) == (200, {"predictions": [[101, 102]]})


def test_refusals_of_requests_that_come_together(shift_folder, monkeypatch):
    with full(shift_folder, monkeypatch) as (running, _), talk(running) as connection:
        live = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall(PLAIN + PLAIN + live)
        with connection.makefile("rb") as replies:
            connection.shutdown(socket.SHUT_WR)
            text = replies.read()
    statuses = re.findall(rb"HTTP/1.1 (\d+)", text)
    assert statuses == [b"503", b"503", b"200"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post("Connection: close\r\nContent-Length: 23") + BODY, b"503"),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), b"503"),
        (post(f"Content-Length: {2**20 + 1}"), b"413"),
        (post("Content-Length: 1\r\nContent-Length: 2") + b"{}", b"400"),
    ],
)
def test_others_are_left_to_the_parser(shift_folder, monkeypatch, data, status):
    with full(shift_folder, monkeypatch) as (running, _):
        assert rest_of(talk(running, data))[9:12] == status


def test_refused_connections_end_only_if_they_are_silent(shift_folder, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with full(shift_folder, monkeypatch) as (running, _):
        with talk(running) as connection:
            for _ in range(10):
                connection.sendall(PLAIN)
                assert reply_of(connection) == (503, TOO_MANY)
                time.sleep(0.1)
            connection.sendall(PLAIN[:-1])
            start = time.monotonic()
            assert rest_of(connection).startswith(b"HTTP/1.1 503 ")
            assert time.monotonic() - start < 5
