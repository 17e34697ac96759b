"""Asks a server by REST; needs urllib3, and NumPy where arrays are asked for."""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from urllib.parse import quote

import urllib3
from urllib3 import exceptions

from maskdepth_tf.clients.model_client import (
    ModelClient,
    Transient,
    VersionStatus,
    one_line,
)
from maskdepth_tf.errors import RefusedError, ServerError, UsageError

_IS_BUSY = (429, 503)
_IS_REFUSED = (400, 413)


class Client(ModelClient):
    """A model on a server, by REST; each request has a connection of its own.

    Args:
        url: Of the server, "http://HOST:PORT" or "https://HOST:PORT".
        model: As `ModelClient`; so are the others.

    Raises:
        UsageError: If an argument is none of these.
    """

    def __init__(
        self,
        url: str,
        model: str = "maskdepth",
        token: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
    ) -> None:
        super().__init__(url, model, token, timeout, retries)
        try:
            self._url = urllib3.util.parse_url(url)
        except exceptions.LocationParseError:
            self._url = urllib3.util.Url()
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise UsageError(f"the URL must be http://HOST:PORT. Received: {url}")
        prefix = (self._url.path or "").rstrip("/")
        self._path = f"{prefix}/v1/models/{quote(model, safe='')}"
        self._headers = {"Content-Type": "application/json"} | self._authorization

    def _request_of(self, signature, pictures):
        inputs = {
            name: [{"b64": base64.b64encode(data).decode()} for data in values]
            for name, values in pictures.items()
        }
        return json.dumps({"signature_name": signature, "inputs": inputs}).encode()

    def _ask(self, request, end):
        reply = self._request("POST", f"{self._path}:predict", request, end)
        outputs = reply["outputs"]
        return {name: _values(name, value) for name, value in outputs.items()}

    def _ask_status(self, end):
        reply = self._request("GET", self._path, None, end)
        return [
            VersionStatus(
                int(one["version"]), one["state"], one["status"]["error_message"]
            )
            for one in reply["model_version_status"]
        ]

    def _request(self, method, path, body, end) -> dict:
        try:
            reply = self._exchange(method, path, body, end)
        except exceptions.HTTPError as error:
            cause = error.__cause__ or error.args[-1]
            # A connection that was cut off also lacks a line of HTTP.
            is_foreign = isinstance(cause, http.client.HTTPException)
            is_foreign &= not isinstance(cause, OSError | http.client.IncompleteRead)
            # The deadline cuts off, too, and in the middle of anything.
            if is_foreign and time.monotonic() < end:
                raise ServerError(f"{self._place}: does not speak HTTP") from error
            raise Transient(one_line(str(cause)) or type(cause).__name__) from error
        if reply.status in _IS_BUSY:
            raise Transient(f"{reply.status}: {_message(reply.data)}", _pause(reply))
        if reply.status != 200:
            kind = RefusedError if reply.status in _IS_REFUSED else ServerError
            raise kind(f"{self._place}: {reply.status}: {_message(reply.data)}")
        if time.monotonic() >= end:
            raise self._too_late()
        return json.loads(reply.data)

    def _exchange(self, method, path, body, end):
        timeout = urllib3.Timeout(total=max(end - time.monotonic(), 1e-3))
        with (
            urllib3.connection_from_url(
                self._url.url, timeout=timeout, retries=False
            ) as pool,
            contextlib.ExitStack() as timers,
        ):

            class Connection(pool.ConnectionCls):
                def connect(self):
                    super().connect()
                    # A timeout is that of each read: without this, a server that sends
                    # a byte now and then would be listened to for ever.
                    timer = threading.Timer(end - time.monotonic(), _shut, [self.sock])
                    timer.daemon = True
                    timer.start()
                    timers.callback(timer.cancel)

            pool.ConnectionCls = Connection
            return pool.urlopen(method, path, body, self._headers)


def _shut(connection) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _pause(reply) -> float:
    """Seconds that the server wants its clients to wait."""
    with contextlib.suppress(exceptions.InvalidHeader):
        return urllib3.Retry().get_retry_after(reply) or 0.0
    return 0.0


def _values(name, value):
    """An output of a reply; TF Serving's names of bytes end in `_bytes`."""
    if name.endswith("_bytes"):
        return [base64.b64decode(element["b64"], validate=True) for element in value]
    import numpy as np

    return np.array(value, np.float32)


def _message(data) -> str:
    """A reply's error, or whatever a proxy put in its place."""
    text = data.decode(errors="replace")
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(json.loads(text)["error"])
    return one_line(text)
