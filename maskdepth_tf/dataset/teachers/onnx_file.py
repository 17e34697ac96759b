"""Teachers in ONNX's format, `.onnx`."""

import functools

import numpy as np

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import networks

TYPES = {"tensor(float)": False, "tensor(uint8)": True}
"""Type of the input -> whether it takes bytes."""


class OnnxNetwork:
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

    def __init__(self, path: str) -> None:
        self._path = path
        inputs = self._session.get_inputs()
        shapes = [[_size(dimension) for dimension in port.shape] for port in inputs]
        self.input_size, self._axis = networks.read_input(path, shapes, (3, 1))
        self._name = inputs[0].name
        if inputs[0].type not in TYPES:
            raise errors.DataError(
                f"{path}: the teacher must take one of {', '.join(TYPES)}. "
                f"Received: {inputs[0].type}"
            )
        self.takes_bytes = TYPES[inputs[0].type]

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        pixels = np.ascontiguousarray(np.moveaxis(picture, 3, self._axis))
        return self._session.run(None, {self._name: pixels})

    @functools.cached_property
    def _session(self):
        try:
            import onnxruntime
        except ImportError as error:
            raise errors.UsageError(
                f"an .onnx teacher needs the package onnxruntime: {networks.INSTALL}"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised, too
        try:
            return onnxruntime.InferenceSession(
                self._path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own, which derive from no other
            raise errors.DataError(
                f"{self._path}: not an ONNX model, or a damaged one: "
                f"{networks.in_one_line(error)}"
            ) from error

    def __getstate__(self):
        """All but the session, which each process makes for itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_session"}


def _size(dimension: int | str | None) -> int | None:
    if isinstance(dimension, str) and "channel" in dimension.lower():
        return 3
    return dimension if isinstance(dimension, int) else None
