"""Bodies, headers and connections that are too large, too slow or too many."""

import contextlib
import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from maskdepth_tf.serving import json_tensors, rest, server
from maskdepth_tf.serving.batching import Limits
from tests import servers

PREDICT = "/v1/models/shift:predict"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "shift"
    servers.write_version(folder, 1, 100)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    with servers.running(folder) as found:
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


def test_slow_bodies_and_silent_connections_end(folder, monkeypatch):
    monkeypatch.setattr(rest, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)
    with servers.running(folder) as running:
        start = time.monotonic()
        silent = [talk(running, data) for data in (b"", b"GET / HT", b"G") * 10]
        slow = [talk(running, post("Content-Length: 9") + b"{") for _ in range(50)]
        assert running.predict({"instances": [[1, 2]]})[0] == 200
        assert {rest_of(connection)[:13] for connection in slow} == {b"HTTP/1.1 408 "}
        assert {rest_of(connection) for connection in silent} == {b""}
        assert time.monotonic() - start < 10


def test_connections_are_counted(folder, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    with servers.running(folder) as running, contextlib.ExitStack() as stack:
        held = [stack.enter_context(talk(running, b"GET ")) for _ in range(3)]
        time.sleep(0.2)
        with pytest.raises(OSError, match="reset|closed"):
            running.request("GET", "/health/live")
        held[0].close()
        time.sleep(0.2)
        assert running.request("GET", "/health/live")[0] == 200


def test_bodies_in_memory_have_a_limit(folder):
    size = 2**16
    body = json.dumps({"a": "b" * (size - 100)}).encode()
    data = post(f"Content-Length: {size}") + body
    with servers.running(folder, max_body=size) as running:
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


def test_decoding_has_a_queue_too(folder, monkeypatch):
    gate = threading.Event()
    decode = json_tensors.decode

    def wait(body, model):
        gate.wait(20)
        return decode(body, model)

    monkeypatch.setattr(json_tensors, "decode", wait)
    with (
        servers.running(folder, limits=Limits(max_queue=2)) as running,
        ThreadPoolExecutor(2) as threads,
    ):
        body = {"instances": [[1, 2]]}
        held = [threads.submit(running.predict, body) for _ in range(2)]
        while running.service.in_flight < 2:
            time.sleep(0.01)
        time.sleep(0.1)
        error = {"error": "too many requests are under way"}
        assert running.predict(body) == (503, error)
        gate.set()
        assert [future.result()[0] for future in held] == [200, 200]
