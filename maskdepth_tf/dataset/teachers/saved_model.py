"""Teachers in TensorFlow's format, a SavedModel folder."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import networks

SIGNATURE = "serving_default"


class SavedModelNetwork(networks.Network):
    """The signature `serving_default` of a SavedModel; see `Network`.

    Args:
        path: The folder.

    Raises:
        DataError: The folder is no SavedModel, is damaged, has no such signature, or
            that takes something else than one picture of float32 or uint8.
    """

    is_one_core = False
    fault = "not a SavedModel, or a damaged one"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        if not (Path(path) / "saved_model.pb").is_file():
            raise errors.DataError(f"{path}: a SavedModel must hold saved_model.pb")
        inputs = self._loaded.signatures[SIGNATURE].structured_input_signature[1]
        shapes = [list(spec.shape) if spec.shape else [] for spec in inputs.values()]
        self.input_size, _ = networks.read_input(path, shapes)
        ((self._input, spec),) = inputs.items()
        if spec.dtype not in (tf.float32, tf.uint8):
            raise errors.DataError(
                f"{path}: the teacher must take float32 or uint8. "
                f"Received: {spec.dtype.name}"
            )
        self.takes_bytes = spec.dtype == tf.uint8

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        signature = self._loaded.signatures[SIGNATURE]
        outputs = signature(**{self._input: tf.constant(picture)})
        return [output.numpy() for output in outputs.values()]

    def _load(self):
        loaded = tf.saved_model.load(self._path)
        if SIGNATURE not in loaded.signatures:
            raise errors.DataError(
                f"{self._path}: a SavedModel must have the signature {SIGNATURE}. "
                f"Received: {list(loaded.signatures)}"
            )
        return loaded
