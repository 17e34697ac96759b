"""A run's models on disk: the last epoch's and the best one's.

Files are `.keras` archives (every member carries a CRC) that hold weights, the
optimizer's momentum and its step, so that training goes on exactly where it was.
They are written aside, flushed and renamed: a reader sees the old file or the new.
"""

import hashlib
import os
from pathlib import Path

import keras
import numpy as np

# Importing these registers what a saved model names.
import maskdepth_tf.losses
import maskdepth_tf.metrics
import maskdepth_tf.model  # noqa: F401
from maskdepth_tf import files
from maskdepth_tf.errors import StateError

LAST = "last.keras"
BEST = "best.keras"


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a compiled model with its optimizer, complete or not at all."""
    files.save_durably(path, model.save)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads the best model of a run folder, or a `.keras` file.

    Args:
        path: Run folder or file.

    Returns:
        The compiled model.

    Raises:
        StateError: If there is none, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        path = path / BEST
    if not path.is_file():
        raise StateError(f"{path}: a trained model must be there, and is not")
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        # Damage shows as almost anything: BadZipFile, KeyError, ValueError, OSError.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StateError(f"{path}: cannot be loaded as a model: {reason}") from error


def weights_sha256(model: keras.Model) -> str:
    """Fingerprint of all model and optimizer variables, in their order.

    Args:
        model: A compiled model.

    Returns:
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for variable in (*model.variables, *model.optimizer.variables):
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
