"""The one way in which a request is answered, by REST and by gRPC."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import prometheus_client as prometheus

from maskdepth_tf.errors import DataError
from maskdepth_tf.serving.failures import ServingError, from_exception, invalid
from maskdepth_tf.serving.models import Models
from maskdepth_tf.serving.running.batching import Batcher, Limits
from maskdepth_tf.serving.running.threads import Threads
from maskdepth_tf.serving.saved_model import SavedModel

T = TypeVar("T")

Check = Callable[[dict[str, np.ndarray]], None]
"""Raises a DataError for inputs that a model must not see."""

REQUEST_SECONDS = 30
"""Most time that an answer may take, from the end of the request's body."""

CODING_THREADS = 6
"""Requests and replies that are decoded, checked or encoded at the same time."""

TOO_MANY = "too many requests are under way"
"""The error of requests that come while the queue is full."""


class Service:
    """Models, their batches, and counts of requests.

    Args:
        models: The models that are served.
        limits: Of batches and the queue.
        check: Is called, in a thread, with the inputs of a request that has strings.

    Attributes:
        models: The models that are served.
        registry: Prometheus' counts.
        batcher: Runs the requests.
        is_draining: Whether new requests are refused, for the server ends.
        in_flight: Requests that were accepted and not answered yet.
        cut_off: How many of them were left when the server ended.
    """

    def __init__(self, models: Models, limits: Limits, check: Check) -> None:
        self.models = models
        self._check = check
        self.registry = prometheus.CollectorRegistry()
        self.is_draining = False
        self.in_flight = 0
        self.cut_off = 0
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = prometheus.Counter(
            "maskdepth_requests", "Requests.", ["model", "api", "code"], **own
        )
        self._seconds = prometheus.Histogram(
            "maskdepth_request_seconds", "Time to answer.", ["model", "api"], **own
        )
        buckets = (1, 2, 4, 8, 16, 32, 64, 128)
        rows = prometheus.Histogram(
            "maskdepth_batch_rows", "Rows that ran together.", buckets=buckets, **own
        )
        self.batcher = Batcher(limits, rows.observe)
        for name, text, value in (
            ("maskdepth_queue", "Requests that wait.", self.batcher.waiting),
            ("maskdepth_in_flight", "Open requests.", lambda: self.in_flight),
        ):
            prometheus.Gauge(name, text, **own).set_function(value)
        self._max_queue = limits.max_queue
        self._threads = Threads(CODING_THREADS, "coding")

    def is_ready(self) -> bool:
        """Whether some version answers, and somebody is there to ask it in time."""
        is_held = self._threads.are_held(REQUEST_SECONDS)
        is_held |= self.batcher.is_held(REQUEST_SECONDS)
        return not (self.is_draining or is_held) and bool(self.models.available())

    def is_full(self) -> bool:
        """Whether as many requests as may be queued are, or are coded."""
        return self.batcher.waiting() + self._threads.pending() >= self._max_queue

    def count_refused(self, api: str) -> None:
        """Counts a request that was refused unread because the queue is full."""
        self._requests.labels("", api, "RESOURCE_EXHAUSTED").inc()

    @contextlib.contextmanager
    def counted(self, model: str, api: str) -> Iterator[None]:
        """Counts a request and how it ends.

        Args:
            model: The model's name, as the client wrote it.
            api: "rest" or "grpc".

        Raises:
            ServingError: Whatever was raised within, made fit for the client;
                UNAVAILABLE without entering if the server ends.
        """
        # Names that strangers invent must not fill the memory.
        label = model if model in self.models.available() else ""
        start, code = time.monotonic(), "OK"
        self.in_flight += 1
        try:
            if self.is_draining:
                raise ServingError("UNAVAILABLE", "the server is shutting down")
            yield
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except Exception as error:
            failure = from_exception(error)
            code = failure.code
            raise failure from error
        finally:
            self.in_flight -= 1
            self._requests.labels(label, api, code).inc()
            self._seconds.labels(label, api).observe(time.monotonic() - start)

    async def decode(
        self, deadline: float, function: Callable[..., T], *arguments: object
    ) -> T:
        """Calls a function in a thread; it counts for the queue until it ends.

        Args:
            deadline: Time of `time.monotonic` until which it is waited for.
            function: Is called with the arguments.
            *arguments: Theirs.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if the queue is full, DEADLINE_EXCEEDED.
        """
        if self.is_full():
            raise ServingError("RESOURCE_EXHAUSTED", TOO_MANY)
        return await _within(deadline, self._threads.call(function, *arguments))

    async def encode(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls a function in a thread, for a request that has been answered."""
        return await self._threads.call(function, *arguments)

    def is_busy(self) -> bool:
        """Whether a thread is still at work, be it for nobody."""
        return self._threads.pending() > 0 or self.batcher.is_busy()

    def close(self) -> None:
        """Ends the threads; what is still queued is given up."""
        self._threads.close()
        self.batcher.close()

    async def execute(
        self,
        model: SavedModel,
        signature: str,
        arrays: dict[str, np.ndarray],
        deadline: float,
    ) -> dict[str, np.ndarray]:
        """Outputs of a signature, as `SavedModel.run`.

        Args:
            model: A pinned version.
            signature: Its name.
            arrays: Its inputs.
            deadline: Time of `time.monotonic`.

        Raises:
            ServingError: As `Batcher.submit`; INVALID_ARGUMENT if the check refuses the
                inputs; DEADLINE_EXCEEDED; or the model's own failure.
        """
        # Numbers are what they seem; strings may hold anything.
        if any(array.dtype == object for array in arrays.values()):
            try:
                await self.decode(deadline, self._check, arrays)
            except DataError as error:
                raise invalid(str(error)) from None
        future = self.batcher.submit(model, signature, arrays, deadline)
        return await _within(deadline, asyncio.wrap_future(future))


async def _within(deadline: float, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(max(0, deadline - time.monotonic())):
            return await answer
    except TimeoutError:
        raise ServingError("DEADLINE_EXCEEDED", "the deadline passed") from None
