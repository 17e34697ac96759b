"""Has the pictures of a folder predicted by other machines.

A piece is a run of pairs. The archive that all workers get holds the network, and the
background if one goes with all pictures; what a piece is given are its own pictures.
"""

import contextlib
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from maskdepth_tf import errors, files
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.images import headers, pairs
from maskdepth_tf.images.pairs import Pair
from maskdepth_tf.images.pictures import Picture
from maskdepth_tf.inference import beam_worker, loading
from maskdepth_tf.inference.predicting import Outcome
from maskdepth_tf.machines import exchange, launching, piecework
from maskdepth_tf.machines.exchange import Exchange
from maskdepth_tf.machines.launching import Machines
from maskdepth_tf.training import checkpoints, presets

LENGTH = 16
"""Pairs of a piece."""


def predict(
    machines: Machines,
    folder: Sequence[Pair],
    model: str,
    bg: Picture | None,
    output: str,
    to_do: Sequence[Pair],
) -> list[Outcome]:
    """Predicts pairs, and puts their results where they belong.

    Args:
        machines: They do it.
        folder: All pairs of the folder.
        model: The network, as `loading.load_predictor` takes it.
        bg: The background of all, if there is one.
        output: Folder of the results.
        to_do: Those pairs that lack a result.

    Returns:
        How they went, in the order of `to_do`.

    Raises:
        MaskDepthError: Of many kinds: a worker cannot go on, the pipeline failed.
        OSError: If the disk is full.
    """
    partial = files.partial_of(Path(output))
    partial.mkdir(exist_ok=True)
    with (
        launching.named(machines.folder),
        tempfile.TemporaryDirectory(dir=partial) as aside,
    ):
        job = _Job(machines, folder, to_do, model, bg, output, Path(aside))
        done = job.run()
    for empty in (partial / "exchange", partial):
        with contextlib.suppress(OSError):  # it may hold what others left
            empty.rmdir()
    return [done[pair.name] for pair in to_do]


