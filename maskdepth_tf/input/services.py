"""Input services: other processes or machines that prepare a training's batches.

Each is a `maskdepth_tf.input_server`, named "HOST:PORT". Services take turns, so that
the order of batches does not depend on how fast they are; that a batch is a pure
function of seed and step makes them the same, whoever prepares them.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from maskdepth_tf.errors import ServerError, WorkerLostError

if TYPE_CHECKING:
    import tensorflow as tf

START_SECONDS = 10.0
"""How long a training waits for its services to be there [s]."""
WATCH_SECONDS = 2.0
"""Time between looks at the services [s], and longest that a connection may take."""
MISSES = 3
"""Looks in a row after which a service that is not there is lost."""


def take_turns(
    turns: "tf.data.Dataset",
    prepare: Callable[["tf.data.Dataset"], "tf.data.Dataset"],
    services: Sequence[str],
) -> "tf.data.Dataset":
    """Applies `prepare` to turns; of n services, each does every n-th turn.

    Args:
        turns: Numbers of batches.
        prepare: From numbers to batches; a graph without Python functions, small
            enough to be sent. Files are read by the service.
        services: Where it is done; here if there are none.

    Returns:
        The same elements in the same order.
    """
    if not services:
        return prepare(turns)
    import tensorflow as tf

    service = tf.data.experimental.service
    # One worker a service, which does all that it is given, in order.
    parts = [
        prepare(turns.shard(len(services), number)).apply(
            service.distribute(service.ShardingPolicy.OFF, f"grpc://{name}")
        )
        for number, name in enumerate(services)
    ]
    order = tf.data.Dataset.range(len(services)).repeat()
    # Ends with the first that has no more: all before it had their turn.
    return tf.data.Dataset.choose_from_datasets(parts, order).prefetch(tf.data.AUTOTUNE)


def wait_for(services: Sequence[str]) -> None:
    """Waits until all services can be connected to.

    Raises:
        ServerError: If one cannot within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    for service in services:
        while not _answers(service):
            if time.monotonic() > deadline:
                raise ServerError(
                    f"data.services: {service} must be an input service, as "
                    "`maskdepth input-server` starts. Received: no connection in "
                    f"{START_SECONDS:g} s"
                )
            time.sleep(0.1)


@contextlib.contextmanager
def watched(services: Sequence[str]) -> Iterator[None]:
    """Ends the process if a service is lost.

    Raises:
        WorkerLostError: If a service was started anew and knows nothing of us.
    """
    if not services:
        yield
        return
    import tensorflow as tf

    over = threading.Event()
    threading.Thread(target=_watch, args=(services, over), daemon=True).start()
    try:
        yield
    except tf.errors.NotFoundError as error:
        if "Unknown iteration client" not in error.message:
            raise
        raise WorkerLostError(_lost("one of them")) from error
    finally:
        over.set()


def _watch(services, over) -> None:
    misses = dict.fromkeys(services, 0)
    while not over.wait(WATCH_SECONDS):
        for service in services:
            misses[service] = 0 if _answers(service) else misses[service] + 1
            if misses[service] == MISSES and not over.is_set():
                # TensorFlow waits an hour for a batch, deaf to exceptions, and once
                # more when it ends. What is on the disk is whole at any moment.
                print(f"error: {_lost(service)}", file=sys.stderr, flush=True)
                os._exit(WorkerLostError.exit_code)


def _lost(service) -> str:
    return (
        f"data.services: {service} is gone or was started anew; when all are there, "
        "go on with --resume"
    )


def _answers(service) -> bool:
    host, _, port = service.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=WATCH_SECONDS).close()
    except OSError:
        return False
    return True
