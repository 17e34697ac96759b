"""A version whose network runs in OpenVINO, which is faster than TensorFlow on CPUs.

Pictures are decoded, resized and encoded by TensorFlow as ever. The answers differ from
the SavedModel's by rounding, about 2e-6, which is checked when a version is loaded.
"""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maskdepth_tf import formats, inference
from maskdepth_tf.errors import StateError
from maskdepth_tf.serving.saved_model import SavedModel

_ARRAYS = "serving_arrays"


class OpenVinoModel(SavedModel):
    """As `SavedModel`, of a version that `maskdepth_tf.export` wrote with its file.

    Raises:
        StateError: Also if the file is missing or does not answer as the SavedModel.
    """

    def _find_functions(self, folder: str) -> dict[str, Callable]:
        path = os.path.join(folder, formats.FOLDER, formats.FORMATS["openvino"].file)
        if not os.path.isfile(path) or _ARRAYS not in self.signature_defs:
            raise StateError(f"{path}: is missing: export with --format openvino")
        size = self.signature_defs[_ARRAYS].inputs["bg"].tensor_shape.dim[1].size
        run = formats.FORMATS["openvino"].load(path)
        _check(path, self._loaded.signatures[_ARRAYS], run, size)

        def network(bg, fg_bg):
            mask, depth = tf.numpy_function(
                lambda bg, fg_bg: _outputs(run, bg, fg_bg),
                [bg, fg_bg],
                [tf.float32, tf.float32],
                stateful=False,
            )
            shape = [None, size, size, 1]
            return {
                "mask": tf.ensure_shape(mask, shape),
                "depth": tf.ensure_shape(depth, shape),
            }

        signatures = inference.Inference(network, size).signatures()
        return {
            name: tf.function(function, arguments, autograph=False)
            for name, (function, arguments) in signatures.items()
            if name in self.signature_defs
        }


def _outputs(run, bg, fg_bg) -> tuple[np.ndarray, np.ndarray]:
    found = run({"bg": bg, "fg_bg": fg_bg})
    return found["mask"], found["depth"]


def _check(path, expected, run, size) -> None:
    """Compares the two on one pair of random pixels."""
    draw = np.random.default_rng(0).integers
    bg, fg_bg = draw(0, 256, (2, 1, size, size, 3)).astype(np.float32)
    found = run({"bg": bg, "fg_bg": fg_bg})
    wanted = expected(bg=tf.constant(bg), fg_bg=tf.constant(fg_bg))
    worst = max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted)
    # NaN is no smaller.
    if not worst <= formats.TOLERANCE:
        raise StateError(
            f"{path}: answers must equal the SavedModel's within {formats.TOLERANCE}. "
            f"Received: a difference of {worst:.1e}"
        )
