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
    """A SavedModel that has answered its warm-up requests, if it has any.

    Args:
        folder: Of the version. If it has a `manifest.json` with `files`, name ->
            SHA-256 (or a dict with `sha256`), these files are checked first.

    Attributes:
        signature_defs: All that the file declares, name -> SignatureDef.
        has_independent_rows: Whether its manifest says `"rows": "independent"`: that
            no row bears on another's answer. Then rows of several requests may run
            together, and shapes must be those that are declared. TF Serving leaves
            shapes to the graph, which would answer for rows of another kind.

    Raises:
        StateError: If it cannot be loaded or used; one line.
    """

    def __init__(self, folder: str) -> None:
        manifest = _read_manifest(folder)
        self.has_independent_rows = manifest.get("rows") == "independent"
        self.signature_defs = _read_signature_defs(folder)
        try:
            # Keeps the variables alive, which its functions do not.
            self._loaded = tf.saved_model.load(folder)
            self._functions = self._find_functions(folder)
            for name, arrays in _warm_up_requests(folder, self):
                outputs = self.run(name, arrays)
                _check_answer(folder, name, self.signature(name), outputs)
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
        # A scalar string would be bytes alone.
        return {
            key: np.asarray(value.numpy(), value.dtype.as_numpy_dtype)
            for key, value in outputs.items()
        }


def _read_manifest(folder) -> dict:
    """The version's manifest, if any, once the files are as it says."""
    path = os.path.join(folder, MANIFEST)
    if not os.path.isfile(path):
        return {}
    with open(path, "rb") as file:
        manifest = files.parse_json(file.read(), path)
    sums = manifest.get("files")
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
    return manifest


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
    """Signature and inputs of the requests that come with it."""
    path = os.path.join(folder, WARM_UP)
    if not os.path.isfile(path):
        return
    from tensorflow_serving.apis import prediction_log_pb2

    requests = tf.data.TFRecordDataset(path).take(_MOST_WARM_UPS)
    for record in requests.as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        checks_shapes = model.has_independent_rows
        yield name, protos.arrays(request.inputs, model.signature(name), checks_shapes)


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
