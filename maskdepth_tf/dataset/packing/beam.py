"""Has shards made by other machines, whichever Apache Beam finds.

Beam takes the numbers of the shards to the workers. All else goes by a folder that they
and this process reach, see `exchange`.
"""

import argparse
import contextlib
import errno
import functools
import hashlib
import importlib
import io
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from maskdepth_tf import errors, files, schema, workers
from maskdepth_tf.dataset.composing import sources, storing
from maskdepth_tf.dataset.packing import beam_worker, exchange, preparation
from maskdepth_tf.dataset.packing.exchange import Exchange
from maskdepth_tf.dataset.packing.shards import Build, Shards
from maskdepth_tf.dataset.teachers import loading, networks


def connect(flags: Sequence[str], folder: str) -> Callable[[Shards], None]:
    """Gets ready to have shards made.

    Args:
        flags: Beam's.
        folder: The exchange: a path on this machine, or a URL.

    Returns:
        Has those shards made that are not there, and puts them where they belong.

    Raises:
        UsageError: Beam is not installed, or does not take a flag or the folder.
    """
    beam = _import_beam()
    options = _options(flags)
    if "://" not in folder:
        folder = str(Path(folder).absolute())
    # Beam deletes by patterns, and has no way to quote them.
    if set("*?[") & set(folder):
        raise errors.UsageError(
            f"--exchange must have none of * ? [ in its name. Received: {folder}"
        )
    exchange.file_systems().set_options(options)
    try:
        Exchange(folder, "sum").has(exchange.INPUTS)
    except Exception as error:  # each kind of storage has its own
        raise errors.UsageError(
            f"--exchange {folder}: {networks.in_one_line(error)}"
        ) from error
    try:
        pipeline = beam.Pipeline(options=options)
    except ValueError as error:
        raise errors.UsageError(f"--beam: {networks.in_one_line(error)}") from error
    return functools.partial(_make_shards, pipeline, folder.rstrip("/"))


def _import_beam() -> Any:
    try:
        logging.disable(logging.WARNING)  # it misses packages of Google's
        return importlib.import_module("apache_beam")
    except ImportError as error:
        raise errors.UsageError(
            "--beam needs the package apache-beam, which fits only in an environment "
            "of its own: `make beam` makes .venv-beam, see docs/beam.md"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def _options(flags: Sequence[str]) -> Any:
    """Beam's options; it would drop what it does not know."""
    from apache_beam.options import pipeline_options

    parsers: list[argparse.ArgumentParser] = []
    nothing = pipeline_options.PipelineOptions([])
    nothing.get_all_options(add_extra_args_fn=parsers.append)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            _, unknown = parsers[0].parse_known_args(flags)
    except SystemExit as stop:
        if stop.code == 0:  # --help
            raise
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise errors.UsageError(f"--beam: {reason}") from None
    if unknown:
        name = unknown[0].partition("=")[0]
        names = [f"--{key}" for key in vars(parsers[0].parse_args([]))]
        near = errors.nearest(name, names)
        raise errors.UsageError(f"unknown flag of Beam: {name}. The nearest is: {near}")
    return pipeline_options.PipelineOptions(flags)


def _make_shards(pipeline: Any, folder: str, shards: Shards) -> None:
    inputs = {
        "plan": schema.to_dict(shards.plan),
        "sources": preparation.read_sources(shards),
        "versions": storing.versions(),
    }
    text = json.dumps(inputs, sort_keys=True)
    place = Exchange(folder, hashlib.sha256(text.encode()).hexdigest())
    with workers.track("build", shards.num_rows, "rows") as advance, _named(folder):
        left = _fetch(place, shards, range(shards.count), advance)
        if left:
            sha256 = _offer(place, shards, text)
            with _named("the pipeline failed"):
                _run(pipeline, place, sha256, left)
            _raise_fault(place)
            left = _fetch(place, shards, left, advance)
        place.remove(exchange.INPUTS)
    if left:
        raise errors.StateError(
            f"{place.path(exchange.shard(left[0]))}: damaged or missing after the "
            "pipeline; build again"
        )


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Each runner and each storage has its own kinds of errors."""
    try:
        yield
    except errors.MaskDepthError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise errors.StateError(f"{what}: {lines[-1][:300]}") from error


def _fetch(
    place: Exchange,
    shards: Shards,
    numbers: Sequence[int],
    advance: Callable[[int], None],
) -> list[int]:
    """Gets shards out of the exchange; those that are not there, whole."""
    left = []
    for number in numbers:
        suffix = exchange.shard(number)
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
    place.remove(exchange.FAULT)
    place.remove(exchange.INPUTS)
    with tempfile.TemporaryDirectory(dir=shards.composer.output) as folder:
        path = Path(folder, "inputs.zip")
        with zipfile.ZipFile(path, "w", strict_timestamps=False) as archive:
            archive.writestr(zipfile.ZipInfo(exchange.GIVEN), inputs)
            for name, source in _inputs(shards.plan):
                archive.write(source, name)
        with path.open("rb") as file:
            place.put(exchange.INPUTS, file)
        return files.sha256_of(path)


def _inputs(plan: Build) -> Iterator[tuple[str, Path]]:
    """Files that workers need, by their names in the archive."""
    folders = {
        exchange.FOREGROUNDS: plan.foregrounds,
        exchange.BACKGROUNDS: plan.backgrounds,
    }
    for name, folder in folders.items():
        for picture in sources.list_pictures(Path(folder)):
            yield f"{name}/{picture.name}", picture
    teacher = Path(os.path.abspath(plan.teacher.removeprefix(loading.PRESET)))
    paths = sorted(teacher.rglob("*")) if teacher.is_dir() else [teacher]
    for path in paths:
        if path.is_file():  # a preset may be a name alone
            yield f"{exchange.TEACHER}/{path.relative_to(teacher.parent)}", path


def _run(pipeline: Any, place: Exchange, sha256: str, numbers: list[int]) -> None:
    import apache_beam

    spread = pipeline | apache_beam.Create(numbers) | apache_beam.Reshuffle()
    _ = spread | apache_beam.Map(beam_worker.make_shard, place, sha256)
    try:
        pipeline.run().wait_until_finish()
    finally:
        beam_worker.close()  # the worker may have been this process


def _raise_fault(place: Exchange) -> None:
    if not place.has(exchange.FAULT):
        return
    with place.open(exchange.FAULT) as file:
        fault = json.load(file)
    kinds = {kind.__name__: kind for kind in errors.MaskDepthError.__subclasses__()}
    raise kinds[fault["kind"]](f"a worker failed: {fault['text']}")
