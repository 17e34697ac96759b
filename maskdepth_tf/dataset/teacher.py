"""Depth maps by a network that was trained for them, the teacher.

A teacher gives metres. The stored map is relative to its own picture:

    depth = (metres - near) / (far - near)          0 nearest, 1 farthest, bright = far

with `near` and `far` the least and greatest metres of that picture; a picture of one
distance alone is 0 everywhere. Maps are grey JPEGs in the size of the teacher's
output; near and far are kept beside them, so that metres can be had back.

Conventions of what networks put out:

    metric    metres
    inverse   10 m over the distance, as DenseDepth: clip(10 / p, 0.1, 10) metres
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from maskdepth_tf import errors

INSTALL = "pip install 'maskdepth-tf[teacher]'"
INVERSE_RANGE = (0.1, 10.0)
"""Least and greatest distance of the inverse convention [m]; DenseDepth's on NYU."""


class Teacher(Protocol):
    """Estimates metric depth.

    Attributes:
        input_size: Height and width of the pictures that `predict` takes.
    """

    input_size: int

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Depth of pictures.

        Args:
            batch: uint8 [N, S, S, 3], RGB.

        Returns:
            float32 [N, S', S'] in metres; far is large.
        """
        ...


def metric_to_metres(prediction: np.ndarray) -> np.ndarray:
    """Metres as they are."""
    return prediction


def inverse_to_metres(prediction: np.ndarray) -> np.ndarray:
    """`clip(10 / prediction, 0.1, 10)`; zero and below is as far as can be.

    The reference's `clip(1000 / prediction, 10, 1000) / 1000` is the same in units
    of 10 m, and so the same relative depth.
    """
    nearest, farthest = INVERSE_RANGE
    return farthest / np.clip(prediction, 1.0, farthest / nearest)


CONVENTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "metric": metric_to_metres,
    "inverse": inverse_to_metres,
}
"""Name -> what turns a network's float32 output into metres."""


class LiteRTTeacher:
    """A `.tflite` network, float or quantised; one picture [1, S, S, 3] at a time.

    The network must take RGB in [0, 1]. Scale and zero point of a quantised input or
    output are read from the file. It runs on one core; it can be pickled, for use by
    other processes.

    Args:
        path: The file.
        convention: A name in `CONVENTIONS`.

    Raises:
        UsageError: The LiteRT package is not installed.
        DataError: The file is damaged or the network has other inputs or outputs.
    """

    def __init__(self, path: Path, convention: str = "metric") -> None:
        try:
            from ai_edge_litert import interpreter
        except ImportError as error:
            raise errors.UsageError(
                f"a .tflite teacher needs the package ai-edge-litert: {INSTALL}"
            ) from error
        self._to_metres = CONVENTIONS[convention]
        self._class = interpreter.Interpreter
        self._content = path.read_bytes()
        try:
            first = self._interpreter
        except (ValueError, RuntimeError) as error:
            raise errors.DataError(
                f"{path}: not a LiteRT model, or a damaged one"
            ) from error
        inputs, outputs = first.get_input_details(), first.get_output_details()
        shape = tuple(inputs[0]["shape"])
        if len(inputs) != 1 or shape != (1, shape[1], shape[1], 3):
            raise errors.DataError(
                f"{path}: the teacher must take one picture of shape (1, S, S, 3). "
                f"Received: {[tuple(map(int, i['shape'])) for i in inputs]}"
            )
        size = tuple(n for n in outputs[0]["shape"] if n != 1)
        if len(outputs) != 1 or len(size) != 2:
            raise errors.DataError(
                f"{path}: the teacher must put out one map of shape (1, S, S, 1). "
                f"Received: {[tuple(map(int, o['shape'])) for o in outputs]}"
            )
        self.input_size = int(shape[1])
        self._input, self._output, self._size = inputs[0], outputs[0], size

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """See `Teacher`."""
        interpreter, maps = self._interpreter, []
        for picture in batch:
            values = _quantise(picture[None] / np.float32(255), self._input)
            interpreter.set_tensor(self._input["index"], values)
            interpreter.invoke()
            values = interpreter.get_tensor(self._output["index"])
            maps.append(_dequantise(values, self._output).reshape(self._size))
        return self._to_metres(np.stack(maps)).astype(np.float32)

    @functools.cached_property
    def _interpreter(self):
        made = self._class(model_content=self._content, num_threads=1)
        made.allocate_tensors()
        return made

    def __getstate__(self):
        """All but the interpreter, which each process makes for itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_interpreter"}


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


KINDS: dict[str, Callable[[Path, str], Teacher]] = {".tflite": LiteRTTeacher}
"""Suffix -> kind of teacher."""


def load_teacher(path: Path, convention: str = "metric") -> Teacher:
    """Loads a teacher; its kind follows from the suffix.

    Args:
        path: The network's file.
        convention: What it puts out, a name in `CONVENTIONS`.

    Raises:
        UsageError: Unknown suffix or convention, or a package is missing.
        DataError: The file is missing, damaged or not a depth network.
    """
    if convention not in CONVENTIONS:
        raise errors.UsageError(
            f"the convention must be one of {', '.join(CONVENTIONS)}. "
            f"Received: {convention}"
        )
    if path.suffix not in KINDS:
        raise errors.UsageError(
            f"a teacher's file must end in {' or '.join(KINDS)}. Received: {path}"
        )
    if not path.is_file():
        raise errors.DataError(f"{path}: the teacher's file was not found")
    return KINDS[path.suffix](path, convention)


def to_relative(metres: np.ndarray) -> tuple[np.ndarray, float, float]:
    """`(metres - near) / (far - near)` of one map, with near and far.

    Args:
        metres: float32 [H, W].

    Returns:
        depth: float32 [H, W] in [0, 1]; all 0 where the map is constant.
        near: Least value [m].
        far: Greatest value [m].
    """
    near, far = float(metres.min()), float(metres.max())
    # Of a constant map all is nearest; 0 / 0 would be NaN.
    return (metres - near) / ((far - near) or 1.0), near, far
