"""A teacher's depth maps for all rows of a data set.

Beside the maps it writes `depth_range.csv` (a map's path and its range, columns
depth, near_m, far_m; near, far for a teacher without units) and the entry `depth` of
`manifest.json`. With 16 bits the maps are PNG, and once all are there the labels name
them so. A run that was cut off goes on where it stopped: maps that exist are left as
they are.

With `--of-rooms` the teacher sees the rooms and not the composites, and figures are put
in as surfaces, see `teachers.rooms`. Where it does not know the room, the map is of one
value, is called `depth1@unknown.jpg`, and the row trains the mask alone.
"""

import argparse
import collections
import functools
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from maskdepth_tf import cli, errors, files, startup, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.teachers import (
    conventions,
    loading,
    plausibility,
    ranges,
    rooms,
)
from maskdepth_tf.input import labels

CHUNK = 32
"""Maps of one piece of work."""


class Mapper:
    """Writes the depth maps of one data set; processes may share the work.

    Args:
        root: Folder of the data set.
        network: The teacher.
        bits: 8 or 16 of a map's pixel.
        quality: JPEG quality of the maps.
        of_rooms: Whether the teacher sees the rooms, not the composites.

    Attributes:
        is_one_core: Whether its maps come out the same in any process.
    """

    def __init__(
        self,
        root: Path,
        network: loading.Teacher,
        bits: int,
        quality: int,
        of_rooms: bool = False,
    ) -> None:
        self.is_one_core = network.is_one_core
        self._root, self._network, self._quality = root, network, quality
        self._dtype, self._white = f"uint{bits}", 2**bits - 1
        self._of_rooms = of_rooms

    def predict(self, fg_bg: str) -> np.ndarray:
        """Distances in one composite, float32 [S, S]."""
        from maskdepth_tf.images import preprocessing

        picture = preprocessing.read_rgb(self._root / fg_bg)
        return loading.estimate(self._network, picture)

    def write_maps(self, rows: Sequence[labels.Row]) -> int:
        """Writes the maps of rows; those of one room best one after the other.

        Returns:
            Their number.

        Raises:
            DataError: A picture is missing or damaged, or its depth is not finite.
        """
        from maskdepth_tf.images import encoding

        look = functools.lru_cache(maxsize=1)(self._look)
        for row in rows:
            shaped, path = self._distance(row, look)
            relative, near, far = conventions.to_relative(shaped)
            # Before the map: a map that exists then always has its range.
            ranges.note(self._root, path, near, far)
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(self._white * relative).astype(self._dtype)
            encoding.write_image(self._root / path, pixels, quality=self._quality)
        return len(rows)

    def _look(self, bg: str) -> rooms.Room:
        from maskdepth_tf.images import preprocessing

        room = rooms.look(self._network, preprocessing.read_rgb(self._root / bg))
        plausibility.check_finite(self._root / bg, room.distance)
        return room

    def _distance(self, row, look) -> tuple[np.ndarray, str]:
        """Distances in a composite, float32 [H, W], and the path of their map."""
        from maskdepth_tf.images import preprocessing

        if not self._of_rooms:
            picture = preprocessing.read_rgb(self._root / row.fg_bg)
            distance = loading.estimate(self._network, picture)
            plausibility.check_finite(self._root / row.fg_bg, distance)
            return to_shape(distance, *picture.shape[:2]), row.depth
        mask = preprocessing.read_mask(self._root / row.mask)[..., 0]
        room = look(row.bg)
        if not room.is_known:
            return np.zeros_like(mask, np.float32), unknown_path(row.depth)
        size = mask.shape[::-1]
        distance = cv2.resize(room.distance, size, interpolation=cv2.INTER_LINEAR)
        return rooms.put_in(distance, mask), row.depth


def unknown_path(depth: str) -> str:
    """What the map of a row is called whose depth is not known."""
    stem, suffix = os.path.splitext(depth)
    return f"{stem}{labels.UNKNOWN_MARK}{suffix}"


