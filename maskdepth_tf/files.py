"""Files that appear complete or not at all, and their checksums."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from maskdepth_tf.errors import DataError, UsageError

_PARTIAL = ".{}.partial*"


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file under another name in its folder, then renames it.

    Whatever goes wrong, a full disk included, an older file at `path` stays as it
    was and nothing else is left in the folder.

    Args:
        path: Where the file is to appear; its folder must exist.
        data: All of the file.

    Raises:
        OSError: If the folder cannot be written to or the disk is full.
    """

    def write(partial):
        with open(partial, "xb") as file:
            file.write(data)

    _put(path, write)


def save_durably(
    path: str | os.PathLike,
    write: Callable[[str], object],
    older: str | os.PathLike | None = None,
) -> None:
    """Lets `write` make a file, flushes it to the disk, then renames it.

    The data is on the disk before the name is, so that also after a power cut a
    reader finds the old file or the new one, whole.

    Args:
        path: Where the file is to appear; its folder must exist.
        write: Makes the file at the path that it is given, which ends as `path`.
        older: What the file that was at `path` is then called; None removes it.

    Raises:
        OSError: As `write_atomically`.
    """

    def write_and_flush(partial):
        write(partial)
        _flush(partial)

    _put(path, write_and_flush, older)
    _flush(os.path.dirname(os.fspath(path)) or ".")


def write_json(path: str | os.PathLike, value: object) -> None:
    """Writes a value as indented JSON, complete or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def remove_partials(folder: str | os.PathLike) -> None:
    """Removes what writers that were killed have left in a folder."""
    for path in Path(folder).glob(_PARTIAL.format("[0-9a-f]" * 16)):
        path.unlink()


def sha256_of(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_json(data: bytes, name: str | os.PathLike) -> dict:
    """The JSON object that a file holds.

    Args:
        data: The file's bytes.
        name: What errors call it.

    Raises:
        DataError: If it is something else.
    """
    try:
        value = json.loads(data)
    # Of brackets in brackets in brackets, say.
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{os.fspath(name)}: must be a JSON object, is not")
    return value


def check_output(flag: str, path: Path, source: Path) -> None:
    """Refuses, before any work, what cannot be written or would replace a source.

    Args:
        flag: What names the output.
        path: Where the command will write.
        source: A file that it reads.

    Raises:
        UsageError: If the folder of `path` is missing, or `path` is no file or is
            `source`, also by another name.
    """
    if not path.absolute().parent.is_dir():
        raise UsageError(f"the folder of {flag} must be there. Received: {path}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{flag} must be a file. Received: {path}")
    if path.exists() and source.exists() and path.samefile(source):
        raise UsageError(f"{flag} would replace what is read. Received: {path}")


def _put(path, write, older=None):
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1]
    # Short and of its own: names may be at the limit, and threads may race.
    name = _PARTIAL.format(secrets.token_hex(8)).replace("*", suffix)
    partial = os.path.join(os.path.dirname(path), name)
    try:
        write(partial)
        if older is not None and os.path.exists(path):
            os.replace(path, older)
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