class _Job:
    """What `predict` does; `aside` is for files on their way."""

    def __init__(self, machines, folder, to_do, model, bg, output, aside) -> None:
        self._machines, self._bg, self._output = machines, bg, output
        self._archive, self._given = aside / "inputs.zip", aside / "given.zip"
        self._made = aside / "made.zip"
        self._network = dict(_network_files(model))
        self._fixed = folder[0].bg if bg is not None else None
        wanted = {pair.name for pair in to_do}
        # By their place in the folder: what is there already moves no pair to another.
        self._pieces = {
            first // LENGTH: left
            for first in range(0, len(folder), LENGTH)
            if (left := [p for p in folder[first : first + LENGTH] if p.name in wanted])
        }
        self._text = json.dumps(
            {
                "network": {n: files.sha256_of(p) for n, p in self._network.items()},
                "bg": self._fixed,
                "versions": storing.versions(),
            }
        )
        seen = [[p.name, files.identity(p.bg), files.identity(p.fg_bg)] for p in folder]
        text = json.dumps([self._text, seen])
        name = hashlib.sha256(text.encode()).hexdigest()
        self._place = Exchange(machines.folder, name)
        self._done: dict[str, Outcome] = {}

    def run(self) -> dict[str, Outcome]:
        """Fetches what is made, has the rest made, and fetches that; by names."""
        left = self._fetch(list(self._pieces))
        if left:
            sha256 = self._offer()
            numbers = [number for number in left if self._give(number)]
            self._machines.make(self._place, beam_worker.WORK, sha256, numbers)
            for number in self._fetch(numbers):
                raise errors.StateError(
                    f"{self._place.path(exchange.made(number))}: damaged or missing "
                    "after the pipeline; start again with --resume"
                )
        self._place.remove(exchange.INPUTS)
        return self._done

    def _fetch(self, numbers: list[int]) -> list[int]:
        """Gets pieces out of the exchange; those that are not there, whole."""
        left = []
        for number in numbers:
            if not self._place.has(exchange.made(number)):
                left.append(number)
                continue
            self._made.unlink(missing_ok=True)
            self._place.fetch(exchange.made(number), self._made)
            if not self._unpack(self._pieces[number]):
                left.append(number)
            for suffix in (exchange.made(number), exchange.given(number)):
                self._place.remove(suffix)
        return left

    def _unpack(self, piece: list[Pair]) -> bool:
        """Puts the results of a piece where they belong, if it is whole."""
        try:
            with zipfile.ZipFile(self._made) as archive:
                told = json.loads(archive.read(beam_worker.OUTCOMES))
                missing = [p for p in piece if not self._is_told(p, told)]
                if missing or archive.testzip() is not None:
                    return False
                for pair in piece:
                    if pair.name not in self._done:
                        self._done[pair.name] = self._settle(pair, told, archive)
        except (zipfile.BadZipFile, EOFError, KeyError, ValueError):
            return False
        return True

    def _is_told(self, pair: Pair, told: dict) -> bool:
        return pair.name in told or pair.name in self._done

    def _settle(self, pair: Pair, told: dict, archive: zipfile.ZipFile) -> Outcome:
        """How a pair went, with its results in their places."""
        number, values = told[pair.name]
        outcome = Outcome(pair, **values)
        if outcome.error:
            return outcome
        if (name := f"{number}_{beam_worker.THUMBNAIL}") in archive.namelist():
            outcome.thumbnail = archive.read(name)
        try:
            for kind, path in pairs.output_paths(self._output, pair.name).items():
                result = pairs.output_paths("", str(number))[kind]
                files.write_atomically(path, archive.read(result))
        except OSError as error:
            outcome.fail(error)
        return outcome

    def _offer(self) -> str:
        """Puts what workers need in the exchange; its SHA-256."""
        with zipfile.ZipFile(self._archive, "w", strict_timestamps=False) as archive:
            archive.writestr(zipfile.ZipInfo(piecework.GIVEN), self._text)
            for name, path in self._network.items():
                archive.write(path, f"{beam_worker.NETWORK}/{name}")
            if self._bg is not None:
                archive.writestr(zipfile.ZipInfo(beam_worker.BG), self._bg.data)
        return self._place.offer(self._archive)

    def _give(self, number: int) -> bool:
        """Puts the pictures of a piece in the exchange; whether it has any."""
        told: list[Pair] = []
        with zipfile.ZipFile(self._given, "w") as archive:
            for pair in self._pieces[number]:
                paths = {beam_worker.FG_BG: pair.fg_bg, beam_worker.BG: pair.bg}
                if self._fixed is not None:
                    del paths[beam_worker.BG]
                try:
                    data = {kind: headers.read_all(p) for kind, p in paths.items()}
                except (errors.DataError, OSError) as error:
                    self._done[pair.name] = Outcome(pair)
                    self._done[pair.name].fail(error)
                    continue
                for kind, content in data.items():
                    member = zipfile.ZipInfo(f"{len(told)}_{kind}")
                    archive.writestr(member, content)
                told.append(pair)
            archive.writestr(beam_worker.PAIRS, json.dumps(told))
        self._place.remove(exchange.given(number))
        with self._given.open("rb") as file:
            self._place.put(exchange.given(number), file)
        return bool(told)


def _network_files(model: str) -> Iterator[tuple[str, Path]]:
    """Files of a network, by their names in a folder of its own."""
    saved = loading.find_saved_model(model)
    path = presets.find(model) if saved is None else Path(saved)
    path = Path(path.absolute())
    if path.is_file():
        yield path.name, path
    elif saved is None and not presets.is_preset(path):
        yield f"{path.name}/{checkpoints.BEST}", path / checkpoints.BEST
    else:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield f"{path.name}/{file.relative_to(path).as_posix()}", file
