"""Teachers in LiteRT's format, `.tflite`."""

from pathlib import Path

import numpy as np

from maskdepth_tf import errors, startup
from maskdepth_tf.dataset.teachers import networks


class LiteRTNetwork(networks.Network):
    """A `.tflite` network, float or quantised; see `Network`.

    Scale and zero point of a quantised input or output are read from the file. uint8
    without a scale takes pictures as they are.

    Args:
        path: The file.

    Raises:
        UsageError: The LiteRT package is not installed.
        DataError: The file is damaged or takes something else than one picture.
    """

    is_one_core = True
    fault = "not a LiteRT model, or a damaged one"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._content = Path(path).read_bytes()
        first = self._loaded
        inputs, self._outputs = first.get_input_details(), first.get_output_details()
        # -1 in a signature is a size that is free.
        shapes = [
            [int(size) if size >= 0 else None for size in details["shape_signature"]]
            for details in inputs
        ]
        self.input_size, _ = networks.read_input(path, shapes)
        self._input = inputs[0]
        dtype, (scale, _) = self._input["dtype"], self._input["quantization"]
        self.takes_bytes = dtype == np.uint8 and not scale
        if not (scale or self.takes_bytes or np.issubdtype(dtype, np.floating)):
            raise errors.DataError(
                f"{path}: the teacher must take floats, uint8 or what is quantised. "
                f"Received: {np.dtype(dtype).name} without a scale"
            )

    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network`."""
        interpreter, index = self._loaded, self._input["index"]
        if self.input_size is None:
            interpreter.resize_tensor_input(index, picture.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(index, _quantise(picture, self._input))
        interpreter.invoke()
        return [
            _dequantise(interpreter.get_tensor(details["index"]), details)
            for details in self._outputs
        ]

    def _load(self):
        module = "ai_edge_litert.interpreter"
        package = networks.import_package(module, "a .tflite teacher")
        interpreter = package.Interpreter(model_content=self._content, num_threads=1)
        with startup.quietly():  # it tells each process of its delegate
            interpreter.allocate_tensors()
        return interpreter


def _quantise(values: np.ndarray, details: dict) -> np.ndarray:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"])
    if not scale:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    steps = np.rint(values / np.float32(scale)) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def _dequantise(values: np.ndarray, details: dict) -> np.ndarray:
    scale, zero_point = details["quantization"]
    if not scale:
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
