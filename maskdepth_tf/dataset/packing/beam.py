"""Has shards made by other machines.

The archive that workers get holds the plan, the cut-outs, the rooms and the teacher.
"""

import functools
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from maskdepth_tf import errors, files, schema, workers
from maskdepth_tf.dataset.composing import sources, storing
from maskdepth_tf.dataset.packing import beam_worker, preparation
from maskdepth_tf.dataset.packing.shards import Build, Shards
from maskdepth_tf.dataset.teachers import loading
from maskdepth_tf.machines import exchange, launching, piecework
from maskdepth_tf.machines.exchange import Exchange
from maskdepth_tf.machines.launching import Machines


def connect(flags: Sequence[str], folder: str) -> Callable[[Shards], None]:
    """Gets ready to have shards made, as `launching.connect` does.

    Returns:
        Has those shards made that are not there, and puts them where they belong.
    """
    return functools.partial(_make_shards, launching.connect(flags, folder))


def _make_shards(machines: Machines, shards: Shards) -> None:
    inputs = {
        "plan": schema.to_dict(shards.plan),
        "sources": preparation.read_sources(shards),
        "versions": storing.versions(),
    }
    text = json.dumps(inputs, sort_keys=True)
    place = Exchange(machines.folder, hashlib.sha256(text.encode()).hexdigest())
    track = workers.track("build", shards.num_rows, "rows")
    with track as advance, launching.named(machines.folder):
        left = _fetch(place, shards, range(shards.count), advance)
        if left:
            sha256 = _offer(place, shards, text)
            machines.make(place, beam_worker.WORK, sha256, left)
            left = _fetch(place, shards, left, advance)
        place.remove(exchange.INPUTS)
    if left:
        raise errors.StateError(
            f"{place.path(exchange.made(left[0]))}: damaged or missing after the "
            "pipeline; build again"
        )


def _fetch(
    place: Exchange,
    shards: Shards,
    numbers: Sequence[int],
    advance: Callable[[int], None],
) -> list[int]:
    """Gets shards out of the exchange; those that are not there, whole."""
    left = []
    for number in numbers:
        suffix = exchange.made(number)
        if shards.read(number) is None and place.has(suffix):
            fetch = functools.partial(place.fetch, suffix)
            files.save_durably(shards.path(number), fetch)
            place.remove(suffix)
        if shards.read(number) is None:
            left.append(number)
        else:
            advance(len(shards.rows_of(number)))
    return left


def _offer(place: Exchange, shards: Shards, inputs: str) -> str:
    """Puts what workers need in the exchange; its SHA-256."""
    with tempfile.TemporaryDirectory(dir=shards.composer.output) as folder:
        path = Path(folder, "inputs.zip")
        with zipfile.ZipFile(path, "w", strict_timestamps=False) as archive:
            archive.writestr(zipfile.ZipInfo(piecework.GIVEN), inputs)
            for name, source in _inputs(shards.plan):
                archive.write(source, name)
        return place.offer(path)


def _inputs(plan: Build) -> Iterator[tuple[str, Path]]:
    """Files that workers need, by their names in the archive."""
    folders = {
        beam_worker.FOREGROUNDS: plan.foregrounds,
        beam_worker.BACKGROUNDS: plan.backgrounds,
    }
    for name, folder in folders.items():
        for picture in sources.list_pictures(Path(folder)):
            yield f"{name}/{picture.name}", picture
    teacher = Path(os.path.abspath(plan.teacher.removeprefix(loading.PRESET)))
    paths = sorted(teacher.rglob("*")) if teacher.is_dir() else [teacher]
    for path in paths:
        if path.is_file():  # a preset may be a name alone
            yield f"{beam_worker.TEACHER}/{path.relative_to(teacher.parent)}", path
