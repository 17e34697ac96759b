"""A teacher's depth maps for all rows of a data set.

Beside the maps it writes `depth_range.csv` (columns depth, near_m, far_m: a map's
path and its metric range) and the entry `depth` of `manifest.json`. A run that was
cut off goes on where it stopped: maps that exist are left as they are.
"""

import argparse
import concurrent.futures
import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from maskdepth_tf import errors, files, labels
from maskdepth_tf.dataset import progress, teacher, workers

RANGES = "depth_range.csv"
JOURNAL = "depth_range.partial.csv"
"""Ranges in order of completion, until all maps are there."""
HEADER = ("depth", "near_m", "far_m")
CHUNK = 8
"""Pictures of one call of the teacher."""

Ranges = dict[str, tuple[float, float]]
"""Path of a map -> near and far [m]."""


class Mapper:
    """Writes the depth maps of one data set; processes may share the work.

    Args:
        root: Folder of the data set.
        network: The teacher.
        quality: JPEG quality of the maps.
    """

    def __init__(self, root: Path, network: teacher.Teacher, quality: int) -> None:
        self._root, self._network, self._quality = root, network, quality

    def write_maps(self, jobs: list[tuple[str, str]]) -> int:
        """Maps of (path of fg_bg, path of depth) each; their number.

        Raises:
            DataError: A picture is missing or damaged, or its depth is not finite.
        """
        from maskdepth_tf import images

        pictures = [self._read(fg_bg) for fg_bg, _ in jobs]
        maps = self._network.predict(np.stack(pictures))
        for (fg_bg, depth), metres in zip(jobs, maps, strict=True):
            if not np.isfinite(metres).all():
                raise errors.DataError(
                    f"{self._root / fg_bg}: the teacher's depth must be finite. "
                    "Received: NaN or infinity"
                )
            relative, near, far = teacher.to_relative(metres)
            # Before the map: a map that exists then always has its range.
            self._note(depth, near, far)
            path = self._root / depth
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(255 * relative).astype(np.uint8)
            images.write_image(path, pixels, quality=self._quality)
        return len(jobs)

    def _read(self, fg_bg: str) -> np.ndarray:
        from maskdepth_tf import images

        picture = images.read_rgb(self._root / fg_bg)
        resized = images.resize(picture, self._network.input_size).numpy()
        return np.rint(resized).astype(np.uint8)

    def _note(self, depth: str, near: float, far: float) -> None:
        line = _to_csv([(depth, near, far)]).encode()
        # Unbuffered: lines of several processes must not be mixed.
        with (self._root / JOURNAL).open("ab", buffering=0) as file:
            file.write(line)


