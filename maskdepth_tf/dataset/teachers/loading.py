"""Depth maps by a network that was trained for them, the teacher.

Its kind follows from its name:

    NAME.tflite         LiteRT, float or quantised
    NAME.onnx           ONNX, pictures NHWC or NCHW
    NAME.keras, NAME.h5 Keras 3, and Keras 2's files if their layers are Keras' own or
                        DenseDepth's
    FOLDER              a SavedModel with the signature `serving_default`
    keras_hub:PRESET    KerasHub's DepthAnything, a preset's name or folder

A network takes one RGB picture, in [0, 1] if its input is float, 0 to 255 if it is
uint8, and puts out one map. What its numbers mean is told by a convention, see
`conventions`. Keras' files and presets are loaded in safe mode: code in them is not
run. A SavedModel is a program that may read and write files; use those that you trust.
"""

import hashlib
import importlib
from pathlib import Path

import numpy as np

from maskdepth_tf import errors, files
from maskdepth_tf.dataset.teachers.conventions import CONVENTIONS
from maskdepth_tf.dataset.teachers.networks import Network, as_map

FREE_SIZE = 448
"""Side of the pictures for networks that take any size; the reference's."""
PRESET = "keras_hub:"
KINDS = {
    ".tflite": ("litert", "LiteRTNetwork"),
    ".onnx": ("onnx_file", "OnnxNetwork"),
    ".keras": ("keras_file", "KerasNetwork"),
    ".h5": ("keras_file", "KerasNetwork"),
    "/": ("saved_model", "SavedModelNetwork"),
    PRESET: ("depth_anything", "DepthAnythingNetwork"),
}
"""Suffix, "/" for a folder or prefix -> module here and its class of `Network`."""
NORMALIZATIONS = {
    "none": ((0, 0, 0), (1, 1, 1)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Name -> mean and deviation of RGB in [0, 1]: a network takes (rgb - mean) / dev."""


class Teacher:
    """Estimates distances.

    Args:
        name: What the user called it.
        network: The network.
        sha256: Of its file, of the files of its folder or of its weights.
        convention: What it puts out, a name in `CONVENTIONS`.
        normalize: What it takes, a name in `NORMALIZATIONS`.
        input_size: Side of its pictures; by default its own, or 448.

    Attributes:
        input_size: Height and width of the pictures that `predict` takes.

    Raises:
        UsageError: The network takes another size or bytes, or fails with the size.
        DataError: It puts out something else than one map.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        sha256: str,
        convention: str = "metric",
        normalize: str = "none",
        input_size: int | None = None,
    ) -> None:
        self.input_size = input_size or network.input_size or FREE_SIZE
        self.sha256, self.is_one_core = sha256, network.is_one_core
        self._name, self._network = name, network
        self._to_distance = CONVENTIONS[convention].to_distance
        self._mean, self._deviation = np.array(NORMALIZATIONS[normalize], np.float32)
        if network.input_size not in (None, self.input_size):
            raise errors.UsageError(
                f"--input-size must be {network.input_size}, the only one that {name} "
                f"takes. Received: {input_size}"
            )
        if network.takes_bytes and normalize != "none":
            raise errors.UsageError(
                f"--normalize {normalize} is for networks that take floats; {name} "
                "takes 0 to 255 and scales that itself"
            )
        self._try()

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Distances in pictures.

        Args:
            batch: uint8 [N, S, S, 3], RGB.

        Returns:
            float32 [N, S', S'], far is large; metres if the convention is metric.
        """
        # One by one: the values must not depend on what else is in the batch.
        return np.stack([self._predict_one(picture) for picture in batch])

    def _predict_one(self, picture: np.ndarray) -> np.ndarray:
        pixels = picture[None]
        if not self._network.takes_bytes:
            pixels = (pixels / np.float32(255) - self._mean) / self._deviation
        values = as_map(self._name, self._network.predict(pixels))
        return self._to_distance(values.astype(np.float32))

    def _try(self) -> None:
        size = self.input_size
        try:
            self.predict(np.zeros((1, size, size, 3), np.uint8))
        except errors.MaskDepthError:
            raise
        # Each framework has its own kinds of errors for sizes that do not fit.
        except Exception as error:
            raise errors.UsageError(
                f"{self._name} fails with pictures of {size} x {size}, another "
                f"--input-size may do: {errors.in_one_line(error)}"
            ) from error


def load_teacher(
    name: str,
    convention: str = "metric",
    normalize: str = "none",
    input_size: int | None = None,
) -> Teacher:
    """Loads a teacher; its kind follows from its name, see `KINDS`.

    Args:
        name: Path of a file or folder, or `keras_hub:` and a preset.
        convention: As `Teacher`; so the next two.
        normalize: What it takes.
        input_size: Side of its pictures.

    Raises:
        UsageError: Unknown kind, convention or normalization, a package is missing,
            or the size does not fit.
        DataError: The file is missing, damaged or not a depth network.
    """
    for what, value, choices in (
        ("convention", convention, CONVENTIONS),
        ("normalization", normalize, NORMALIZATIONS),
    ):
        if value not in choices:
            raise errors.UsageError(
                f"the {what} must be one of {', '.join(choices)}. Received: {value}"
            )
    kind = _kind_of(name)
    if kind != PRESET and not Path(name).exists():
        raise errors.DataError(f"{name}: the teacher's file was not found")
    module_name, class_name = KINDS[kind]
    module = importlib.import_module(f"{__package__}.{module_name}")
    network = getattr(module, class_name)(name.removeprefix(PRESET))
    sha256 = network.sha256() if kind == PRESET else sha256_of_tree(Path(name))
    return Teacher(name, network, sha256, convention, normalize, input_size)


def _kind_of(name: str) -> str:
    if name.startswith(PRESET):
        return PRESET
    kind = "/" if Path(name).is_dir() else Path(name).suffix
    if kind not in KINDS:
        suffixes = [kind for kind in KINDS if kind.startswith(".")]
        raise errors.UsageError(
            f"a teacher must end in {', '.join(suffixes)}, be a folder or begin with "
            f"{PRESET} Received: {name}"
        )
    return kind


def estimate(teacher: Teacher, picture: np.ndarray) -> np.ndarray:
    """Distances in a picture of any size: uint8 [H, W, 3] -> float32 [S', S']."""
    from maskdepth_tf.images import preprocessing

    resized = preprocessing.resize(picture, teacher.input_size).numpy()
    return teacher.predict(np.rint(resized).astype(np.uint8)[None])[0]


def sha256_of_tree(path: Path) -> str:
    """SHA-256 of a file, or of the names and checksums of all files of a folder."""
    if not path.is_dir():
        return files.sha256_of(path)
    parts = sorted(part for part in path.rglob("*") if part.is_file())
    lines = [
        f"{files.sha256_of(part)}  {part.relative_to(path).as_posix()}\n"
        for part in parts
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
