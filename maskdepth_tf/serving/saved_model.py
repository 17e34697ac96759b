"""One version of a model in memory: checked, loaded, tried out, ready to answer."""

import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from maskdepth_tf import files
from maskdepth_tf.errors import StateError
from maskdepth_tf.serving.failures import ServingError, from_exception
from maskdepth_tf.serving.tensors import protos

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
MANIFEST = "manifest.json"
WARM_UP = os.path.join("assets.extra", "tf_serving_warmup_requests")
_MOST_WARM_UPS = 1000


class SavedModel:
    """A SavedModel that has answered its warm-up requests with finite numbers.

    Args:
        folder: Of the version. If it has a `manifest.json` with `files`, name ->
            SHA-256 (or a dict with `sha256`), these files are checked first.

    Attributes:
        signature_defs: All that the file declares, name -> SignatureDef.

    Raises:
        StateError: If it cannot be loaded or used; one line.
    """

    def __init__(self, folder: str) -> None:
        _check_manifest(folder)
        self.signature_defs = _read_signature_defs(folder)
        if DEFAULT_SIGNATURE not in self.signature_defs:
            raise StateError(f"{folder}: the signature {DEFAULT_SIGNATURE} is missing")
        try:
            # Keeps the variables alive, which its functions do not.
            self._loaded = tf.saved_model.load(folder)
            self._functions = self._find_functions(folder)
            for name, arrays in _warm_up_requests(folder, self):
                _check_answer(
                    folder, name, self.signature(name), self.run(name, arrays)
                )
        except StateError:
            raise
        except Exception as error:
            raise StateError(
                f"{folder}: cannot be used: {from_exception(error).message}"
            ) from error

    def _find_functions(self, folder: str) -> Mapping[str, Callable]:
        """Returns the function of each signature."""
        return self._loaded.signatures

    def signature(self, name: str):
        """The SignatureDef of a name; "" is the default.

        Raises:
            ServingError: FAILED_PRECONDITION if there is none.
        """
        name = name or DEFAULT_SIGNATURE
        # The file also declares how to initialize it, which nobody may call.
        if name not in self._functions:
            raise ServingError(
                "FAILED_PRECONDITION",
                f"the signature must be one of {', '.join(sorted(self._functions))}. "
                f"Received: {name[:200]}",
            )
        return self.signature_defs[name]

    def run(self, name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the outputs of a signature.

        Args:
            name: Of the signature.
            arrays: Its inputs by name, of its dtypes; strings as objects.
        """
        inputs = self.signature(name).inputs
        tensors = {
            key: tf.constant(value, tf.as_dtype(inputs[key].dtype))
            for key, value in arrays.items()
        }
        outputs = self._functions[name](**tensors)
        return {key: value.numpy() for key, value in outputs.items()}


def _check_manifest(folder) -> None:
    path = os.path.join(folder, MANIFEST)
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        sums = files.parse_json(file.read(), path).get("files")
    if not isinstance(sums, dict):
        raise StateError(f"{path}: must name the files with their SHA-256")
    for name, expected in sorted(sums.items()):
        expected = expected.get("sha256") if isinstance(expected, dict) else expected
        member = os.path.normpath(os.path.join(folder, name))
        if not member.startswith(os.path.normpath(folder) + os.sep):
            raise StateError(f"{path}: {name} is outside of the folder")
        if not os.path.isfile(member):
            raise StateError(f"{member}: is missing")
        if files.sha256_of(member) != expected:
            raise StateError(f"{member}: is damaged: its SHA-256 is not the manifest's")


def _read_signature_defs(folder) -> dict:
    path = os.path.join(folder, "saved_model.pb")
    saved = saved_model_pb2.SavedModel()
    try:
        with open(path, "rb") as file:
            saved.ParseFromString(file.read())
    except (OSError, DecodeError) as error:
        raise StateError(f"{path}: cannot be read: {error}") from error
    for graph in saved.meta_graphs:
        if tf.saved_model.SERVING in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise StateError(f"{path}: holds no graph for serving")


def _warm_up_requests(folder, model) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Signature and inputs of the requests that come with it, or of one of zeros."""
    path = os.path.join(folder, WARM_UP)
    records = []
    if os.path.isfile(path):
        requests = tf.data.TFRecordDataset(path).take(_MOST_WARM_UPS)
        records = list(requests.as_numpy_iterator())
    if not records:
        yield DEFAULT_SIGNATURE, _zeros(model.signature(DEFAULT_SIGNATURE))
        return
    from tensorflow_serving.apis import prediction_log_pb2

    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = model.signature(name)
        yield name, protos.arrays(request.inputs, signature)


def _zeros(signature) -> dict[str, np.ndarray]:
    """One row of zeros; strings are taken to be pictures."""
    picture = tf.io.encode_png(tf.zeros([1, 1, 3], tf.uint8)).numpy()
    arrays = {}
    for name, info in signature.inputs.items():
        shape = [max(dim.size, 1) for dim in info.tensor_shape.dim]
        if info.dtype == tf.string.as_datatype_enum:
            arrays[name] = np.full(shape, picture, object)
        else:
            arrays[name] = np.zeros(shape, tf.as_dtype(info.dtype).as_numpy_dtype)
    return arrays


def _check_answer(folder, name, signature, outputs) -> None:
    """Checks that an answer has the declared outputs, at least one, all finite."""
    if not outputs or set(outputs) != set(signature.outputs):
        raise StateError(
            f"{folder}: {name} must answer with what it declares, "
            f"{sorted(signature.outputs)}. Received: {sorted(outputs)}"
        )
    for key, value in outputs.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise StateError(
                f"{folder}: {name} must answer with finite numbers, {key} has others"
            )
