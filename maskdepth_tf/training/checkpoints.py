"""A run's models on disk: the latest one, the one before it, and the best.

Files are `.keras` archives (every member carries a CRC) that hold weights, the
optimizer's momentum and its step. The latest and the one before it also hold what
training needs besides, so that it goes on exactly where it was, in the middle of an
epoch too. They are written aside, flushed and renamed: a reader sees the old file or
the new.
"""

import contextlib
import hashlib
import io
import json
import os
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

# Importing these registers what a saved model names.
import maskdepth_tf.network.losses
import maskdepth_tf.network.metrics
import maskdepth_tf.network.model
import maskdepth_tf.network.optimizers  # noqa: F401
from maskdepth_tf import files
from maskdepth_tf.errors import StateError
from maskdepth_tf.training import presets

LAST = "last.keras"
PREVIOUS = "previous.keras"
BEST = "best.keras"
_PROGRESS, _METRICS = "progress.json", "metrics.npz"


@dataclass
class RunProgress:
    """How far a training has come, besides its model.

    Attributes:
        history: A row for each finished epoch.
        epoch: Of the epoch under way, what its row will need; empty between epochs.
        metrics: Values of the running metrics of the epoch under way.
    """

    history: list[dict] = field(default_factory=list)
    epoch: dict[str, float] = field(default_factory=dict)
    metrics: list[np.ndarray] = field(default_factory=list)


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a compiled model with its optimizer, complete or not at all."""
    files.save_durably(path, model.save)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads the best model of a run folder, a `.keras` file or a preset, for answers.

    One that was trained in bfloat16 answers in float32, which all processors and
    runtimes know; its weights are float32 anyway.

    Args:
        path: Run folder, file, or a preset's name or folder (`presets`).

    Returns:
        The model; compiled, if it is of a training in float32.

    Raises:
        StateError: If there is none, or it is damaged.
    """
    path = presets.find(path)
    if presets.is_preset(path):
        return presets.from_preset(path)
    model = _load(path / BEST if path.is_dir() else path)
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    described = json.dumps(model.get_config())
    plain = json.loads(described.replace('"mixed_bfloat16"', '"float32"'))
    converted = type(model).from_config(plain)
    converted.set_weights(model.get_weights())
    return converted


def copy_weights(path: str | os.PathLike, net: keras.Model) -> None:
    """Gives a model the weights of the best of another run, or of a `.keras` file.

    Raises:
        StateError: If there is none, it is damaged, or of another shape.
    """
    source = load_model(path)
    shapes, expected = ([w.shape for w in m.weights] for m in (source, net))
    if shapes != expected:
        raise StateError(
            f"{path}: a run begins with weights of its own network, as model.preset, "
            "model.widths and model.patch_size have it. Received: another network, of "
            f"{source.count_params():,} parameters instead of {net.count_params():,}"
        )
    net.set_weights(source.get_weights())


def _load(path) -> keras.Model:
    if not path.is_file():
        raise StateError(f"{path}: a trained model must be there, and is not")
    if path.suffix != ".keras":
        # Keras would tell of formats that it knew once.
        raise StateError(
            f"{path}: a model must be a run folder, a .keras file or a SavedModel"
        )
    if not zipfile.is_zipfile(path):
        # Keras would say that it is not found.
        raise StateError(f"{path}: is damaged: a model is a whole zip archive")
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        # Damage shows as almost anything: BadZipFile, KeyError, ValueError, OSError.
        raise StateError(
            f"{path}: cannot be loaded as a model: {_reason(error)}"
        ) from error


def save_state(model: keras.Model, run_dir: Path, progress: RunProgress) -> None:
    """Writes all that training goes on from; the latest is then the previous."""

    def write(path):
        model.save(path)
        arrays = io.BytesIO()
        np.savez(arrays, *progress.metrics)
        position = {"history": progress.history, "epoch": progress.epoch}
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_PROGRESS, json.dumps(position))
            archive.writestr(_METRICS, arrays.getvalue())

    files.save_durably(run_dir / LAST, write, older=run_dir / PREVIOUS)


def load_state(run_dir: Path) -> tuple[keras.Model, RunProgress] | None:
    """Reads the newest state of a run folder that is whole.

    A damaged one gets the suffix `.bad`, and a line on stderr.

    Returns:
        The compiled model and how far it has come; None if nothing was saved yet.

    Raises:
        StateError: If there are states and all are damaged.
    """
    damaged: dict[Path, StateError] = {}
    for path in (run_dir / LAST, run_dir / PREVIOUS):
        if not path.exists():
            continue
        try:
            # Progress first: it finds damage before a variable is made, which all
            # workers of a training must do together.
            progress = _read_progress(path)
            model = _load(path)
        except StateError as error:
            damaged[path] = error
            continue
        for bad, reason in damaged.items():
            with contextlib.suppress(FileNotFoundError):  # another worker was first
                bad.rename(f"{bad}.bad")
            print(f"warning: {reason}; going on from {path.name}", file=sys.stderr)
        return model, progress
    if damaged:
        raise StateError("; ".join(map(str, damaged.values())))
    return None


def _read_progress(path: Path) -> RunProgress:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            position = json.loads(archive.read(_PROGRESS))
            with np.load(io.BytesIO(archive.read(_METRICS))) as stored:
                arrays = [stored[name] for name in stored.files]
        return RunProgress(position["history"], position["epoch"], arrays)
    except Exception as error:
        raise StateError(f"{path}: cannot be resumed from: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """First line of what an error says, or its kind."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def weights_sha256(model: keras.Model) -> str:
    """SHA-256, in hexadecimal, of all model and optimizer variables, in their order."""
    digest = hashlib.sha256()
    for variable in (*model.variables, *model.optimizer.variables):
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def is_finite(model: keras.Model) -> bool:
    """Whether no model or optimizer variable holds a NaN or an infinity."""
    return all(
        np.isfinite(np.asarray(keras.ops.convert_to_numpy(variable), np.float64)).all()
        for variable in (*model.variables, *model.optimizer.variables)
    )
