"""Asks a server for the mask, depth and cut-out of a picture; needs no TensorFlow.

The server is ours or TF Serving, with a model that `maskdepth_tf.export` wrote:

    answer = Client("http://127.0.0.1:8501").predict("bg.jpg", "fg_bg.jpg")
    Path("mask.png").write_bytes(answer.mask)

`Client` speaks REST with nothing but Python's standard library (and NumPy where arrays
are asked for); `maskdepth_tf.clients.grpc_client.GrpcClient` has the same methods. A
predict request may be sent again without harm, so what fails to get through is.
"""

import base64
import contextlib
import http.client
import json
import os
import random
import re
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from maskdepth_tf import cli, files
from maskdepth_tf.errors import DataError, ServerError, UsageError
from maskdepth_tf.images import pairs

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Picture = bytes | str | os.PathLike
"""An encoded picture, or the path of its file."""

FIRST_PAUSE = 0.1
"""Most seconds before the second try; doubled before each further one."""

_MOST_SAID = 500
_IS_BUSY = (429, 503)
_CONNECTIONS: dict[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


class Answer(NamedTuple):
    """What a server makes of a pair, as PNG files of the size of its `fg_bg`.

    Attributes:
        mask: 8-bit grey, probability of foreground.
        depth: 16-bit grey, relative depth, bright is far.
        cutout: RGBA, the picture with the mask as its transparency.
    """

    mask: bytes
    depth: bytes
    cutout: bytes


class VersionStatus(NamedTuple):
    """State of a version of a model.

    Attributes:
        version: Its number.
        state: "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        message: Why it could not be loaded, if so.
    """

    version: int
    state: str
    message: str


class Transient(Exception):
    """A failure that another try may not meet: no connection, or a busy server."""


class ModelClient(ABC):
    """A model on a server.

    Args:
        place: What errors call the server.
        model: The model's name.
        token: What the server wants clients to bear, if anything.
        timeout: Seconds that a method may take, all its tries together.
        retries: How often a request is sent again at most, if the connection fails
            or the server is busy.

    Raises:
        UsageError: If `timeout` or `retries` is out of range, or `token` is anything
            but visible ASCII.
    """

    def __init__(
        self, place: str, model: str, token: str | None, timeout: float, retries: int
    ) -> None:
        if not 0 < timeout <= threading.TIMEOUT_MAX:
            raise UsageError(f"timeout must be positive. Received: {timeout}")
        if retries < 0:
            raise UsageError(f"retries must not be negative. Received: {retries}")
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise UsageError("the token must be visible ASCII")
        self._place = place
        self._model = model
        self._authorization = {"authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._retries = retries

    def predict(self, bg: Picture, fg_bg: Picture) -> Answer:
        """Mask, depth and cut-out of a picture.

        Args:
            bg: The scene alone, of any size.
            fg_bg: The scene with something in front, of any size.

        Raises:
            DataError: If a file cannot be read.
            ServerError: If there is no answer; says why.
        """
        pictures = {"bg_bytes": [_read(bg)], "fg_bg_bytes": [_read(fg_bg)]}
        found = self._outputs("serving_png", pictures, _ANSWERS)
        return Answer(*(found[name][0] for name in _ANSWERS))

    def predict_arrays(
        self, bg_bytes: Sequence[bytes], fg_bg_bytes: Sequence[bytes]
    ) -> dict[str, "np.ndarray"]:
        """Masks and depths of B pictures, at the network's size S.

        Args:
            bg_bytes: B encoded scenes alone.
            fg_bg_bytes: B encoded scenes with something in front.

        Returns:
            `mask`, probability, and `depth`, 0 near and 1 far: float32 [B, S, S, 1].

        Raises:
            ServerError: If there is no answer; says why.
        """
        pictures = {"bg_bytes": list(bg_bytes), "fg_bg_bytes": list(fg_bg_bytes)}
        found = self._outputs("serving_default", pictures, ("mask", "depth"))
        return {name: found[name] for name in ("mask", "depth")}

    def status(self) -> list[VersionStatus]:
        """States of all versions of the model.

        Raises:
            ServerError: If there is no answer, or no such model.
        """
        return self._try(self._ask_status)

    @abstractmethod
    def _request_of(self, signature: str, pictures: Mapping) -> bytes:
        """A predict request, from lists of bytes by name."""

    @abstractmethod
    def _ask(self, request: bytes, end: float) -> dict:
        """Outputs by name: lists of bytes, or arrays.

        Raises:
            Transient: If another try may go better.
            ServerError: If not.
            KeyError, TypeError, ValueError: If the reply is not of its form.
        """

    @abstractmethod
    def _ask_status(self, end: float) -> list[VersionStatus]:
        """As `status`; raises as `_ask`."""

    def _outputs(self, signature, pictures, names) -> dict:
        """As `_ask`, with an element in each of `names` for each picture."""
        request = self._request_of(signature, pictures)

        def ask(end):
            found = self._ask(request, end)
            if any(len(found[name]) != len(pictures["bg_bytes"]) for name in names):
                raise ValueError("not an element for each picture")
            return found

        return self._try(ask)

    def _try(self, ask: Callable[[float], T]) -> T:
        end = time.monotonic() + self._timeout
        for number in range(self._retries + 1):
            try:
                return ask(end)
            except Transient as error:
                failure = error
            except (KeyError, TypeError, ValueError) as error:
                raise ServerError(
                    f"{self._place}: the reply is none of a server of {self._model}: "
                    f"{one_line(repr(error))}"
                ) from error
            now = time.monotonic()
            if now >= end:
                raise self._too_late() from failure
            # Those who were turned away together must not come back together.
            pause = random.uniform(0.5, 1) * FIRST_PAUSE * 2**number
            if number == self._retries or now + pause >= end:
                break
            time.sleep(pause)
        raise ServerError(f"{self._place}: {failure}") from failure

    def _too_late(self) -> ServerError:
        return ServerError(f"{self._place}: no answer within {self._timeout:g} s")


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
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
            self._connection = _CONNECTIONS[parts.scheme]
        except (KeyError, ValueError):
            self._host = ""
        if not self._host:
            raise UsageError(f"the URL must be http://HOST:PORT. Received: {url}")
        self._path = f"{parts.path.rstrip('/')}/v1/models/{quote(model, safe='')}"
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
        found = self._request("GET", self._path, None, end)["model_version_status"]
        return [
            VersionStatus(
                int(one["version"]), one["state"], one["status"]["error_message"]
            )
            for one in found
        ]

    def _request(self, method, path, body, end) -> dict:
        try:
            status, data = self._exchange(method, path, body, end)
        except (OSError, http.client.HTTPException) as error:
            is_cut_off = isinstance(error, OSError | http.client.IncompleteRead)
            # The deadline cuts off, too, and in the middle of anything.
            if is_cut_off or time.monotonic() >= end:
                raise Transient(one_line(str(error)) or type(error).__name__) from error
            raise ServerError(f"{self._place}: does not speak HTTP") from error
        if status in _IS_BUSY:
            raise Transient(f"{status}: {_said(data)}")
        if status != 200:
            raise ServerError(f"{self._place}: {status}: {_said(data)}")
        if time.monotonic() >= end:
            raise self._too_late()
        return json.loads(data)

    def _exchange(self, method, path, body, end) -> tuple[int, bytes]:
        seconds = max(end - time.monotonic(), 1e-3)
        connection = self._connection(self._host, self._port, timeout=seconds)
        with contextlib.closing(connection):
            connection.connect()
            # A socket's timeout is that of each read: without this, a server that
            # sends a byte now and then would be listened to for ever.
            timer = threading.Timer(end - time.monotonic(), _shut, [connection.sock])
            timer.daemon = True
            timer.start()
            try:
                # A server that refuses a request unread says why, and hangs up.
                with contextlib.suppress(ConnectionError):
                    connection.request(method, path, body, self._headers)
                reply = connection.getresponse()
                return reply.status, reply.read()
            finally:
                timer.cancel()


_ANSWERS = tuple(f"{name}_png_bytes" for name in Answer._fields)


def main(argv: list[str] | None = None) -> int | None:
    """Asks for all pairs that the arguments name and writes what is answered."""
    args = make_parser().parse_args(argv)
    token = None
    if args.token_file:
        from maskdepth_tf import serve

        token = serve.read_token(args.token_file)
    client = Client(args.url, args.model, token, args.timeout)
    found = pairs.find_pairs(args.bg, args.fg_bg)
    pairs.prepare_output(args.output, (args.bg, args.fg_bg), found, args.force)
    for pair in found:
        answer = client.predict(pair.bg, pair.fg_bg)
        paths = pairs.output_paths(args.output, pair.name)
        for name, data in answer._asdict().items():
            files.write_atomically(paths[name], data)
            print(paths[name])
    return 0


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--bg empty_room.jpg --fg-bg photo.jpg --output answers"
    parser = cli.Parser("client", __doc__, example)
    cli.add_pairs(parser, "where to write NAME_mask.png, _depth and _cutout")
    place = "http://127.0.0.1:8501"
    parser.add("--url", "URL", "the server's REST interface", default=place)
    name = "the model's name on the server"
    parser.add("--model", "NAME", name, default="maskdepth")
    patience = "seconds for a picture, all tries together"
    parser.add("--timeout", "SECONDS", patience, type=float, default=30.0)
    parser.add("--token-file", "FILE", "holds the bearer token the server wants")
    return parser


def one_line(text: str) -> str:
    """What somebody else says, fit to be part of an error."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_MOST_SAID]


def _read(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    try:
        with open(picture, "rb") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{os.fspath(picture)}: {error.strerror}") from None


def _values(name, value):
    """An output of a reply; names that end so hold bytes, as TF Serving has it."""
    if name.endswith("_bytes"):
        return [base64.b64decode(element["b64"], validate=True) for element in value]
    import numpy as np

    return np.array(value, np.float32)


def _said(data) -> str:
    """A reply's error, or whatever a proxy put in its place."""
    text = data.decode(errors="replace")
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(json.loads(text)["error"])
    return one_line(text)


def _shut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    sys.exit(cli.run(main))
