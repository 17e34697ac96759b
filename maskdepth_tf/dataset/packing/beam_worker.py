"""Makes shards where Apache Beam asks for them.

A shard is made by a child of the process that Beam runs, which is as those of
`workers.pool`: the values of some teachers depend on the number of cores.
"""

import atexit
import contextlib
import dataclasses
import functools
import io
import json
import shutil
import tempfile
import threading
from pathlib import Path

from maskdepth_tf import errors, files, schema, workers
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.dataset.packing import exchange, preparation
from maskdepth_tf.dataset.packing.exchange import Exchange
from maskdepth_tf.dataset.packing.shards import Build, Shards
from maskdepth_tf.dataset.teachers import loading

_lock = threading.Lock()
_opened = contextlib.ExitStack()


def make_shard(number: int, place: Exchange, sha256: str) -> int:
    """Makes a shard, on a worker, unless it is there or a worker refused to go on.

    Args:
        number: The shard's.
        place: Where to.
        sha256: Of the archive there.

    Returns:
        The number.
    """
    suffix = exchange.shard(number)
    with _lock:  # Beam may call from many threads
        if not place.has(suffix) and not place.has(exchange.FAULT):
            try:
                path = _make(number, place, sha256)
            except errors.MaskDepthError as error:
                # Not raised: Beam would try again, and then show a traceback.
                fault = {"kind": type(error).__name__, "text": str(error)}
                place.put(exchange.FAULT, io.BytesIO(json.dumps(fault).encode()))
            else:
                with path.open("rb") as file:
                    place.put(suffix, file)
                path.unlink()
    return number


def _make(number: int, place: Exchange, sha256: str) -> Path:
    try:
        return _child(place, sha256).submit(_make_in_child, number).result()
    except BaseException:
        _child.cache_clear()  # it may have been killed
        raise


@functools.lru_cache(1)
def _child(place: Exchange, sha256: str) -> workers.Pool:
    """A process that makes shards of an archive, as any worker's of `workers.pool`."""
    _opened.close()
    temporary = tempfile.TemporaryDirectory(prefix="maskdepth_beam_")
    folder = Path(_opened.enter_context(temporary))
    archive = folder / "inputs.zip"
    place.fetch(exchange.INPUTS, archive)
    if files.sha256_of(archive) != sha256:
        raise errors.DataError(
            f"{place.path(exchange.INPUTS)}: was damaged or replaced; build again"
        )
    shutil.unpack_archive(archive, folder)
    archive.unlink()
    return _opened.enter_context(workers.pool(1, folder, _receive))


@atexit.register
def close() -> None:
    """Ends this process' child, should it have one, and removes its files."""
    _child.cache_clear()
    _opened.close()


def _receive(folder: Path) -> Shards:
    """Reads in the child what was unpacked."""
    inputs = json.loads((folder / exchange.GIVEN).read_bytes())
    here = storing.versions()
    for name, version in inputs["versions"].items():
        if here[name] != version:
            raise errors.StateError(
                f"must have {name} {version}, as who launched the build. "
                f"Received: {here[name]}"
            )
    plan = schema.build(Build, inputs["plan"])
    shards, _ = preparation.prepare(_moved(plan, folder))
    if preparation.read_sources(shards) != inputs["sources"]:
        raise errors.StateError(
            "sees other pictures or another teacher in the same files"
        )
    for room in range(len(shards.composer.rooms)):
        shards.composer.write_views(room)
    return shards


def _moved(plan: Build, folder: Path) -> Build:
    """The plan of what was unpacked in a folder."""
    teacher = plan.teacher
    for path in (folder / exchange.TEACHER).glob("*"):
        prefix = loading.PRESET if teacher.startswith(loading.PRESET) else ""
        teacher = f"{prefix}{path}"
    return dataclasses.replace(
        plan,
        foregrounds=str(folder / exchange.FOREGROUNDS),
        backgrounds=str(folder / exchange.BACKGROUNDS),
        teacher=teacher,
        output=str(folder / "set"),
    )


def _make_in_child(shards: Shards, number: int) -> Path:
    shards.make(number)
    return shards.path(number)
