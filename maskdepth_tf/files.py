"""Files and folders that appear complete or not at all, and their checksums."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from maskdepth_tf.errors import DataError, UsageError

MANIFEST = "manifest.json"
"""File of a data set or a model's version that says what it is, with sums."""
SUMS = "files.sha256"
"""File of a data set with a line a picture, as `sha256sum` writes and checks it."""
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
    _put(path, lambda partial: Path(partial).write_bytes(data))


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
    _put(path, write, older, flush=_flush)


def partial_of(output: Path, flag: str = "--output") -> Path:
    """Returns the folder beside an output that all is in until it is complete.

    Args:
        output: A file or folder; may still have to be made.
        flag: What errors call it.

    Raises:
        UsageError: If nothing can take its place.
    """
    if output.is_mount() or Path.cwd().is_relative_to(output.resolve()):
        raise UsageError(
            f"{flag} must not be the current folder, one around it or a mount point. "
            f"Received: {output}"
        )
    return output.with_name(f"{output.name}.partial")


def names_in_output(output: Path, flag: str = "--output") -> list[str]:
    """Returns the names in an output folder; none if it is still to be made.

    Args:
        output: The folder.
        flag: What errors call it.

    Raises:
        UsageError: If it can't be made, or not under another name first.
    """
    partial = partial_of(output, flag)
    try:
        names = sorted(os.listdir(output)) if output.exists() else []
        if not names:
            partial.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UsageError(
            f"{flag} must be a folder that can be made: {error.strerror}. "
            f"Received: {output}"
        ) from error
    return names


@contextlib.contextmanager
def unfinished_folder(partial: Path, is_kept: bool = False) -> Iterator[Path]:
    """Makes a folder under another name; the body fills it, then renames it.

    Args:
        partial: Folder that holds it until then, and is removed at the end.
        is_kept: Whether what else lies in `partial` is kept if the body fails.

    Yields:
        The folder, without what a process that was killed has left in it.
    """
    folder = partial / "unfinished"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder if is_kept else partial, ignore_errors=True)
        raise
    shutil.rmtree(partial)


def replace_folder(folder: Path, output: Path) -> None:
    """Gives a folder its name; at no time is a part of it or of an older one there."""
    older = folder.with_name("older")
    shutil.rmtree(older, ignore_errors=True)
    if output.exists():
        output.rename(older)
    folder.rename(output)


def describe_files(folder: Path, names: Iterable[str] | None = None) -> dict[str, dict]:
    """Returns what a manifest says of files: their bytes and SHA-256, by path.

    Args:
        folder: What the paths start from.
        names: The paths; of all files below the folder, in their order, if None.
    """
    if names is None:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": sha256_of(folder / name),
        }
        for name in names
    }


def check_described(folder: Path, described: Mapping[str, Mapping]) -> None:
    """Compares files with what `describe_files` said of them.

    Raises:
        DataError: Names the first file that is missing or differs.
    """
    # Sizes first: a file that was cut off is found without reading the others.
    for name, expected in described.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path}: missing, though {MANIFEST} names it")
        size = path.stat().st_size
        if size != expected["bytes"]:
            raise DataError(
                f"{path}: must have {expected['bytes']} bytes. Received: {size}"
            )
    with concurrent.futures.ThreadPoolExecutor() as threads:
        sums = threads.map(lambda name: sha256_of(folder / name), described)
        for name, received in zip(described, sums, strict=True):
            if received != described[name]["sha256"]:
                raise DataError(
                    f"{folder / name}: damaged: its SHA-256 must be "
                    f"{described[name]['sha256']}. Received: {received}"
                )


def sha256_of_json(value: object) -> str:
    """Returns the SHA-256 of a value as JSON, for a manifest's sum of itself."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Writes the SHA-256 of files, by path, in `SUMS`."""
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items())
    write_atomically(folder / SUMS, lines.encode())


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


def identity(path: str | os.PathLike) -> list:
    """What tells a file from another that takes its place, for JSON."""
    found = os.stat(path)
    return [os.path.abspath(path), found.st_size, found.st_mtime_ns]


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


def _put(path, write, older=None, flush=lambda path: None):
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1]
    # Short and of its own: names may be at the limit, and threads may race.
    name = _PARTIAL.format(secrets.token_hex(8)).replace("*", suffix)
    partial = os.path.join(os.path.dirname(path), name)
    try:
        write(partial)
        flush(partial)
        if older is not None and os.path.exists(path):
            os.replace(path, older)
        os.replace(partial, path)
    except BaseException as error:
        if os.path.exists(partial):
            os.unlink(partial)
        # A full disk does not say of itself which file it is.
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path
        raise
    flush(os.path.dirname(path) or ".")


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
