"""Prepares batches for trainings in other processes or on other machines.

It is TensorFlow's data service with one worker; `data.services` of a training names
it. Whoever can connect can have it run any TensorFlow graph, which can read and write
files: it is for this machine alone unless told otherwise.
"""

import ipaddress
import signal
import socket
import sys
from pathlib import Path

from maskdepth_tf import cli, startup
from maskdepth_tf.errors import UsageError

STOP = (signal.SIGTERM, signal.SIGINT)


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("input-server", __doc__, "--port 5000 --host host1")
    text = (
        "port that data.services names; the next one is used, too; 0 picks two free "
        "ones"
    )
    parser.add("--port", "N", text, type=cli.number(int, 0, 65534), required=True)
    text = "name or address by which trainings reach this machine"
    parser.add("--host", "NAME", text, default="127.0.0.1")
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Serves until SIGTERM or SIGINT."""
    args = make_parser().parse_args(argv)
    is_local = is_loopback(args.host)
    ports = (args.port, args.port + 1) if args.port else (0, 0)
    for port in ports:
        check_free(port)
    if not is_local:
        print(
            f"warning: --host {args.host}: whoever can connect can read and write all "
            "that this process can; a firewall must keep others out",
            file=sys.stderr,
        )
    # All threads leave them to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    startup.load_tensorflow()
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=ports[0]))
    port = int(dispatcher.target.rpartition(":")[2])
    worker = service.WorkerServer(
        service.WorkerConfig(
            f"localhost:{port}", worker_address=f"{args.host}:%port%", port=ports[1]
        )
    )
    if is_local:
        keep_local()
    print(f"input service on {args.host}:{port}", flush=True)
    signal.sigwait(STOP)
    del worker, dispatcher  # in this order: a worker tells its dispatcher
    return 0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Raises:
        UsageError: If it is none.
    """
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError as error:
        raise UsageError(f"--host {host}: must be an address: {error}") from None


def check_free(port: int) -> None:
    """Refuses a port that another server has: gRPC would share it.

    Raises:
        UsageError: If it cannot be bound.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--port: this and the next must be free. Received: {port}: {error}"
        ) from None


def keep_local() -> None:
    """Closes this process' listening sockets to all but the loopback device.

    The service always listens on all addresses.

    Raises:
        UsageError: If the system does not allow it.
    """
    for path in Path("/proc/self/fd").iterdir():
        if not path.is_socket():
            continue
        with socket.fromfd(int(path.name), 0, 0) as listening:
            if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
            except OSError as error:
                raise UsageError(
                    "an input service cannot be kept to this machine here; with --host "
                    f"NAME it serves all that a firewall lets through: {error.strerror}"
                ) from None


if __name__ == "__main__":
    sys.exit(cli.run(main))
