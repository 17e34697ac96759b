"""Servers of the live page, each in a thread."""

import contextlib
import threading

from maskdepth_tf.browser import page_server


@contextlib.contextmanager
def running(files, side, answer):
    """A server on a free port, while the body runs."""
    server = page_server.PageServer(0)
    server.provide(files, side, answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
