"""What REST and gRPC share: the one way in which a request is answered."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import prometheus_client as prometheus

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers
from maskdepth_tf.serving.batching import Batcher, Limits
from maskdepth_tf.serving.failures import ServingError, from_exception
from maskdepth_tf.serving.models import Models
from maskdepth_tf.serving.saved_model import SavedModel

T = TypeVar("T")

PICTURES = frozenset(f"{stream.name}_bytes" for stream in streams.INPUTS)
"""Inputs that are encoded pictures."""

TOO_MANY = "too many requests are under way"
"""What those are told who come while the queue is full."""


class Service:
    """Models, their batches, and what is counted.

    Attributes:
        models: What is served.
        batcher: What runs it.
        is_draining: Whether new requests are refused, for the server ends.
        in_flight: Requests that were accepted and not answered yet.
        cut_off: How many of them were left when the server ended.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models = models
        self.registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "maskdepth_requests",
            "Requests.",
            ["model", "api", "code"],
            registry=self.registry,
        )
        self._seconds = prometheus.Histogram(
            "maskdepth_request_seconds",
            "Time to answer.",
            ["model", "api"],
            registry=self.registry,
        )
        rows = prometheus.Histogram(
            "maskdepth_batch_rows",
            "Rows that ran together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.batcher = Batcher(limits, rows.observe)
        queue = prometheus.Gauge(
            "maskdepth_queue", "Requests that wait.", registry=self.registry
        )
        queue.set_function(self.batcher.waiting)
        in_flight = prometheus.Gauge(
            "maskdepth_in_flight", "Open requests.", registry=self.registry
        )
        in_flight.set_function(lambda: self.in_flight)
        self._max_queue = limits.max_queue
        self._decoding = 0
        self.is_draining = False
        self.in_flight = 0
        self.cut_off = 0

    def is_ready(self) -> bool:
        """Whether some version answers and new requests are taken."""
        return not self.is_draining and bool(self.models.available())

    def is_full(self) -> bool:
        """Whether as many requests as may be queued are, or are decoded for it."""
        return self.batcher.waiting() + self._decoding >= self._max_queue

    def count_refused(self, api: str) -> None:
        """Counts a request that was refused unread for the queue is full."""
        self._requests.labels("", api, "RESOURCE_EXHAUSTED").inc()

    @contextlib.contextmanager
    def counted(self, model: str, api: str) -> Iterator[None]:
        """Counts a request and how it ends.

        Args:
            model: What the client calls the model.
            api: "rest" or "grpc".

        Raises:
            ServingError: Whatever was raised within, as the client is to hear it;
                UNAVAILABLE without entering if the server ends.
        """
        # Names that strangers invent must not fill the memory.
        known = model if model in self.models.available() else ""
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
            self._requests.labels(known, api, code).inc()
            self._seconds.labels(known, api).observe(time.monotonic() - start)

    async def decode(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls in a thread what makes arrays of a request.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if the queue is full.
        """
        if self.is_full():
            raise ServingError("RESOURCE_EXHAUSTED", TOO_MANY)
        self._decoding += 1
        try:
            return await asyncio.to_thread(function, *arguments)
        finally:
            self._decoding -= 1

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
            ServingError: As `Batcher.submit`; INVALID_ARGUMENT if a picture is none or
                over a limit; DEADLINE_EXCEEDED; or what failed.
        """
        if PICTURES & set(arrays):
            await self.decode(_check_pictures, arrays)
        future = self.batcher.submit(model, signature, arrays, deadline)
        try:
            async with asyncio.timeout(max(0, deadline - time.monotonic())):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise ServingError("DEADLINE_EXCEEDED", "the deadline passed") from None


def _check_pictures(arrays) -> None:
    """Looks at headers: the graph would decode a picture of any size."""
    for name in sorted(PICTURES & set(arrays)):
        for number, data in enumerate(arrays[name].flat):
            try:
                headers.check_bytes(data, f"{name}[{number}]")
            except DataError as error:
                raise ServingError("INVALID_ARGUMENT", str(error)) from None
