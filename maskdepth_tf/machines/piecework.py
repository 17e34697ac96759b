"""Makes pieces where Apache Beam asks for them.

A piece is made by a child of the process that Beam runs, which is as those of
`workers.pool`: some values depend on the number of cores.
"""

import atexit
import contextlib
import functools
import io
import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskdepth_tf import errors, files, workers
from maskdepth_tf.machines import exchange
from maskdepth_tf.machines.exchange import Exchange

GIVEN = "given.json"
"""In the archive: what all must agree on, see `check_versions`."""

_lock = threading.Lock()
_opened = contextlib.ExitStack()


@dataclass(frozen=True)
class Work:
    """How pieces are made; both are functions of modules, and run in the child.

    Attributes:
        receive: Makes of the folder with what the archive held what `make` gets.
        make: From that and the number of a piece to its file; what the piece was
            given, if anything, is in that folder, as `exchange.given` calls it.
    """

    receive: Callable[[Path], Any]
    make: Callable[[Any, int], Path]


def make_piece(number: int, place: Exchange, work: Work, sha256: str) -> int:
    """Makes a piece, on a worker, unless it is there or a worker refused to go on.

    Args:
        number: The piece's.
        place: Where to.
        work: How.
        sha256: Of the archive there.

    Returns:
        The number.
    """
    made = exchange.made(number)
    with _lock:  # Beam may call from many threads
        if not place.has(made) and not place.has(exchange.FAULT):
            try:
                path = _make(number, place, work, sha256)
            except errors.MaskDepthError as error:
                # Not raised: Beam would try again, and then show a traceback.
                fault = {"kind": type(error).__name__, "text": str(error)}
                place.put(exchange.FAULT, io.BytesIO(json.dumps(fault).encode()))
            else:
                with path.open("rb") as file:
                    place.put(made, file)
                path.unlink()
    return number


@atexit.register
def close() -> None:
    """Ends this process' child, should it have one, and removes its files."""
    _child.cache_clear()
    _opened.close()


def check_versions(given: dict, here: dict[str, str]) -> None:
    """Refuses to work with other versions than who launched the work.

    Args:
        given: What the archive held in `GIVEN`, with the launcher's `versions`.
        here: Those of this machine.

    Raises:
        StateError: If one differs.
    """
    for name, version in given["versions"].items():
        if here[name] != version:
            raise errors.StateError(
                f"must have {name} {version}, as who launched it. "
                f"Received: {here[name]}"
            )


def _make(number: int, place: Exchange, work: Work, sha256: str) -> Path:
    try:
        folder, child = _child(place, work, sha256)
        given = exchange.given(number)
        if place.has(given):
            (folder / given).unlink(missing_ok=True)
            place.fetch(given, folder / given)
        return child.submit(work.make, number).result()
    except BaseException:
        _child.cache_clear()  # it may have been killed
        raise


@functools.lru_cache(1)
def _child(place: Exchange, work: Work, sha256: str) -> tuple[Path, workers.Pool]:
    """A folder with what an archive held, and a process that makes pieces of it."""
    _opened.close()
    temporary = tempfile.TemporaryDirectory(prefix="maskdepth_beam_")
    folder = Path(_opened.enter_context(temporary))
    archive = folder / "inputs.zip"
    place.fetch(exchange.INPUTS, archive)
    if files.sha256_of(archive) != sha256:
        raise errors.DataError(
            f"{place.path(exchange.INPUTS)}: was damaged or replaced; start again"
        )
    shutil.unpack_archive(archive, folder)
    archive.unlink()
    pool = workers.pool(1, folder, work.receive)
    return folder, _opened.enter_context(pool)
