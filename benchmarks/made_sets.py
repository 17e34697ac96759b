"""Small data sets by all commands that make them, with a made-up teacher.

What costs seconds in a new process can be replaced: TensorFlow's decoders by Pillow's,
and worker processes by threads.
"""

import contextlib
import functools
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.threads import thread_pool
from maskdepth_tf import cli, files, streams, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset.checking import sampling
from maskdepth_tf.dataset.packing import shards
from maskdepth_tf.dataset.teachers import loading
from maskdepth_tf.images import preprocessing
from maskdepth_tf.input import pipeline, splits

ARGUMENTS = {
    "compose": "compose --foregrounds ../cutouts --backgrounds ../rooms --output set "
    "--image-size 16 --scale 0.4 0.8 --views 1 --rows 12 --workers 1",
    "depth": "depth --data set --teacher ../net.tflite --workers 1",
    "pack": "pack --labels labels.txt --root ../0.zip ../1.zip --output packed "
    "--image-size 32",
    "replace": "pack --labels labels.txt --root ../0.zip ../1.zip --output packed "
    "--image-size 32 --seed 1 --force",
    "build": "build --config ../plan.yaml --workers 1",
}
"""Called in a folder beside the sources."""
BEFORE = {"depth": "compose-undisturbed", "replace": "pack-undisturbed"}
"""What is in the folder before."""
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


class FloorTeacher:
    """Metres fall with the row and with what is bright."""

    input_size = 16
    is_one_core = True
    sha256 = "0" * 64

    def predict(self, batch):
        """See `loading.Teacher`."""
        falling = np.linspace(9, 3, 16, dtype=np.float32)[:, np.newaxis]
        return falling - batch[..., 0] / np.float32(255)


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


def _read(path, mode):
    return _pixels(Path(path).read_bytes(), mode)


def _batches(names, store, stream, image_size):
    mode = "L" if stream.channels == 1 else "RGB"
    for name in names:
        pixels = np.rint(_resize(_pixels(store.read(name), mode), image_size))
        if stream == streams.MASK:
            pixels = pixels >= streams.MASK_THRESHOLD
        scale = streams.DEPTH_STEP if stream == streams.DEPTH else 1
        yield np.asarray(pixels[None] * scale).astype(stream.dtype)


def _thumbnails(names, store):
    resized = {n: _resize(_pixels(store.read(n), "L"), 17)[:16, :, 0] for n in names}
    return {name: np.rint(grey).astype(np.uint8) for name, grey in resized.items()}


def _distance(self, composite):
    picture = np.rint(_resize(_pixels(composite, "RGB"), 16)).astype(np.uint8)
    return self.teacher.predict(picture[None])[0]


STAND_INS = (
    (loading, "load_teacher", lambda *args: FloorTeacher()),
    (workers, "pool", thread_pool),
)
DECODERS = (
    (preprocessing, "resize", _resize),
    *(
        (preprocessing, f"read_{name}", functools.partial(_read, mode=mode))
        for name, mode in {"rgb": "RGB", "rgba": "RGBA", "mask": "L"}.items()
    ),
    (sampling, "check_rows", lambda *_: None),
    (pipeline, "decoded_batches", _batches),
    (splits, "thumbnails", _thumbnails),
    (shards.Shards, "distance", _distance),
)
"""Pillow in place of TensorFlow, whose first picture takes seconds."""


@contextlib.contextmanager
def stand_ins(with_pillow: bool) -> Iterator[None]:
    """A made-up teacher, threads as workers and, if asked for, Pillow as decoder."""
    with contextlib.ExitStack() as stack:
        for place, name, value in STAND_INS + (DECODERS if with_pillow else ()):
            stack.enter_context(mock.patch.object(place, name, value))
        yield


def write_sources(root: Path, count: int) -> None:
    """Writes as many cut-outs as rooms, in two folders."""
    rng = np.random.default_rng(0)
    for name in ("cutouts", "rooms"):
        (root / name).mkdir()
    for number in range(count):
        cutout = rng.integers(0, 256, (20, 14, 4)).astype(np.uint8)
        cutout[..., 3] = 0
        cutout[2:-2, 2:-2, 3] = 255
        Image.fromarray(cutout).save(root / "cutouts" / f"{number}.png")
        room = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(room).resize((40, 40)).save(root / "rooms" / f"{number}.png")


def prepare(root: Path, with_pillow: bool) -> dict[str, dict[str, str]]:
    """Makes sources and what each command makes of them undisturbed.

    Returns:
        SHA-256 of each file by its path, by command.
    """
    write_sources(root, 3)
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
    folder.mkdir(exist_ok=True)
    if command in BEFORE:
        shutil.copytree(root / BEFORE[command], folder, dirs_exist_ok=True)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path."""
    described = files.describe_files(folder)
    return {name: entry["sha256"] for name, entry in described.items()}


def run(command: str, folder: Path, *flags: str) -> int:
    """Runs a command in a folder; its exit code."""
    with contextlib.chdir(folder):
        return cli.run(dataset.main, [*ARGUMENTS[command].split(), *flags])