def to_shape(distance: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 [S, S] -> that of a picture [height, width] whose longer side is S."""
    scale = len(distance) / max(height, width)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return cv2.resize(distance, size, interpolation=cv2.INTER_AREA)


def _check_same_teacher(old: dict | None, new: dict, path: Path) -> None:
    """Maps of two teachers must not get mixed."""
    if old is None:
        return
    # What maps were that were made before these could be chosen.
    before = {"normalize": "none", "input_size": new["input_size"], "bits": 8}
    old = before | {"of_rooms": False} | old
    for key in ("teacher", "convention", *before, "quality", "of_rooms"):
        if old.get(key) != new[key]:
            raise errors.StateError(
                f"{path}: its depth maps were begun with another {key}; --force makes "
                f"all of them anew. Expected: {old.get(key)}. Received: {new[key]}"
            )


def _write_all(mapper: Mapper, rows: list[labels.Row], num_workers: int) -> None:
    by_room = collections.defaultdict(list)
    for row in rows:
        by_room[row.bg].append(row)
    chunks = [
        tuple(own[i : i + CHUNK])
        for own in by_room.values()
        for i in range(0, len(own), CHUNK)
    ]
    num_workers = max(1, min(num_workers, len(chunks)))
    # Others have one core in a process of their own, and more in this one.
    start = workers.pool_or_here if mapper.is_one_core else workers.pool
    with start(num_workers, mapper, workers.with_tensorflow) as pool:
        counts = {(chunk,): len(chunk) for chunk in chunks}
        pool.run(Mapper.write_maps, counts, "depth", "maps")


def _name_maps(path: Path, bits: int) -> list[labels.Row]:
    """Rows of a labels file, as if all depths were known; with 16 bits maps are PNG."""
    rows = labels.read(path)
    names = {row.depth: row.depth.replace(labels.UNKNOWN_MARK, "") for row in rows}
    if bits == 16:
        names = {k: os.path.splitext(name)[0] + ".png" for k, name in names.items()}
    if len(set(names.values())) < len(names):
        raise errors.DataError(
            f"{path}: maps of 16 bits are PNG, so their names must differ in more "
            "than their suffix"
        )
    return [row._replace(depth=names[row.depth]) for row in rows]


def _paths_of(row: labels.Row) -> tuple[str, str]:
    """What a row's map may be called: known, and not known."""
    return row.depth, unknown_path(row.depth)


def _made(root: Path, row: labels.Row) -> str | None:
    """Path of a row's map if it is there."""
    return next((path for path in _paths_of(row) if (root / path).exists()), None)


def _describe(network: loading.Teacher, name: str, convention: str, more: dict):
    """The entry in the manifest."""
    return {
        "teacher": {"name": Path(name).name, "sha256": network.sha256},
        "convention": convention,
        "input_size": network.input_size,
        **more,
        # A number that the network puts out, or a pixel, times the scale is in units.
        "network": conventions.CONVENTIONS[convention].describe(),
        "maps": {
            "values": "relative",
            "large_is": "far",
            "units": None,
            "scale": 1 / (2 ** more["bits"] - 1),
        },
        "ranges": ranges.RANGES,
        "complete": False,
    }


def _remove_remains(root: Path, maps: Iterable[str]) -> None:
    """Removes what a run that was killed left half-written."""
    for folder in {root, *((root / path).parent for path in maps)}:
        files.remove_partials(folder)
    ranges.mend_journal(root)


def _remove_maps(root: Path, rows: Iterable[labels.Row]) -> None:
    """Removes maps and ranges: a run that goes on would take them for its own."""
    maps = itertools.chain.from_iterable(map(_paths_of, rows))
    for name in (*maps, ranges.RANGES, ranges.JOURNAL):
        (root / name).unlink(missing_ok=True)


def _finish(root: Path, rows: list[labels.Row], manifest: dict) -> None:
    """Writes ranges, labels and manifest once all maps are there."""
    entry = manifest["depth"]
    made = {row.depth: _made(root, row) for row in rows}
    rows = [row._replace(depth=made[row.depth] or row.depth) for row in rows]
    paths = dict.fromkeys(row.depth for row in rows)
    ranges.complete(root, paths, entry["network"]["values"] == "metric")
    if rows != labels.read(root / "labels.txt"):
        labels.write(root / "labels.txt", rows)
        if "labels.txt" in manifest.get("files", {}):
            sha256 = files.sha256_of(root / "labels.txt")
            manifest["files"]["labels.txt"] = sha256
    entry["complete"] = True
    files.write_json(root / files.MANIFEST, manifest)
    (root / ranges.JOURNAL).unlink(missing_ok=True)


def make_depth(
    root: Path,
    teacher: str,
    *,
    convention: str = "metric",
    normalize: str = "none",
    input_size: int | None = None,
    bits: int = 8,
    quality: int = 75,
    of_rooms: bool = False,
    num_workers: int = 1,
    force: bool = False,
) -> int:
    """Writes the depth maps that a data set's labels name and that do not exist.

    Args:
        root: Folder of the data set, with `labels.txt`.
        teacher: The network, see `loading.load_teacher`; so the next three.
        convention: What it puts out.
        normalize: What it takes.
        input_size: Side of its pictures.
        bits: 8, or 16 for PNG, whatever suffix the labels name until then.
        quality: JPEG quality of the maps.
        of_rooms: Whether the teacher sees the rooms, and figures are put in.
        num_workers: Processes.
        force: Whether to make all maps anew.

    Returns:
        Number of maps written.

    Raises:
        DataError: The labels, a picture, the teacher's file or its depth is at fault.
        UsageError: The teacher's kind or package is missing, or a choice is wrong.
        StateError: Maps of another teacher are there already.
    """
    rows = _name_maps(root / "labels.txt", bits)
    startup.load_tensorflow()
    network = loading.load_teacher(teacher, convention, normalize, input_size)
    more = dict(normalize=normalize, bits=bits, quality=quality, of_rooms=of_rooms)
    entry = _describe(network, teacher, convention, more)
    path = root / files.MANIFEST
    manifest = files.parse_json(path.read_bytes(), path) if path.exists() else {}
    old = None if force else manifest.get("depth")
    _check_same_teacher(old, entry, root)
    wanted = {row.depth: row for row in rows}
    jobs = [row for row in wanted.values() if force or not _made(root, row)]
    if not jobs and not (root / ranges.JOURNAL).exists():
        return 0
    _remove_remains(root, wanted)
    mapper = Mapper(root, network, bits, quality, of_rooms)
    entry["check"] = (old or {}).get("check") or plausibility.check_teacher(
        root, rows, mapper.predict, convention
    )
    if force:
        _remove_maps(root, wanted.values())
    manifest["depth"] = entry  # now: a run that is cut off leaves a trace of it
    files.write_json(path, manifest)
    _write_all(mapper, jobs, num_workers)
    _finish(root, rows, manifest)
    return len(jobs)


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `depth`."""
    text = "folder of a data set, with labels.txt in it"
    parser.add("--data", "DIR", text, type=Path, required=True, dest="root")
    text = "file (.tflite, .onnx, .keras, .h5), SavedModel folder or keras_hub:PRESET"
    parser.add("--teacher", "NAME", text, required=True)
    text = "what the teacher puts out: %(choices)s"
    choices = conventions.CONVENTIONS
    parser.add("--convention", "NAME", text, choices=choices, default="metric")
    text = "of RGB in [0, 1], before the teacher: %(choices)s"
    names = loading.NORMALIZATIONS
    parser.add("--normalize", "NAME", text, choices=names, default="none")
    size = cli.number(int, 1)
    text = f"side of the teacher's pictures (its own, {loading.FREE_SIZE} if it takes "
    parser.add("--input-size", "PIXELS", f"{text}any)", type=size)
    text = "of a map's pixel, 8 or 16; 16 are written as PNG"
    parser.add("--bits", "N", text, type=int, choices=(8, 16), default=8)
    quality = cli.number(int, 1, 95)
    parser.add("--quality", "Q", "JPEG quality of maps", type=quality, default=75)
    text = "show the teacher the rooms, and put figures in as surfaces; rows of rooms "
    text += "on which it disagrees with itself train the mask alone"
    parser.switch("--of-rooms", text)
    flags.add_workers(parser)
    parser.switch("--force", "make maps that exist anew")


def main(args: argparse.Namespace) -> None:
    """Runs `depth` with parsed flags."""
    count = make_depth(**vars(args))
    print(f"{count} depth maps written in {args.root}")
    cli.suggest("dataset", "verify", "--labels", args.root / "labels.txt")
