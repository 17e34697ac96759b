"""Run folders: what was run, with what, on what, and what came out.

config.yaml        the resolved configuration
run.json           command, versions, commit, machine, data, weights' fingerprint
metrics.csv        a row an epoch
last.keras         the latest model, with its optimizer: what a run resumes
previous.keras     the one before, should the latest be damaged
run.lock           held by the process that trains
best.keras         the epoch that was best on validation rows
evaluation.json    scores of the best model on every side of the split
pictures/          predictions and curves
tensorboard/       scalars, graph, rates and picture grids
xla_cache/         what XLA compiled, if it does
export/N/          the best model as a SavedModel
report.html        all of it to read
"""

import contextlib
import csv
import datetime
import fcntl
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from maskdepth_tf import __version__, config, files, schema
from maskdepth_tf.errors import LockedError, StateError

LOCK = "run.lock"
MONITOR = "val_loss"
"""What the best epoch is least in: the loss on validation rows, whole and in
evaluation mode."""
DECIDE_SPLIT = ("seed", "data.split", "data.test_fraction", "data.max_rows")
"""Keys of the configuration by which rows train or test."""
PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "opencv-python-headless")
"""Packages whose versions a run keeps."""


@contextlib.contextmanager
def claim(settings: config.Config, resume: bool) -> Iterator[Path]:
    """Holds a run folder for this process, and refuses to mix runs.

    Args:
        settings: The configuration; names the folder.
        resume: Whether to go on with a run, if one is there.

    Yields:
        The folder. If no run is begun in it and it was not there before, it is
        removed again.

    Raises:
        LockedError: If another process is at work there.
        StateError: If a new run would overwrite an old one, a resumed one would go
            on with another configuration, or the folder cannot be made.
    """
    run_dir = Path(settings.workdir)
    saved = run_dir / "config.yaml"
    is_new = not run_dir.exists()
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / LOCK, "ab")
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise StateError(
            f"{run_dir}: the run folder cannot be made: {error.strerror}"
        ) from error
    with lock:
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"{run_dir}: another process is training there") from None
        try:
            if resume and saved.exists():
                _check_same(saved, settings)
            elif saved.exists():
                raise StateError(
                    f"{run_dir}: a run is there already; go on with --resume, or name "
                    "another folder with --workdir"
                )
            yield run_dir
        finally:
            if is_new and not saved.exists():
                shutil.rmtree(run_dir)


def is_begun(run_dir: Path) -> bool:
    """Whether a folder holds a run."""
    return (run_dir / "config.yaml").exists()


def is_finished(run_dir: Path, settings: config.Config) -> bool:
    """Whether a run has been trained, and evaluated, for all configured epochs.

    Raises:
        StateError: If it was configured otherwise.
    """
    if not is_begun(run_dir):
        return False
    _check_same(run_dir / "config.yaml", settings)
    if not (run_dir / "report.html").exists():
        return False
    description = json.loads((run_dir / "run.json").read_bytes())
    epochs = description["config"]["training"]["epochs"]
    return "finished" in description and epochs >= settings.training.epochs


def check_data(run_dir: Path, data: dict) -> None:
    """Refuses to go on with other `data` than the run's, both as `begin` takes it.

    Raises:
        StateError: If rows, pictures or sides of the split are not the same.
    """
    path = run_dir / "run.json"
    try:
        before = json.loads(path.read_bytes())["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: is missing or damaged: {error}") from error
    for key in ("rows", "splits", "sha256"):
        if before.get(key) != data[key]:
            raise StateError(
                f"{data['labels']}: a run resumes with its own data. Received: "
                f"{key}={data[key]}, begun with {before.get(key)}"
            )


def doubt_of_init(init: str, settings: config.Config, data: dict) -> str | None:
    """What is wrong with scores of a run that begins with the weights of another.

    Args:
        init: Run folder of the other, or its model.
        settings: The configuration.
        data: As `begin` takes it.

    Returns:
        That the other was trained on rows that test here, if it is known.
    """
    path = Path(init)
    if not path.exists():  # a preset, of which no run is known
        return None
    folder = path if path.is_dir() else path.parent
    try:
        other = json.loads((folder / "run.json").read_bytes())
        is_other_set = other["data"]["sha256"] != data["sha256"]
        before, after = _flat(other["config"]), _flat(schema.to_dict(settings))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    changed = [key for key in DECIDE_SPLIT if before.get(key) != after[key]]
    if is_other_set or not changed:
        return None
    key = changed[0]
    return (
        f"{init}: was trained on rows that test here, with {key}={before.get(key)} "
        f"instead of {after[key]}: scores will flatter"
    )


def _check_same(saved, settings):
    before = _flat(schema.to_dict(config.load_config([saved])))
    after = _flat(schema.to_dict(settings))
    # The folder may have been moved, and whoever prepares batches makes the same;
    # everything else decides the weights. More epochs change nothing of those before.
    free = {"workdir", "data.services"}
    if after["training.epochs"] > before["training.epochs"]:
        free.add("training.epochs")
    changed = [
        key
        for key in before | after
        if before.get(key) != after.get(key) and key not in free
    ]
    if changed:
        key = changed[0]
        raise StateError(
            f"{saved}: a run resumes with its own configuration. Received: "
            f"{key}={after.get(key)}, begun with {before.get(key)}"
        )


def _flat(values, prefix=""):
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def begin(run_dir: Path, settings: config.Config, data: dict) -> None:
    """Writes `config.yaml`, and into `run.json` what is known so far.

    Args:
        run_dir: Run folder.
        settings: The configuration.
        data: What is known of the examples: labels, rows, sha256, splits.
    """
    files.remove_partials(run_dir)  # of a process that was killed
    versions = {name: metadata.version(name) for name in PACKAGES}
    own = {"maskdepth_tf": __version__, "python": platform.python_version()}
    description = {
        "command": sys.argv,
        "started": _started(run_dir) or _now(),
        "versions": own | versions,
        "commit": _commit(),
        "machine": _machine(),
        "config": schema.to_dict(settings),
        "data": data,
    }
    files.write_json(run_dir / "run.json", description)
    # Last: a folder with it holds a run.
    files.write_atomically(run_dir / "config.yaml", config.to_yaml(settings).encode())


def _started(run_dir) -> str | None:
    """When a run that goes on was begun."""
    try:
        return json.loads((run_dir / "run.json").read_bytes())["started"]
    except (OSError, ValueError, KeyError):
        return None


def finish(run_dir: Path, weights_sha256: str) -> None:
    """Adds to `run.json` when training ended, and with which weights."""
    path = run_dir / "run.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description |= {"finished": _now(), "weights_sha256": weights_sha256}
    files.write_json(path, description)


def write_metrics(run_dir: Path, history: list[dict]) -> None:
    """Writes `metrics.csv`: a row an epoch, floats exact."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.write_atomically(run_dir / "metrics.csv", text.getvalue().encode())


def read_metrics(run_dir: Path) -> list[dict]:
    """Reads `metrics.csv`; no rows if it is not there yet.

    Raises:
        StateError: If it is damaged.
    """
    path = run_dir / "metrics.csv"
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {k: int(v) if k == "epoch" else float(v) for k, v in row.items()}
                for row in csv.DictReader(file)
            ]
    except (csv.Error, TypeError, ValueError) as error:
        raise StateError(f"{path}: must hold a number a column: {error}") from error


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _commit() -> str | None:
    """The package's own commit, with a plus if files differ from it."""
    folder = Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _machine() -> dict:
    processor = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if "model name" in x]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {
        "system": platform.platform(),
        "processor": processor,
        "cores": os.cpu_count(),
    }
