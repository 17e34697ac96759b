"""Requests that wait together run together.

Workers take the oldest request and, with it, whatever else waits for the same
signature of the same version with rows of the same shape. With no delay set a
request runs at once if a worker is free, so batches form only under load.
"""

import collections
import dataclasses
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from maskdepth_tf.serving.failures import ServingError, from_exception, invalid
from maskdepth_tf.serving.saved_model import SavedModel

CONFIG = "batching.config"

NUM_WORKERS = min(4, os.cpu_count() or 1)
"""Batches that run at the same time."""


class Limits(NamedTuple):
    """How much is batched and queued.

    Attributes:
        max_batch_size: Most rows of a batch, and of a request.
        max_queue: Most requests that wait.
        delay: How long an incomplete batch waits for more, in seconds.
        sizes: Numbers of rows that are run, ascending; others are padded.
        batches_all: Whether rows of all models may run together; else only those of
            versions whose manifest says that they are independent.
    """

    max_batch_size: int = 16
    max_queue: int = 128
    delay: float = 0.0
    sizes: tuple[int, ...] = ()
    batches_all: bool = False


# Compared by identity: arrays have no truth value.
@dataclasses.dataclass(frozen=True, eq=False)
class _Task:
    model: SavedModel
    signature: str
    arrays: dict[str, np.ndarray]
    rows: int
    key: object
    deadline: float
    arrived: float
    future: Future


class Batcher:
    """Queue and workers.

    Args:
        limits: See there.
        observe: Is called with the rows of each batch before it runs.
    """

    def __init__(
        self, limits: Limits, observe: Callable[[int], object] = lambda rows: None
    ) -> None:
        self._limits = limits
        self._sizes = limits.sizes or _powers_of_two(limits.max_batch_size)
        self._observe = observe
        self._queue: collections.deque[_Task] = collections.deque()
        self._collected: set = set()
        self._changed = threading.Condition()
        self._closed = False
        self._begun: dict[int, float] = {}
        self._workers = [
            threading.Thread(target=self._work, daemon=True, name="batching")
            for _ in range(NUM_WORKERS)
        ]
        for worker in self._workers:
            worker.start()

    def submit(
        self,
        model: SavedModel,
        signature: str,
        arrays: dict[str, np.ndarray],
        deadline: float,
    ) -> Future:
        """Queues a request.

        Args:
            model: The model that runs it.
            signature: Name of one of its signatures.
            arrays: The signature's inputs, as `SavedModel.run`.
            deadline: Time of `time.monotonic` from which it isn't run any more.

        Returns:
            Future of its outputs, or of a ServingError.

        Raises:
            ServingError: INVALID_ARGUMENT if its rows do not agree or are too many,
                RESOURCE_EXHAUSTED if the queue is full.
        """
        rows, key = self._rows_and_key(model, signature, arrays)
        now = time.monotonic()
        task = _Task(model, signature, arrays, rows, key, deadline, now, Future())
        with self._changed:
            if self._closed:
                raise ServingError("UNAVAILABLE", "the server is shutting down")
            if len(self._queue) >= self._limits.max_queue:
                raise ServingError(
                    "RESOURCE_EXHAUSTED",
                    f"the queue is full: {self._limits.max_queue} requests wait",
                )
            self._queue.append(task)
            self._changed.notify_all()
        return task.future

    def waiting(self) -> int:
        """Number of requests in the queue."""
        return len(self._queue)

    def is_busy(self) -> bool:
        """Whether a batch is running."""
        return bool(self._begun)

    def is_held(self, seconds: float) -> bool:
        """Whether all workers have been in the same batch for longer than this."""
        with self._changed:
            begun = list(self._begun.values())
        is_full = len(begun) == NUM_WORKERS
        return is_full and time.monotonic() - max(begun) > seconds

    def close(self) -> None:
        """Ends the workers; what is still queued is given up."""
        with self._changed:
            self._closed = True
            for task in self._queue:
                task.future.cancel()
            self._queue.clear()
            self._changed.notify_all()
        for worker in self._workers:
            # One that is in the middle of a long batch must not hold up the end.
            worker.join(1)

    def _rows_and_key(self, model, name, arrays):
        signature = model.signature(name)
        is_batched = self._limits.batches_all or model.has_independent_rows
        if not is_batched or not _has_rows(signature):
            return 1, object()
        sizes = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
        if len(sizes) > 1:
            raise invalid(
                f"all inputs must have the same rows. Received: {sorted(sizes)}"
            )
        (rows,) = sizes
        if rows > self._limits.max_batch_size:
            raise invalid(
                f"a request must have at most {self._limits.max_batch_size} rows. "
                f"Received: {rows}"
            )
        if not rows or not _has_fixed_outputs(signature):
            return rows, object()
        shapes = tuple((key, arrays[key].shape[1:]) for key in sorted(arrays))
        return rows, (id(model), name, shapes)

    def _work(self) -> None:
        while True:
            with self._changed:
                leader = self._take_leader()
                if leader is None:
                    return
                tasks = self._collect(leader)
            alive = [task for task in tasks if _is_wanted(task)]
            if not alive:
                continue
            own = threading.get_ident()
            with self._changed:
                self._begun[own] = time.monotonic()
            self._run(alive)
            with self._changed:
                del self._begun[own]

    def _take_leader(self) -> _Task | None:
        """The oldest that no other worker collects; None at the end."""
        while not self._closed:
            for task in self._queue:
                if task.key not in self._collected:
                    self._queue.remove(task)
                    return task
            self._changed.wait()
        return None

    def _collect(self, leader) -> list[_Task]:
        tasks, rows = [leader], leader.rows
        self._collected.add(leader.key)
        while True:
            for task in [task for task in self._queue if task.key == leader.key]:
                if rows + task.rows <= self._limits.max_batch_size:
                    self._queue.remove(task)
                    tasks.append(task)
                    rows += task.rows
            left = leader.arrived + self._limits.delay - time.monotonic()
            if self._closed or left <= 0 or rows >= self._limits.max_batch_size:
                break
            self._changed.wait(left)
        self._collected.remove(leader.key)
        # Another worker may now lead what did not fit.
        self._changed.notify_all()
        return tasks

    def _run(self, tasks) -> None:
        try:
            answers = self._outputs(tasks)
        except Exception as error:
            if len(tasks) == 1:
                tasks[0].future.set_exception(from_exception(error))
                return
            # One of them is at fault: the others must not suffer.
            for task in tasks:
                self._run([task])
            return
        for task, answer in zip(tasks, answers, strict=True):
            task.future.set_result(answer)

    def _outputs(self, tasks) -> list[dict[str, np.ndarray]]:
        """Each task's own rows of the outputs of all."""
        first, rows = tasks[0], sum(task.rows for task in tasks)
        self._observe(rows)
        if not isinstance(first.key, tuple):
            return [first.model.run(first.signature, first.arrays)]
        size = next((size for size in self._sizes if size >= rows), rows)
        inputs = {
            name: _stacked([task.arrays[name] for task in tasks], size)
            for name in first.arrays
        }
        outputs = first.model.run(first.signature, inputs)
        if any(value.shape[:1] != (size,) for value in outputs.values()):
            raise ServingError(
                "FAILED_PRECONDITION",
                "all outputs must have a row for each row of the inputs",
            )
        ends = np.cumsum([task.rows for task in tasks])
        return [
            {name: value[end - task.rows : end] for name, value in outputs.items()}
            for task, end in zip(tasks, ends, strict=True)
        ]


