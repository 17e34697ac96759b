"""Teachers in Keras' formats, `.keras` and `.h5`."""

import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from maskdepth_tf import errors
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


class KerasNetwork:
    """A Keras model of one input; see `Network`.

    Files are loaded in safe mode and without their losses and optimizers.

    Args:
        path: The file.

    Raises:
        DataError: The file is damaged, has unknown layers or takes something else
            than one picture.
    """

    is_one_core = False

    def __init__(self, path: str) -> None:
        self._path = path
        inputs = [tuple(tensor.shape) for tensor in self._model.inputs]
        self.input_size, _ = networks.read_input(path, inputs)
        self.takes_bytes = self._model.inputs[0].dtype == "uint8"

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        outputs = keras.tree.flatten(self._function(tf.constant(picture)))
        return [output.numpy() for output in outputs]

    @functools.cached_property
    def _function(self):
        model = self._model
        return tf.function(lambda picture: model(picture, training=False))

    @functools.cached_property
    def _model(self):
        layers = {"BilinearUpSampling2D": BilinearUpSampling2D}
        try:
            with warnings.catch_warnings():
                # Old files have old names of arguments, which Keras still takes.
                warnings.filterwarnings("ignore", "Argument .* is deprecated")
                return keras.saving.load_model(
                    self._path, custom_objects=layers, compile=False
                )
        except Exception as error:  # of many kinds, by what is damaged
            raise errors.DataError(
                f"{self._path}: not a Keras model, a damaged one or one of unknown "
                f"layers: {networks.in_one_line(error)}"
            ) from error

    def __getstate__(self):
        """All but the model, which each process loads for itself."""
        loaded = ("_model", "_function")
        return {k: v for k, v in self.__dict__.items() if k not in loaded}
