"""REST and gRPC in one process: start, readiness, and an end that loses nothing.

When asked to end, the server says that it is not ready and refuses new requests in
words; those that it has accepted are answered, and only then are the ports closed.
"""

import asyncio
import contextlib
import functools
import ipaddress
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, NoReturn

import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from maskdepth_tf.errors import UsageError
from maskdepth_tf.serving import connections, grpc_api
from maskdepth_tf.serving.models import Models
from maskdepth_tf.serving.rest import Rest
from maskdepth_tf.serving.running.batching import Limits
from maskdepth_tf.serving.running.threads import Threads
from maskdepth_tf.serving.service import Check, Service

_HEALTH_NAMES = (health.OVERALL_HEALTH, "tensorflow.serving.PredictionService")


class Settings(NamedTuple):
    """Where and how to serve.

    Attributes:
        host: Address to listen on.
        rest_port: 0 for a free one.
        grpc_port: 0 for a free one.
        limits: Of batches and the queue.
        max_body: Most bytes of a request.
        grace: Seconds that open requests have when the server ends.
        token: The token that clients must bear, if any.
        poll: Seconds between looks at the models' folders.
        check: As `Service`; the default refuses nothing.
        fills_tensor_content: As `protos.fill`.
        allows_origins: Whether pages from anywhere may ask, as CORS has it.
    """

    host: str
    rest_port: int
    grpc_port: int
    limits: Limits
    max_body: int
    grace: float
    token: str | None
    poll: float
    check: Check = lambda arrays: None
    fills_tensor_content: bool = False
    allows_origins: bool = False


class Running(NamedTuple):
    """A server that listens.

    Attributes:
        service: Answers the requests.
        rest: Its REST address, "http://HOST:PORT".
        grpc: Its gRPC address, "HOST:PORT".
    """

    service: Service
    rest: str
    grpc: str


async def serve(models: Models, settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT; prints the addresses once models are loaded.

    Returns:
        Exit code: 0 if all requests that were accepted were answered, else 1.

    Raises:
        UsageError: If a port cannot be listened on.
    """
    stop, loading = asyncio.Event(), asyncio.Event()
    main: Any = asyncio.current_task()

    def end():
        stop.set()
        if loading.is_set():
            main.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, end)
    loading.set()
    try:
        async with running(models, settings) as server:
            loading.clear()
            for name, versions in sorted(models.available().items()):
                print(f"{name}: version {', '.join(map(str, versions))}")
            print(f"REST on {server.rest}, gRPC on {server.grpc}", flush=True)
            await stop.wait()
    except asyncio.CancelledError:
        # It was told to end while it loaded models, and a thread still does.
        _end_at_once(0)
    cut_off = server.service.cut_off
    if cut_off:
        print(f"warning: {cut_off} requests were cut off", file=sys.stderr)
    code = 1 if cut_off else 0
    if server.service.is_busy():
        _end_at_once(code)
    return code


def _end_at_once(code) -> NoReturn:
    """Ends the process whatever its threads do."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.asynccontextmanager
async def running(models: Models, settings: Settings) -> AsyncIterator[Running]:
    """Listens; enters after the first look for models; answers all before it ends.

    Raises:
        UsageError: If a port cannot be listened on.
    """
    listener = listen(settings.host, settings.rest_port)
    service = Service(models, settings.limits, settings.check)
    poller, polling = Threads(1, "polling"), None
    try:
        grpc_server = grpc_api.make_server(
            service, settings.max_body, settings.token, settings.fills_tensor_content
        )
        address = _resolve(settings.host)
        try:
            grpc_address = _with_port(address, settings.grpc_port)
            grpc_port = grpc_server.add_insecure_port(grpc_address)
        except RuntimeError:
            raise UsageError(f"--grpc-port: cannot listen on {grpc_address}") from None
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, grpc_server)
        await _report(service, servicer)
        await grpc_server.start()
        rest = _rest_server(service, settings)
        serving = asyncio.create_task(rest.serve([listener]))
        await poller.call(models.poll)
        await _report(service, servicer)
        polling = asyncio.create_task(
            _keep_polling(service, servicer, poller, settings.poll)
        )
        rest_address = _with_port(address, listener.getsockname()[1])
        yield Running(service, f"http://{rest_address}", _with_port(address, grpc_port))
        await _drain(service, servicer, settings.grace)
        await grpc_server.stop(1)
        rest.should_exit = True
        await serving
    finally:
        if polling:
            polling.cancel()
        listener.close()
        poller.close()
        service.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Raises:
        UsageError: If it is none.
    """
    return ipaddress.ip_address(_resolve(host)).is_loopback


class _Uvicorn(uvicorn.Server):
    def capture_signals(self):
        # They are for the whole process, of which this is a part.
        return contextlib.nullcontext()


def _rest_server(service, settings) -> uvicorn.Server:
    app = Rest(service, settings.max_body, settings.token, settings.allows_origins)
    # Uvicorn calls it as it would a class.
    connect: Any = functools.partial(connections.Connection, service, settings.max_body)
    return _Uvicorn(
        uvicorn.Config(
            app,
            http=connect,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=connections.HEADER_SECONDS,
            h11_max_incomplete_event_size=connections.MAX_HEADER_BYTES,
        )
    )


async def _keep_polling(service, servicer, poller, seconds) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await poller.call(service.models.poll)
            await _report(service, servicer)
        except Exception:
            # A defect of ours, to be seen; what is loaded can still be served.
            traceback.print_exc()


async def _report(service, servicer) -> None:
    states = health_pb2.HealthCheckResponse
    state = states.SERVING if service.is_ready() else states.NOT_SERVING
    for name in _HEALTH_NAMES:
        await servicer.set(name, state)


async def _drain(service, servicer, grace) -> None:
    """Refuses new requests and waits for the open ones, as long as the grace lasts."""
    service.is_draining = True
    await servicer.enter_graceful_shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            while service.in_flight:
                await asyncio.sleep(0.01)
    service.cut_off = service.in_flight


def _resolve(host) -> str:
    """Returns the first address of a host's name."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise UsageError(
            f"--host must be an address of this machine. Received: {host}: "
            f"{error.strerror}"
        ) from None


def _with_port(address, port) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Opens a port; 0 is a free one.

    Raises:
        UsageError: If it cannot be listened on.
    """
    address = _resolve(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise UsageError(
            f"--rest-port: cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    # Its connections inherit it. asyncio does not see that they are TCP, and a reply's
    # body would wait 40 ms for the client to acknowledge the headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
