"""Files that TF Serving reads beside a model.

    N/assets.extra/tf_serving_warmup_requests   a version answers them before all others
    models.config                               which models there are
    batching.config                             how requests are put together

The last two are written once, for the user to change.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from maskdepth_tf import files

BATCH_SIZES = (1, 2, 4, 8, 16)
"""Batches that a server fills requests up to; the last is the largest."""

MODELS, BATCHING = "models.config", "batching.config"
WARMUP = os.path.join("assets.extra", "tf_serving_warmup_requests")

_HEIGHT, _WIDTH = 48, 64
_GREY = 128


def write_configs(model_dir: str | os.PathLike, name: str) -> None:
    """Writes `models.config` and `batching.config`, each if it is not there.

    Args:
        model_dir: Folder of all versions.
        name: The model's.
    """
    for file_name, text in ((MODELS, _models(name)), (BATCHING, _batching())):
        path = os.path.join(model_dir, file_name)
        if not os.path.exists(path):
            files.write_atomically(path, text.encode(errors="replace"))


def _models(name) -> str:
    return f"""# The model folder is mounted at /models/NAME in the server's container.
model_config_list {{
  config {{
    name: {json.dumps(name, ensure_ascii=False)}
    base_path: {json.dumps(f"/models/{name}", ensure_ascii=False)}
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""


def _batching() -> str:
    sizes = "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES)
    return f"""# Requests wait 2 ms for others; batches are filled to an allowed size.
max_batch_size {{ value: {BATCH_SIZES[-1]} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
{sizes}
"""


def write_warmup(
    folder: str | os.PathLike,
    name: str,
    signatures: Mapping[str, Sequence[tf.TensorSpec]],
) -> None:
    """Writes a request for every signature and batch size.

    Without `tensorflow-serving-api` nothing is written, and a line on stderr says so.

    Args:
        folder: Of the version.
        name: The model's.
        signatures: Arguments of each: encoded pictures or pixels.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        print(
            "warning: exported without warm-up requests; they need the extra `serving`",
            file=sys.stderr,
        )
        return
    path = os.path.join(folder, WARMUP)
    os.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, arguments in signatures.items():
            for batch_size in BATCH_SIZES:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for spec in arguments:
                    value = _made_input(spec, batch_size)
                    request.inputs[spec.name].CopyFrom(value)
                writer.write(log.SerializeToString(deterministic=True))


def _made_input(spec, batch_size):
    """TensorProto of a batch of equal pictures."""
    if spec.dtype == tf.string:
        # A JPEG that goes from dark to bright, left to right.
        row = np.linspace(0, 255, _WIDTH).astype(np.uint8)
        pixels = np.broadcast_to(row[:, np.newaxis], (_HEIGHT, _WIDTH, 3))
        return tf.make_tensor_proto([tf.io.encode_jpeg(pixels).numpy()] * batch_size)
    # One number stands for all of a tensor.
    return tf.make_tensor_proto(_GREY, spec.dtype, [batch_size, *spec.shape[1:]])
