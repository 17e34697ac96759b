"""What REST and gRPC clients share: their methods, one deadline, and tries."""

import os
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from maskdepth_tf.errors import DataError, ServerError, UsageError

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Picture = bytes | str | os.PathLike
"""An encoded picture, or the path of its file."""

FIRST_PAUSE = 0.1
"""Most seconds before the second try; doubled before each further one."""

_LONGEST_LINE = 500


class Answer(NamedTuple):
    """A server's answer to a pair, as PNG files of the size of its `fg_bg`.

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
    """A failure that another try may not meet: no connection, or a busy server.

    Args:
        message: One line.
        pause: Least seconds that the server wants clients to wait.
    """

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class ModelClient(ABC):
    """A model on a server.

    Args:
        place: The server's name in errors.
        model: The model's name.
        token: The token that the server wants clients to bear, if any.
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
        """Asks for mask, depth and cut-out of a picture.

        Args:
            bg: The scene alone, of any size.
            fg_bg: The scene with something in front, of any size.

        Raises:
            DataError: If a file cannot be read.
            RefusedError: If the server refuses these pictures; gives the reason.
            ServerError: If there is no answer; gives the reason.
        """
        pictures = {"bg_bytes": [_read(bg)], "fg_bg_bytes": [_read(fg_bg)]}
        outputs = self._outputs("serving_png", pictures, _ANSWERS)
        return Answer(*(outputs[name][0] for name in _ANSWERS))

    def predict_arrays(
        self, bg_bytes: Sequence[bytes], fg_bg_bytes: Sequence[bytes]
    ) -> dict[str, "np.ndarray"]:
        """Asks for masks and depths of B pictures, at the network's size S.

        Args:
            bg_bytes: B encoded scenes alone.
            fg_bg_bytes: B encoded scenes with something in front.

        Returns:
            `mask`, probability, and `depth`, 0 near and 1 far: float32 [B, S, S, 1].

        Raises:
            ServerError: If there is no answer; gives the reason.
        """
        pictures = {"bg_bytes": list(bg_bytes), "fg_bg_bytes": list(fg_bg_bytes)}
        outputs = self._outputs("serving_default", pictures, ("mask", "depth"))
        return {name: outputs[name] for name in ("mask", "depth")}

    def status(self) -> list[VersionStatus]:
        """Asks for the states of all versions of the model.

        Raises:
            ServerError: If there is no answer, or no such model.
        """
        return self._try(self._ask_status)

    @abstractmethod
    def _request_of(self, signature: str, pictures: Mapping) -> Any:
        """Makes a predict request of lists of bytes by name."""

    @abstractmethod
    def _ask(self, request: Any, end: float) -> dict:
        """Returns outputs by name: lists of bytes, or arrays.

        Args:
            request: Made by `_request_of`.
            end: Time of `time.monotonic` at which the answer is too late.

        Raises:
            Transient: If another try may go better.
            ServerError: If not.
            KeyError, TypeError, ValueError: If the reply is not of its form.
        """

    @abstractmethod
    def _ask_status(self, end: float) -> list[VersionStatus]:
        """As `status`; raises as `_ask`."""

    def _outputs(self, signature, pictures, names) -> dict:
        """Outputs by name, with an element in each of `names` for each picture."""
        request = self._request_of(signature, pictures)

        def ask(end):
            outputs = self._ask(request, end)
            if any(len(outputs[name]) != len(pictures["bg_bytes"]) for name in names):
                raise ValueError("not an element for each picture")
            return outputs

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
            # Clients that were refused together must not come back together.
            pause = random.uniform(0.5, 1) * FIRST_PAUSE * 2**number
            pause = max(pause, failure.pause)
            if number == self._retries or now + pause >= end:
                break
            time.sleep(pause)
        raise ServerError(f"{self._place}: {failure}") from failure

    def _too_late(self) -> ServerError:
        return ServerError(f"{self._place}: no answer within {self._timeout:g} s")


_ANSWERS = tuple(f"{name}_png_bytes" for name in Answer._fields)


def one_line(text: str) -> str:
    """Makes a foreign text fit to be part of an error."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_LONGEST_LINE]


def _read(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    try:
        with open(picture, "rb") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{os.fspath(picture)}: {error.strerror}") from None
