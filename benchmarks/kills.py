"""Commands that make data sets, killed at any point: what is left, what they make then.

    python -m benchmarks.kills [--kills 60]

Each of `compose`, `depth`, `pack` (from zip archives) and `build` is killed by SIGKILL
in a process of its own, before and after calls that change files and in the middle of
writes, spread over all there are. What is left must not be taken for a complete set,
and the same command must then make all files as if nothing had happened, by SHA-256.

The processes are forks of one that has imported TensorFlow and not yet used it. The
teacher is made up; all else is as the commands do it, but for threads in place of
worker processes. The tests of these commands use the same code with Pillow as decoder.
"""

import argparse
import builtins
import collections
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image

from maskdepth_tf import cli, errors, examples, files, images, input_pipeline, packed
from maskdepth_tf import streams as kinds
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import build, compose, depth, pack, shards, teachers, workers

ARGUMENTS = {
    "compose": "compose --foregrounds ../cutouts --backgrounds ../rooms --output set "
    "--image-size 16 --scale 0.4 0.8 --views 1 --rows 12 --workers 1",
    "depth": "depth --data set --teacher ../net.tflite --workers 1",
    "pack": "pack --labels labels.txt --root ../0.zip ../1.zip --output packed "
    "--image-size 8",
    "build": "build --config ../plan.yaml --workers 1",
}
"""Called in a folder beside the sources."""
PLAN = {
    "foregrounds": "../cutouts",
    "backgrounds": "../rooms",
    "output": "packed",
    "rows": 12,
    "recipe": {"image_size": 16, "scale": [0.4, 0.8], "views": 1},
    "teacher": "../net.tflite",
    "image_size": 8,
    "shard_rows": 5,
}
CHANGES = ("rename", "replace", "unlink", "mkdir", "rmdir", "fsync")
"""Functions of `os` that change files."""


class FloorTeacher:
    """Metres fall with the row and with what is bright."""

    input_size = 16
    is_one_core = True
    sha256 = "0" * 64

    def predict(self, batch):
        """See `teachers.Teacher`."""
        falling = np.linspace(9, 3, 16, dtype=np.float32)[:, np.newaxis]
        return falling - batch[..., 0] / np.float32(255)


def _thread_pool(num_workers, prepare, arguments):
    prepare(*arguments)
    return ThreadPoolExecutor(num_workers)


class _Tensor(np.ndarray):
    def numpy(self):
        return np.asarray(self)


def _resize(picture, size):
    channels = np.moveaxis(np.asarray(picture, np.float32), -1, 0)
    resized = [
        np.asarray(Image.fromarray(channel).resize((size, size), 2))
        for channel in channels
    ]
    return np.stack(resized, -1).view(_Tensor)


def _pixels(data, mode):
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert(mode))
    return pixels[..., None] if mode == "L" else pixels


def _batches(names, found, stream, image_size):
    mode = "L" if stream.channels == 1 else "RGB"
    for name in names:
        pixels = np.rint(_resize(_pixels(found.read(name), mode), image_size))
        if stream == kinds.MASK:
            pixels = pixels >= kinds.MASK_THRESHOLD
        scale = kinds.DEPTH_STEP if stream == kinds.DEPTH else 1
        yield np.asarray(pixels[None] * scale).astype(stream.dtype)


def _thumbnails(names, found):
    resized = [_resize(_pixels(found.read(n), "L"), 17)[:16, :, 0] for n in names]
    return np.rint(np.stack(resized)).astype(np.uint8)


def _distance(self, composite):
    picture = np.rint(_resize(_pixels(composite, "RGB"), 16)).astype(np.uint8)
    return self.teacher.predict(picture[None])[0]


STAND_INS = (
    (teachers, "load_teacher", lambda *args: FloorTeacher()),
    (workers, "pool", _thread_pool),
)
DECODERS = (
    (images, "resize", _resize),
    *(
        (images, f"read_{name}", lambda path, mode=mode: _pixels(files_of(path), mode))
        for name, mode in {"rgb": "RGB", "rgba": "RGBA", "mask": "L"}.items()
    ),
    (input_pipeline, "decoded_batches", _batches),
    (examples, "_thumbnails", _thumbnails),
    (shards.Shards, "distance", _distance),
)
"""Pillow in place of TensorFlow, whose first picture takes seconds."""


