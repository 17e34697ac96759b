"""What every kind of network offers a teacher, and how its shapes are read."""

import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskdepth_tf import errors

Shape = Sequence[int | None]
"""Sizes of an input; None where any will do."""


class Network(ABC):
    """A depth network in a file of some kind.

    It can be pickled, for use by other processes: each loads the file anew.

    Args:
        path: The file.
        name: What errors call it; the path if None.

    Attributes:
        fault: What is wrong with a file that cannot be loaded.
        input_size: Side of the pictures that it takes; None if it takes any.
        takes_bytes: Whether it takes RGB as 0 to 255 and scales that itself.
        is_one_core: Whether it keeps to one core in any process, so that its values
            are the same everywhere. Others run in processes that have one core.
    """

    fault: str
    input_size: int | None
    takes_bytes: bool
    is_one_core: bool

    def __init__(self, path: str, name: str | None = None) -> None:
        self._path, self._name = path, name or path

    @abstractmethod
    def predict(self, picture: np.ndarray) -> list[np.ndarray]:
        """All that it puts out for one picture.

        Args:
            picture: [1, S, S, 3], RGB; uint8 if it takes bytes, else float32.
        """

    @abstractmethod
    def _load(self) -> Any:
        """Loads the file; what it raises is told with `fault`."""

    @functools.cached_property
    def _loaded(self) -> Any:
        try:
            return self._load()
        except errors.MaskDepthError:
            raise
        except Exception as error:  # of many kinds, by what is damaged
            text = f"{self._name}: {self.fault}: {errors.in_one_line(error)}"
            raise errors.DataError(text) from error

    def __getstate__(self):
        loaded = ("_loaded", "_function")
        return {k: v for k, v in self.__dict__.items() if k not in loaded}


def import_package(module: str, user: str) -> Any:
    """Imports what is installed with the extra `teacher` of this package.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise errors.UsageError(
            f"{user} needs the package {package}: pip install 'maskdepth-tf[teacher]'"
        ) from error


def read_input(
    name: str, inputs: Sequence[Shape], channels_axes: Sequence[int] = (3,)
) -> tuple[int | None, int]:
    """Side of the one picture that a network takes and the axis of its channels.

    Args:
        name: The network's, for the error.
        inputs: Shapes of all its inputs.
        channels_axes: Axes that may be those of red, green and blue.

    Raises:
        DataError: It takes something else.
    """
    shape = list(inputs[0]) if len(inputs) == 1 else []
    for axis in channels_axes:
        if len(shape) == 4 and shape[0] in (1, None) and shape[axis] == 3:
            sides = {shape[i] for i in (1, 2, 3) if i != axis} - {None}
            if len(sides) < 2:
                return (sides.pop() if sides else None), axis
    wanted = {3: "(1, S, S, 3)", 1: "(1, 3, S, S)"}
    raise errors.DataError(
        f"{name}: the teacher must take one picture of shape "
        f"{' or '.join(wanted[axis] for axis in channels_axes)}. "
        f"Received: {[tuple(shape) for shape in inputs]}"
    )


def as_map(name: str, outputs: list[np.ndarray]) -> np.ndarray:
    """The one map that a network puts out, [S', S'].

    Raises:
        DataError: It puts out something else.
    """
    depth = np.squeeze(outputs[0])
    is_square = depth.ndim == 2 and depth.shape[0] == depth.shape[1]
    if len(outputs) != 1 or not is_square:
        raise errors.DataError(
            f"{name}: the teacher must put out one map of shape (1, S, S, 1). "
            f"Received: {[tuple(output.shape) for output in outputs]}"
        )
    return depth