def _to_csv(rows: Iterable[tuple[str, float, float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((depth, f"{near:.4f}", f"{far:.4f}") for depth, near, far in rows)
    return text.getvalue()


def read_ranges(path: Path) -> Ranges:
    """Reads a file of metric ranges; a last line that was cut off is left out."""
    if not path.exists():
        return {}
    ranges = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in file:
            fields = next(csv.reader([line]))
            if line.endswith("\n") and len(fields) == 3 and tuple(fields) != HEADER:
                ranges[fields[0]] = (float(fields[1]), float(fields[2]))
    return ranges


def _check_same_teacher(old: dict | None, new: dict, path: Path) -> None:
    """Maps of two teachers must not get mixed."""
    if old is None:
        return
    for key in ("teacher", "convention", "quality"):
        if old.get(key) != new[key]:
            raise errors.StateError(
                f"{path}: its depth maps were begun with another {key}; --force makes "
                f"all of them anew. Expected: {old.get(key)}. Received: {new[key]}"
            )


_mapper: Mapper | None = None


def _receive(mapper: Mapper) -> None:
    global _mapper
    _mapper = mapper


def _work(jobs: list[tuple[str, str]]) -> int:
    if _mapper is None:
        raise RuntimeError("the worker was given no mapper")
    return _mapper.write_maps(jobs)


def _write_all(mapper: Mapper, jobs: list[tuple[str, str]], num_workers: int) -> None:
    chunks = [jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)]
    with progress.track("depth", len(jobs), "maps") as advance:
        if num_workers == 1 or len(chunks) < 2:
            for chunk in chunks:
                advance(mapper.write_maps(chunk))
            return
        num_workers = min(num_workers, len(chunks))
        with workers.pool(num_workers, _receive, (mapper,)) as pool:
            futures = [pool.submit(_work, chunk) for chunk in chunks]
            for future in concurrent.futures.as_completed(futures):
                advance(future.result())


def _read_manifest(path: Path) -> dict:
    if not path.exists():
        return {}
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise errors.DataError(f"{path}: must be JSON, is damaged: {error}") from error
    if not isinstance(manifest, dict):
        raise errors.DataError(f"{path}: must hold a JSON object")
    return manifest


def make_depth(
    root: Path,
    teacher_path: Path,
    *,
    convention: str = "metric",
    quality: int = 75,
    num_workers: int = 1,
    force: bool = False,
) -> int:
    """Writes the depth maps that a data set's labels name and that do not exist.

    Args:
        root: Folder of the data set, with `labels.txt`.
        teacher_path: The network, see `teacher.load_teacher`.
        convention: What it puts out, a name in `teacher.CONVENTIONS`.
        quality: JPEG quality of the maps.
        num_workers: Processes.
        force: Whether to make all maps anew.

    Returns:
        Number of maps written.

    Raises:
        DataError: The labels, a picture or the teacher's file is at fault.
        UsageError: The teacher's kind or package is missing.
        StateError: Maps of another teacher are there already.
    """
    rows = labels.read(root / "labels.txt")
    network = teacher.load_teacher(teacher_path, convention)
    manifest = _read_manifest(root / "manifest.json")
    entry = {
        "teacher": {
            "name": teacher_path.name,
            "sha256": files.sha256_of(teacher_path),
        },
        "convention": convention,
        "quality": quality,
        "ranges": RANGES,
        "complete": False,
    }
    if force:
        for name in (RANGES, JOURNAL):
            (root / name).unlink(missing_ok=True)
    else:
        _check_same_teacher(manifest.get("depth"), entry, root)
    wanted = {row.depth: row.fg_bg for row in rows}
    jobs = [(f, d) for d, f in wanted.items() if force or not (root / d).exists()]
    if not jobs and not (root / JOURNAL).exists():
        return 0
    # First of all, so that a run that is cut off leaves a trace of its teacher.
    files.write_json(root / "manifest.json", manifest | {"depth": entry})
    _write_all(Mapper(root, network, quality), jobs, num_workers)
    ranges = read_ranges(root / RANGES) | read_ranges(root / JOURNAL)
    known = [(depth, *ranges[depth]) for depth in wanted if depth in ranges]
    text = ",".join(HEADER) + "\n" + _to_csv(known)
    files.write_atomically(root / RANGES, text.encode())
    entry["complete"] = True
    files.write_json(root / "manifest.json", manifest | {"depth": entry})
    (root / JOURNAL).unlink(missing_ok=True)
    return len(jobs)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `depth`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--convention",
        choices=teacher.CONVENTIONS,
        default="metric",
        help="what the teacher puts out (%(default)s)",
    )
    parser.add_argument("--quality", type=int, default=75, help="JPEG (%(default)s)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--force", action="store_true", help="make maps that exist anew"
    )


def main(args: argparse.Namespace) -> None:
    """Runs `depth` with parsed flags."""
    if args.workers < 1:
        raise errors.UsageError(
            f"--workers must be 1 or more. Received: {args.workers}"
        )
    if not 1 <= args.quality <= 95:
        raise errors.UsageError(f"--quality must be 1 to 95. Received: {args.quality}")
    count = make_depth(
        args.data,
        args.teacher,
        convention=args.convention,
        quality=args.quality,
        num_workers=args.workers,
        force=args.force,
    )
    print(f"{count} depth maps written in {args.data}")
