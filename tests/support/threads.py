"""Threads in place of processes."""

from concurrent.futures import ThreadPoolExecutor


def thread_pool(num_workers, prepare=None, arguments=()):
    """Threads in place of `workers.pool`: processes take long to import TensorFlow."""
    if prepare is not None:
        prepare(*arguments)
    return ThreadPoolExecutor(num_workers)
