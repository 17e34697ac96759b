"""A teacher's depth maps for all rows of a data set.

Beside the maps it writes `depth_range.csv` (a map's path and its range, columns
depth, near_m, far_m; near, far for a teacher without units) and the entry `depth` of
`manifest.json`. With 16 bits the maps are PNG, and once all are there the labels name
them so. A run that was cut off goes on where it stopped: maps that exist are left as
they are.
"""

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from maskdepth_tf import cli, errors, files, startup, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.teachers import conventions, loading, plausibility, ranges
from maskdepth_tf.input import labels

CHUNK = 8
"""Maps of one piece of work."""


class Mapper:
    """Writes the depth maps of one data set; processes may share the work.

    Args:
        root: Folder of the data set.
        network: The teacher.
        bits: 8 or 16 of a map's pixel.
        quality: JPEG quality of the maps.

    Attributes:
        is_one_core: Whether its maps come out the same in any process.
    """

    def __init__(
        self, root: Path, network: loading.Teacher, bits: int, quality: int
    ) -> None:
        self.is_one_core = network.is_one_core
        self._root, self._network, self._quality = root, network, quality
        self._dtype, self._white = f"uint{bits}", 2**bits - 1

    def predict(self, fg_bg: str) -> np.ndarray:
        """Distances in one composite, float32 [S, S]."""
        from maskdepth_tf.images import preprocessing

        picture = preprocessing.read_rgb(self._root / fg_bg)
        return loading.estimate(self._network, picture)

    def write_maps(self, jobs: Sequence[tuple[str, str]]) -> int:
        """Maps of (path of fg_bg, path of depth) each; their number.

        Raises:
            DataError: A picture is missing or damaged, or its depth is not finite.
        """
        from maskdepth_tf.images import encoding, preprocessing

        for fg_bg, depth in jobs:
            picture = preprocessing.read_rgb(self._root / fg_bg)
            distance = loading.estimate(self._network, picture)
            plausibility.check_finite(self._root / fg_bg, distance)
            shaped = to_shape(distance, *picture.shape[:2])
            relative, near, far = conventions.to_relative(shaped)
            # Before the map: a map that exists then always has its range.
            ranges.note(self._root, depth, near, far)
            path = self._root / depth
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(self._white * relative).astype(self._dtype)
            encoding.write_image(path, pixels, quality=self._quality)
        return len(jobs)


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
    old = {"normalize": "none", "input_size": new["input_size"], "bits": 8} | old
    for key in ("teacher", "convention", "normalize", "input_size", "bits", "quality"):
        if old.get(key) != new[key]:
            raise errors.StateError(
                f"{path}: its depth maps were begun with another {key}; --force makes "
                f"all of them anew. Expected: {old.get(key)}. Received: {new[key]}"
            )


def _write_all(mapper: Mapper, jobs: list[tuple[str, str]], num_workers: int) -> None:
    chunks = [tuple(jobs[i : i + CHUNK]) for i in range(0, len(jobs), CHUNK)]
    num_workers = max(1, min(num_workers, len(chunks)))
    # Others have one core in a process of their own, and more in this one.
    start = workers.pool_or_here if mapper.is_one_core else workers.pool
    with start(num_workers, mapper, workers.with_tensorflow) as pool:
        counts = {(chunk,): len(chunk) for chunk in chunks}
        pool.run(Mapper.write_maps, counts, "depth", "maps")


def _name_maps(path: Path, bits: int) -> list[labels.Row]:
    """Rows of a labels file; with 16 bits all maps are PNG."""
    rows = labels.read(path)
    if bits == 8:
        return rows
    names = {row.depth: os.path.splitext(row.depth)[0] + ".png" for row in rows}
    if len(set(names.values())) < len(names):
        raise errors.DataError(
            f"{path}: maps of 16 bits are PNG, so their names must differ in more "
            "than their suffix"
        )
    return [row._replace(depth=names[row.depth]) for row in rows]


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


def _finish(root: Path, rows: list[labels.Row], manifest: dict) -> None:
    """Writes ranges, labels and manifest once all maps are there."""
    entry = manifest["depth"]
    paths = dict.fromkeys(row.depth for row in rows)
    ranges.complete(root, paths, entry["network"]["values"] == "metric")
    if entry["bits"] == 16:
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
    more = {"normalize": normalize, "bits": bits, "quality": quality}
    entry = _describe(network, teacher, convention, more)
    path = root / files.MANIFEST
    manifest = files.parse_json(path.read_bytes(), path) if path.exists() else {}
    old = None if force else manifest.get("depth")
    _check_same_teacher(old, entry, root)
    wanted = {row.depth: row.fg_bg for row in rows}
    jobs = [(f, d) for d, f in wanted.items() if force or not (root / d).exists()]
    if not jobs and not (root / ranges.JOURNAL).exists():
        return 0
    _remove_remains(root, wanted)
    mapper = Mapper(root, network, bits, quality)
    entry["check"] = (old or {}).get("check") or plausibility.check_teacher(
        root, rows, mapper.predict, convention
    )
    if force:
        # The maps, too: a run that goes on would take them for its own.
        for name in (*wanted, ranges.RANGES, ranges.JOURNAL):
            (root / name).unlink(missing_ok=True)
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
    flags.add_workers(parser)
    parser.switch("--force", "make maps that exist anew")


def main(args: argparse.Namespace) -> None:
    """Runs `depth` with parsed flags."""
    count = make_depth(**vars(args))
    print(f"{count} depth maps written in {args.root}")
    cli.suggest("dataset", "verify", "--labels", args.root / "labels.txt")
