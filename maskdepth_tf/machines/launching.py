"""Has pieces of work made by other machines, whichever Apache Beam finds.

Beam takes the numbers of the pieces to the workers. All else goes by a folder that they
and this process reach, see `exchange`.
"""

import argparse
import contextlib
import importlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskdepth_tf import errors
from maskdepth_tf.machines import exchange, piecework
from maskdepth_tf.machines.exchange import Exchange
from maskdepth_tf.machines.piecework import Work


@dataclass(frozen=True)
class Machines:
    """Those who make pieces.

    Attributes:
        pipeline: Beam's.
        folder: The exchange: a path, or a URL.
    """

    pipeline: Any
    folder: str

    def make(
        self, place: Exchange, work: Work, sha256: str, numbers: Sequence[int]
    ) -> None:
        """Has pieces made, and waits for them.

        Args:
            place: Holds the archive, and then the pieces.
            work: How a piece is made.
            sha256: Of the archive.
            numbers: Of the pieces.

        Raises:
            MaskDepthError: As a worker raised it.
            StateError: If the pipeline failed.
        """
        with named("the pipeline failed"):
            self._run(place, work, sha256, numbers)
        _raise_fault(place)

    def _run(self, place, work, sha256, numbers) -> None:
        import apache_beam

        spread = self.pipeline | apache_beam.Create(numbers) | apache_beam.Reshuffle()
        _ = spread | apache_beam.Map(piecework.make_piece, place, work, sha256)
        try:
            self.pipeline.run().wait_until_finish()
        finally:
            piecework.close()  # the worker may have been this process


def connect(flags: Sequence[str], folder: str) -> Machines:
    """Gets ready to have pieces made.

    Args:
        flags: Beam's.
        folder: The exchange: a path on this machine, or a URL.

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
            f"--exchange {folder}: {errors.in_one_line(error)}"
        ) from error
    try:
        pipeline = beam.Pipeline(options=options)
    except ValueError as error:
        raise errors.UsageError(f"--beam: {errors.in_one_line(error)}") from error
    return Machines(pipeline, folder.rstrip("/"))


@contextlib.contextmanager
def named(what: str) -> Iterator[None]:
    """Makes a StateError of what the body raises: runners and storages have their own.

    Errors of ours stay what they are, and so does a full disk.
    """
    try:
        yield
    except errors.MaskDepthError:
        raise
    except Exception as error:
        if errors.is_full_disk(error):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise errors.StateError(f"{what}: {lines[-1][:300]}") from error


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

    _import_runner(flags)
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


def _import_runner(flags: Sequence[str]) -> None:
    """Imports a runner that is named by its module: it may have flags of its own."""
    for flag in flags:
        name, _, runner = flag.partition("=")
        if name == "--runner" and "." in runner:
            try:
                importlib.import_module(runner.rpartition(".")[0])
            # Beam's own raise either where their packages are missing.
            except (ImportError, AttributeError) as error:
                raise errors.UsageError(
                    f"--beam: {flag}: cannot be imported: {errors.in_one_line(error)}"
                ) from error


def _raise_fault(place: Exchange) -> None:
    if not place.has(exchange.FAULT):
        return
    with place.open(exchange.FAULT) as file:
        fault = json.load(file)
    kinds = {kind.__name__: kind for kind in errors.MaskDepthError.__subclasses__()}
    raise kinds[fault["kind"]](f"a worker failed: {fault['text']}")
