"""Teachers of KerasHub, by the name of a preset."""

import hashlib

import numpy as np

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

    fault = "no preset of DepthAnything, or it cannot be loaded"

    def __init__(self, preset: str) -> None:
        super().__init__(preset, f"keras_hub:{preset}")
        self.takes_bytes = True  # and its preprocessor makes them what the model takes

    def sha256(self) -> str:
        """SHA-256 of the weights."""
        digest = hashlib.sha256()
        for weight in self._loaded.weights:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
        return digest.hexdigest()

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        return super().predict(self._loaded.preprocessor(picture))

    def _load(self):
        hub = networks.import_package("keras_hub", "a keras_hub: teacher")
        return hub.models.DepthAnythingDepthEstimator.from_preset(self._path)
