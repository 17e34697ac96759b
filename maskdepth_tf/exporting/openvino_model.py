"""A version whose network runs in OpenVINO, which is faster than TensorFlow on CPUs.

Pictures are decoded, resized, registered and encoded by TensorFlow as ever. The answers
differ from the SavedModel's by rounding, about 2e-6 in float32, which is checked when a
version is loaded.
"""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maskdepth_tf.errors import StateError
from maskdepth_tf.exporting import formats
from maskdepth_tf.inference import graph
from maskdepth_tf.serving.saved_model import SavedModel

_REGISTERED = "serving_registered"
_OUTPUTS = ("mask", "depth")

_MEAN_TOLERANCE = 0.02
"""Most that answers of 16 bits may differ in the mean."""


class OpenVinoModel(SavedModel):
    """As `SavedModel`, of a version that `maskdepth_tf.export` wrote with its file.

    Args:
        folder: Of the version.
        kind: Key of `formats.FORMATS`: "openvino" or "openvino_bfloat16".

    Raises:
        StateError: Also if the file is missing or does not answer as the SavedModel.
    """

    def __init__(self, folder: str, kind: str = "openvino") -> None:
        self._kind = kind
        super().__init__(folder)

    def _find_functions(self, folder: str) -> dict[str, Callable]:
        kind = formats.FORMATS[self._kind]
        path = os.path.join(folder, formats.FOLDER, kind.file)
        if not os.path.isfile(path) or _REGISTERED not in self.signature_defs:
            raise StateError(f"{path}: is missing: export with --format {self._kind}")
        size = self.signature_defs[_REGISTERED].inputs["bg"].tensor_shape.dim[1].size
        run = kind.load(path)
        error = _error(self._loaded.signatures[_REGISTERED], run, size, kind.is_exact)
        most = formats.TOLERANCE if kind.is_exact else _MEAN_TOLERANCE
        # NaN is no smaller.
        if not error <= most:
            raise StateError(
                f"{path}: answers must equal the SavedModel's within {most}. "
                f"Received: a difference of {error:.1e}"
            )

        def outputs(bg, fg_bg):
            answer = run({"bg": bg, "fg_bg": fg_bg})
            return [answer[name] for name in _OUTPUTS]

        def network(bg, fg_bg):
            types = [tf.float32] * len(_OUTPUTS)
            maps = tf.numpy_function(outputs, [bg, fg_bg], types, stateful=False)
            shaped = [tf.ensure_shape(array, [None, size, size, 1]) for array in maps]
            return dict(zip(_OUTPUTS, shaped, strict=True))

        signatures = graph.Inference(network, size).signatures()
        return {
            name: tf.function(function, arguments, autograph=False)
            for name, (function, arguments) in signatures.items()
            if name in self.signature_defs
        }


def _error(expected, run, size, is_exact) -> float:
    """How far two networks are apart on random pixels: at most, or in the mean."""
    draw = np.random.default_rng(0).integers
    bg, fg_bg = draw(0, 256, (2, 1, size, size, 3)).astype(np.float32)
    outputs = run({"bg": bg, "fg_bg": fg_bg})
    wanted = expected(bg=tf.constant(bg), fg_bg=tf.constant(fg_bg))
    errors = np.stack([np.abs(outputs[name] - wanted[name]) for name in _OUTPUTS])
    return errors.max() if is_exact else errors.mean()
