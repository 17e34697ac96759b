"""Threads in place of processes."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from maskdepth_tf import workers


@contextlib.contextmanager
def thread_pool(num_workers, state=None, prepare=lambda state: state):
    """Threads in place of `workers.pool`: processes take long to import TensorFlow."""
    with ThreadPoolExecutor(num_workers) as threads:
        yield workers.Pool(threads, prepare(state))
