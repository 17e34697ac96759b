"""Teachers of KerasHub, by the name of a preset."""

import functools
import hashlib

import numpy as np
import tensorflow as tf

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import networks


class DepthAnythingNetwork:
    """KerasHub's DepthAnything, which scales pictures itself; see `Network`.

    Args:
        preset: A name that KerasHub knows, whose files it fetches, or the folder of
            a preset on this disk.

    Raises:
        UsageError: The package keras-hub is not installed.
        DataError: There is no such preset, it cannot be fetched or is of another kind.
    """

    takes_bytes = True
    is_one_core = False

    def __init__(self, preset: str) -> None:
        self._preset = preset
        inputs = [tuple(tensor.shape) for tensor in self._model.inputs]
        self.input_size, _ = networks.read_input(preset, inputs)

    def sha256(self) -> str:
        """SHA-256 of the weights."""
        digest = hashlib.sha256()
        for weight in self._model.weights:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
        return digest.hexdigest()

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        pixels = self._model.preprocessor(picture)
        return [output.numpy() for output in self._function(pixels).values()]

    @functools.cached_property
    def _function(self):
        model = self._model
        return tf.function(lambda image: model(image, training=False), autograph=False)

    @functools.cached_property
    def _model(self):
        try:
            import keras_hub
        except ImportError as error:
            raise errors.UsageError(
                f"a keras_hub: teacher needs the package keras-hub: {networks.INSTALL}"
            ) from error
        try:
            return keras_hub.models.DepthAnythingDepthEstimator.from_preset(
                self._preset
            )
        except Exception as error:  # of many kinds: network, files, another model
            raise errors.DataError(
                f"keras_hub:{self._preset}: no preset of DepthAnything, or it cannot "
                f"be loaded: {networks.in_one_line(error)}"
            ) from error

    def __getstate__(self):
        """All but the model, which each process loads for itself."""
        return {"_preset": self._preset, "input_size": self.input_size}
