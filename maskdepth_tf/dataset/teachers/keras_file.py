"""Teachers in Keras' formats, `.keras` and `.h5`."""

import functools
import os
import shutil
import tempfile
import warnings

import h5py
import keras
import numpy as np
import tensorflow as tf

from maskdepth_tf.dataset.teachers import networks


@keras.saving.register_keras_serializable(package="maskdepth_tf")
class BilinearUpSampling2D(keras.layers.Layer):
    """Enlarges maps, the corner pixels staying in the corners.

    DenseDepth's file of 2018 names this layer and was trained with it. Keras'
    `UpSampling2D` differs: it takes the corners of the picture for those of pixels.

    Args:
        size: By how much, rows and columns.
        data_format: Only "channels_last".
        **kwargs: Passed to `keras.layers.Layer`.

    Call shapes:
        inputs: [B, H, W, C].
        returns: [B, size[0] H, size[1] W, C].
    """

    def __init__(self, size=(2, 2), data_format="channels_last", **kwargs):
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last"):
            raise ValueError(
                f"`data_format` must be channels_last. Received: {data_format}"
            )
        self.size = tuple(size)

    def call(self, inputs):
        size = tf.shape(inputs)[1:3] * tf.constant(self.size)
        # `tf.image.resize` has no aligned corners any more.
        return tf.raw_ops.ResizeBilinear(images=inputs, size=size, align_corners=True)

    def get_config(self):
        return super().get_config() | {"size": self.size}


class KerasNetwork(networks.Network):
    """A Keras model of one input; see `Network`.

    Files are loaded in safe mode and without their losses and optimizers.

    Args:
        path: The file.

    Raises:
        DataError: The file is damaged, has unknown layers or takes something else
            than one picture.
    """

    is_one_core = False
    fault = "not a Keras model, a damaged one or one of unknown layers"

    def __init__(self, path: str, name: str | None = None) -> None:
        super().__init__(path, name)
        # A Sequential that was never built has none, and says so with an error.
        inputs = getattr(self._loaded, "inputs", [])
        shapes = [tuple(tensor.shape) for tensor in inputs]
        self.input_size, _ = networks.read_input(path, shapes)
        self.takes_bytes = inputs[0].dtype == "uint8"

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        outputs = keras.tree.flatten(self._function(tf.constant(picture)))
        return [output.numpy() for output in outputs]

    @functools.cached_property
    def _function(self):
        model = self._loaded
        # Autograph would put lines of this file before an error's own text.
        return tf.function(lambda image: model(image, training=False), autograph=False)

    def _load(self) -> keras.Model:
        path, layers = self._path, {"BilinearUpSampling2D": BilinearUpSampling2D}
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # Old files have old names of arguments, which Keras still takes.
            warnings.filterwarnings("ignore", "Argument .* is deprecated")
            if path.endswith(".h5"):
                path = _without_slashes(path, folder)
            return keras.saving.load_model(path, custom_objects=layers, compile=False)


def _without_slashes(path: str, folder: str) -> str:
    """Path of a file whose layers have "_" in their names where they had "/".

    Keras 3 would refuse those of some files of Keras 2, such as DenseNet. It is the
    file itself if it has none, else a copy in `folder`.
    """
    with h5py.File(path) as file:
        attributes = file["model_weights"].attrs
        # Long lists are cut into layer_names0, layer_names1 and so on.
        lists = {
            key: [np.bytes_(name) for name in names]
            for key, names in attributes.items()
            if key.startswith("layer_names")
        }
    if not any(b"/" in name for names in lists.values() for name in names):
        return path
    path = shutil.copyfile(path, os.path.join(folder, "renamed.h5"))
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        config = file.attrs["model_config"]
        config = config.encode() if isinstance(config, str) else config
        for key, names in lists.items():
            weights.attrs[key] = [name.replace(b"/", b"_") for name in names]
            for name in names:
                if b"/" in name:
                    new = name.replace(b"/", b"_")
                    weights[new] = weights[name]
                    config = config.replace(b'"%s"' % name, b'"%s"' % new)
        file.attrs["model_config"] = config
    return path