def files_of(path) -> bytes:
    """All bytes of a file."""
    return Path(path).read_bytes()


@contextlib.contextmanager
def stand_ins(with_pillow: bool) -> Iterator[None]:
    """A made-up teacher, threads as workers and, if asked for, Pillow as decoder."""
    with contextlib.ExitStack() as stack:
        for place, name, value in STAND_INS + (DECODERS if with_pillow else ()):
            stack.enter_context(mock.patch.object(place, name, value))
        yield


class Points:
    """Counts the points at which files change and does something at one of them.

    Args:
        number: Which; None for none.
        action: What to do there, and at each write after it.
    """

    def __init__(self, number: int | None, action: Callable[[], None]):
        self.count, self._number, self._action = 0, number, action

    def reach(self, is_write: bool) -> None:
        """Counts a point."""
        number, self.count = self.count, self.count + 1
        is_due = self._number is not None and number >= self._number
        if is_due and (is_write or number == self._number):
            self._action()

    @contextlib.contextmanager
    def installed(self, only_writes: bool = False) -> Iterator[None]:
        """Replaces what opens files for writing, and all of `CHANGES`."""
        with contextlib.ExitStack() as stack:
            opener = self._opener(builtins.open)
            for module in (builtins, io):
                stack.enter_context(mock.patch.object(module, "open", opener))
            for name in () if only_writes else CHANGES:
                change = self._change(getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, change))
            yield

    def _change(self, change):
        def counted(*args, **kwargs):
            self.reach(False)
            result = change(*args, **kwargs)
            self.reach(False)
            return result

        return counted

    def _opener(self, plain_open):
        points = self

        class Torn:
            """Writes the first half, for all to see, then the rest."""

            def write(self, data):
                data = memoryview(data).cast("B")
                half = len(data) // 2
                super().write(data[:half])
                self.flush()
                points.reach(True)
                return half + super().write(data[half:])

        class TornRaw(Torn, io.FileIO):
            pass

        class TornBuffered(Torn, io.BufferedWriter):
            pass

        class TornRandom(Torn, io.BufferedRandom):
            pass

        def torn_open(file, mode="r", buffering=-1, *args, **kwargs):
            if "b" not in mode or not set(mode) & set("wax+"):
                return plain_open(file, mode, buffering, *args, **kwargs)
            points.reach(True)
            raw = (TornRaw if buffering == 0 else io.FileIO)(file, mode)
            if buffering == 0:
                return raw
            return TornRandom(raw) if "+" in mode else TornBuffered(raw)

        return torn_open


def prepare(root: Path, with_pillow: bool) -> dict[str, dict[str, str]]:
    """Makes sources and what each command makes of them undisturbed.

    Returns:
        SHA-256 of each file by its path, by command.
    """
    rng = np.random.default_rng(0)
    for name, channels in (("cutouts", 4), ("rooms", 3)):
        (root / name).mkdir()
        for number in range(3):
            pixels = rng.integers(0, 256, (12, 12, channels)).astype(np.uint8)
            if channels == 4:
                pixels[..., 3] = 0
                pixels[2:-2, 2:-2, 3] = 255
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    (root / "net.tflite").write_bytes(b"a network")
    (root / "plan.yaml").write_text(json.dumps(PLAN))
    expected = {}
    with stand_ins(with_pillow):
        for command in ARGUMENTS:
            folder = begin(root, command, "undisturbed")
            if run(command, folder) != 0:
                raise RuntimeError(f"{command} failed undisturbed")
            expected[command] = digests(folder)
            if command == "depth":
                _zip(folder / "set", root)
    return expected


