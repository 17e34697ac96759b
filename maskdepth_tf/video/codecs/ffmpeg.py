"""The ffmpeg command: where it is, and how it is started and ended.

It decodes and encodes in processes of its own, joined by pipes. A Ctrl-C reaches this
process alone, which ends the others.
"""

import collections
import errno
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from typing import IO, Any

from maskdepth_tf.errors import DataError, StateError

MISSING = (
    "videos need the ffmpeg command: it must be on the path (apt-get install ffmpeg), "
    "or comes with the extra: pip install 'maskdepth_tf[video]'"
)
_FULL = "No space left on device"
_LAST_LINES = 5


def find() -> str:
    """Path of the ffmpeg command: the one on the path, else that of imageio-ffmpeg.

    Raises:
        StateError: If there is none.
    """
    command = shutil.which("ffmpeg")
    if command:
        return command
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise StateError(MISSING) from None


class Process:
    """A running ffmpeg.

    Args:
        arguments: After the command.
        name: The file that errors are about.
        reads: Whether it reads from a pipe, `input`.
        writes: Whether it writes into a pipe, `output`.
        listen: Gets each line that it says, and None at the end.

    Attributes:
        input: Where its input is written, if it `reads`.
        output: Where its output is read, if it `writes`.
    """

    def __init__(
        self,
        arguments: Iterable[str],
        name: str | os.PathLike,
        reads: bool = False,
        writes: bool = False,
        listen: Callable[[str | None], None] | None = None,
    ) -> None:
        self._name, self._listen = os.fspath(name), listen
        self._said: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            [find(), "-hide_banner", "-nostats", *arguments],
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE if writes else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.input, self.output = self._process.stdin, self._process.stdout
        self._listener = threading.Thread(target=self._hear, daemon=True)
        self._listener.start()

    def write(self, *parts: bytes | memoryview) -> None:
        """Writes into `input`; says what ffmpeg said if it has ended."""
        try:
            for part in parts:
                pipe(self.input).write(part)
        except BrokenPipeError:
            self.wait()
            raise self._error() from None

    def wait(self) -> None:
        """Closes `input` and waits for the end.

        Raises:
            DataError: If it failed; names the file and tells what ffmpeg said.
            OSError: If the disk is full.
        """
        try:
            if self.input is not None:
                self.input.close()
        except BrokenPipeError:
            pass
        code = self._process.wait()
        self._listener.join()
        if code:
            raise self._error()

    def kill(self) -> None:
        """Ends it at once, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for end in (self.input, self.output, self._process.stderr):
            if end is not None:
                try:
                    end.close()
                except BrokenPipeError:
                    pass

    def _hear(self) -> None:
        for data in pipe(self._process.stderr):
            line = data.decode("utf-8", "replace").rstrip()
            if self._listen is not None:
                self._listen(line)
            if "showinfo" not in line and line != "Conversion failed!":
                self._said.append(line)
        if self._listen is not None:
            self._listen(None)

    def _error(self) -> Exception:
        said = [re.sub(r"^\[[^]]* @ 0x[0-9a-f]+\] ", "", line) for line in self._said]
        if any(_FULL in line for line in said):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._name)
        return DataError(f"{self._name}: ffmpeg: {said[-1] if said else 'ended'}")


def run(arguments: Iterable[str], name: str | os.PathLike) -> None:
    """Runs ffmpeg to its end; raises as `Process.wait`."""
    process = Process(["-v", "error", *arguments], name)
    try:
        process.wait()
    finally:
        process.kill()


def pipe(end: IO[bytes] | None) -> Any:
    """An end of a pipe that a process was started with."""
    if end is None:
        raise RuntimeError("this process has no such pipe")
    return end
