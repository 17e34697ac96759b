"""Teachers in ONNX's format, `.onnx`."""

import numpy as np

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import networks

TYPES = {"tensor(float)": False, "tensor(uint8)": True}
"""Type of the input -> whether it takes bytes."""


class OnnxNetwork(networks.Network):
    """An ONNX network on the CPU; see `Network`.

    Whether it takes pictures as NHWC or NCHW shows in its input: one axis has size 3
    or a name with "channel" in it.

    Args:
        path: The file.

    Raises:
        UsageError: The package onnxruntime is not installed.
        DataError: The file is damaged or takes something else than one picture of
            float32 or uint8.
    """

    is_one_core = True
    fault = "not an ONNX model, or a damaged one"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        inputs = self._loaded.get_inputs()
        shapes = [[_size(dimension) for dimension in port.shape] for port in inputs]
        self.input_size, self._axis = networks.read_input(path, shapes, (3, 1))
        self._input = inputs[0].name
        if inputs[0].type not in TYPES:
            raise errors.DataError(
                f"{path}: the teacher must take one of {', '.join(TYPES)}. "
                f"Received: {inputs[0].type}"
            )
        self.takes_bytes = TYPES[inputs[0].type]

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        pixels = np.ascontiguousarray(np.moveaxis(picture, 3, self._axis))
        return self._loaded.run(None, {self._input: pixels})

    def _load(self):
        runtime = networks.import_package("onnxruntime", "an .onnx teacher")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised, too
        return runtime.InferenceSession(
            self._path, options, providers=["CPUExecutionProvider"]
        )


def _size(dimension: int | str | None) -> int | None:
    if isinstance(dimension, str) and "channel" in dimension.lower():
        return 3
    return dimension if isinstance(dimension, int) else None
