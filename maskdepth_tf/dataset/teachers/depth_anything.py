"""Teachers of KerasHub, by the name of a preset."""

import functools
import hashlib

import numpy as np

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import networks
from maskdepth_tf.dataset.teachers.keras_file import KerasNetwork


class DepthAnythingNetwork(KerasNetwork):
    """KerasHub's DepthAnything, which scales pictures itself; see `Network`.

    Args:
        preset: A name that KerasHub knows, whose files it fetches, or the folder of
            a preset on this disk.

    Raises:
        UsageError: The package keras-hub is not installed.
        DataError: There is no such preset, it cannot be fetched or is of another kind.
    """

    def __init__(self, preset: str) -> None:
        super().__init__(preset)
        self.takes_bytes = True  # and its preprocessor makes them what the model takes

    def sha256(self) -> str:
        """SHA-256 of the weights."""
        digest = hashlib.sha256()
        for weight in self._model.weights:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
        return digest.hexdigest()

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        return super().predict(self._model.preprocessor(picture))

    @functools.cached_property
    def _model(self):
        try:
            import keras_hub
        except ImportError as error:
            raise errors.UsageError(
                f"a keras_hub: teacher needs the package keras-hub: {networks.INSTALL}"
            ) from error
        try:
            return keras_hub.models.DepthAnythingDepthEstimator.from_preset(self._path)
        except Exception as error:  # of many kinds: network, files, another model
            raise errors.DataError(
                f"keras_hub:{self._path}: no preset of DepthAnything, or it cannot "
                f"be loaded: {networks.in_one_line(error)}"
            ) from error