def _zip(folder: Path, root: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for number in range(2):
        with zipfile.ZipFile(root / f"{number}.zip", "w") as archive:
            for path in paths[number::2]:
                archive.write(path, path.relative_to(folder))


def begin(root: Path, command: str, name: str) -> Path:
    """A new folder for a command."""
    folder = root / f"{command}-{name}"
    folder.mkdir()
    if command == "depth":
        shutil.copytree(root / "compose-undisturbed" / "set", folder / "set")
    return folder


def run(command: str, folder: Path, *flags: str) -> int:
    """Runs a command in a folder; its exit code."""
    with contextlib.chdir(folder):
        return cli.run(dataset.main, [*ARGUMENTS[command].split(), *flags])


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): files.sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def die() -> None:
    """Ends this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(command: str, folder: Path, number: int, with_pillow: bool) -> None:
    """Runs a command until a point; meant for another process."""
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(stand_ins(with_pillow))
        stack.enter_context(Points(number, die).installed())
        run(command, folder)


def count_points(root: Path, command: str, with_pillow: bool) -> int:
    """At how many points a command can be killed."""
    points, folder = Points(None, die), begin(root, command, "counted")
    with stand_ins(with_pillow), points.installed():
        run(command, folder)
    return points.count


def check_left(command: str, folder: Path, expected: dict[str, str]) -> None:
    """Raises an AssertionError if a reader would take a part for the whole."""
    found = digests(folder)
    if command == "compose":
        is_whole = "set/labels.txt" in found
        sums = folder / "set" / "files.sha256"
        lines = sums.read_text().splitlines() if is_whole else []
        assert not is_whole or len(lines) > 24
        for line in lines:
            sha256, path = line.split("  ")
            assert found[f"set/{path}"] == sha256, path
    elif command == "depth":
        manifest = json.loads((folder / "set" / "manifest.json").read_bytes())
        is_whole = manifest.get("depth", {}).get("complete", False)
        for path, sha256 in expected.items():
            if path in found and not path.endswith((".json", ".csv")):
                assert found[path] == sha256, path
            assert not is_whole or found[path] == sha256, path
    elif (folder / "packed").exists():
        output = {path: s for path, s in found.items() if path.startswith("packed/")}
        assert output == expected
        packed.check(folder / "packed", packed.read_manifest(folder / "packed"))
    else:
        with contextlib.suppress(errors.DataError):
            packed.read_manifest(folder / "packed.partial")
            raise AssertionError("a part was taken for a packed set")


def check_kill(
    root: Path, command: str, number: int, expected: dict, with_pillow: bool
) -> None:
    """Kills a command at a point, looks at what is left, and runs it again.

    Raises:
        AssertionError: It was not killed, or something is not as it must be.
    """
    folder = begin(root, command, str(number))
    process = multiprocessing.get_context("forkserver").Process(
        target=run_killed, args=(command, folder, number, with_pillow)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, (command, number, process.exitcode)
    check_left(command, folder, expected)
    is_done = (folder / "packed").exists()
    with stand_ins(with_pillow):
        code = run(command, folder, *(["--force"] if command == "compose" else []))
    assert code == (errors.UsageError.exit_code if is_done else 0), (command, number)
    found = digests(folder)
    if is_done:  # what lies beside it nobody needs any more
        found = {k: v for k, v in found.items() if k.startswith("packed/")}
    assert found == expected, (command, number, set(found.items()) ^ expected.items())
    shutil.rmtree(folder)


def check_kills(root: Path, kills: int, with_pillow: bool) -> dict[str, int]:
    """Kills all commands, in turns; the number of kills of each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.kills"])
    expected = prepare(root, with_pillow)
    before = digests(root / "cutouts") | digests(root / "rooms")
    counts = collections.Counter()
    for command in ARGUMENTS:
        last = count_points(root, command, with_pillow) - 1
        for number in np.linspace(0, last, kills // len(ARGUMENTS)).round():
            check_kill(root, command, int(number), expected[command], with_pillow)
            counts[command] += 1
    assert digests(root / "cutouts") | digests(root / "rooms") == before
    return dict(counts)


def main() -> None:
    """Prints how many kills of each command there were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        counts = check_kills(Path(name), args.kills, with_pillow=False)
    seconds = time.monotonic() - started
    print(f"{sum(counts.values())} kills, all made good: {counts}, {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
