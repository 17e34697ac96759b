"""Tries within one deadline, by REST and by gRPC, and one-line errors."""

import contextlib
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from maskdepth_tf.client import Client, VersionStatus
from maskdepth_tf.clients import grpc_client, model_client, rest_client
from maskdepth_tf.clients.grpc_client import GrpcClient
from maskdepth_tf.errors import ServerError, UsageError
from tests.support.fixed_replies import (
    GRPC_STATUS,
    STATUS,
    free_port,
    grpc_server,
    rest_server,
)
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
                    connection = server.accept()[0]
                    try:
                        pool.submit(drip, connection)
                    except RuntimeError:  # one that came when all was over
                        connection.close()

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


def test_one_line():
    assert model_client.one_line("a\n\x1b[2J b\t") == "a [2J b"
    assert len(model_client.one_line("a" * 1000)) == 500