def read_config(path: str) -> tuple[int | None, tuple[int, ...]]:
    """The largest and the allowed batch sizes of a `batching.config` of TF Serving.

    Returns:
        The largest, None if it does not say, and the allowed ones, ascending.
    """
    with open(path) as file:
        text = re.sub(r"#.*", "", file.read())
    sizes = [int(size) for size in re.findall(r"allowed_batch_sizes\s*:\s*(\d+)", text)]
    largest = re.search(r"max_batch_size\s*\{\s*value\s*:\s*(\d+)", text)
    return int(largest[1]) if largest else None, tuple(sorted(sizes))


def _powers_of_two(largest) -> tuple[int, ...]:
    powers = (2**n for n in range(largest.bit_length()))
    return (*(power for power in powers if power < largest), largest)


def _has_rows(signature) -> bool:
    return bool(signature.inputs) and all(
        info.tensor_shape.dim and info.tensor_shape.dim[0].size == -1
        for info in signature.inputs.values()
    )


def _has_fixed_outputs(signature) -> bool:
    """Whether no other row can change an answer's shape."""
    return all(
        info.tensor_shape.dim
        and all(dim.size >= 0 for dim in info.tensor_shape.dim[1:])
        for info in signature.outputs.values()
    )


def _stacked(arrays, size) -> np.ndarray:
    """All rows, and the last one again until there are `size`."""
    rows = sum(len(array) for array in arrays)
    return np.concatenate([*arrays, *[arrays[-1][-1:]] * (size - rows)])


def _is_wanted(task) -> bool:
    """Whether somebody still waits for it; settles its future if not."""
    if not task.future.set_running_or_notify_cancel():
        return False
    if time.monotonic() >= task.deadline:
        task.future.set_exception(
            ServingError("DEADLINE_EXCEEDED", "the deadline passed in the queue")
        )
        return False
    return True
