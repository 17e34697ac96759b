import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from maskdepth_tf.exporting import serving_files
from tests.support.exported import SIZE, graph_of


def read_models(folder):
    text = (folder / serving_files.MODELS).read_text()
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


@pytest.mark.parametrize("name", ["maskdepth", 'a "b"\\c', "Räume"])
def test_models_config(tmp_path, name):
    serving_files.write_configs(tmp_path, name)
    (config,) = read_models(tmp_path).model_config_list.config
    assert config.name == name
    assert config.base_path == f"/models/{name}"
    assert config.model_platform == "tensorflow"
    assert config.model_version_policy.latest.num_versions == 1


def test_batching_config(tmp_path):
    # BatchingParameters is not among the protos that are published.
    serving_files.write_configs(tmp_path, "m")
    text = (tmp_path / serving_files.BATCHING).read_text()
    body = "".join(line for line in text.splitlines(True) if line[0] != "#")
    words = body.replace("{ value:", "").replace("}", "").replace(":", "").split()
    found = list(zip(words[::2], map(int, words[1::2]), strict=True))
    sizes = [value for name, value in found if name == "allowed_batch_sizes"]
    assert sizes == sorted(set(serving_files.BATCH_SIZES))
    assert ("max_batch_size", sizes[-1]) in found
    assert {name for name, _ in found} == {
        "allowed_batch_sizes",
        "batch_timeout_micros",
        "max_batch_size",
        "max_enqueued_batches",
    }


def test_what_a_user_changed_stays(tmp_path):
    (tmp_path / serving_files.MODELS).write_text("mine")
    serving_files.write_configs(tmp_path, "m")
    assert (tmp_path / serving_files.MODELS).read_text() == "mine"
    assert (tmp_path / serving_files.BATCHING).is_file()


def read_warmup(folder):
    records = tf.data.TFRecordDataset(f"{folder}/{serving_files.WARMUP}")
    return [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in records.as_numpy_iterator()
    ]


def test_warmup_is_for_every_signature_and_batch_size(exported):
    requests = read_warmup(exported[1])
    signatures = graph_of(exported[1]).signature_def
    asked = set()
    for request in requests:
        assert request.model_spec.name == "office"
        signature = request.model_spec.signature_name
        arguments = signatures[signature].inputs
        assert set(request.inputs) == set(arguments)
        values = [tf.make_ndarray(value) for value in request.inputs.values()]
        for name, value in request.inputs.items():
            assert value.dtype == arguments[name].dtype
        (batch_size,) = {len(value) for value in values}
        assert values[0].shape[1:] in {(), (SIZE, SIZE, 3)}
        asked.add((signature, batch_size))
    names = {name for name in signatures if name.startswith("serving")}
    sizes = {1, 2, 4, 8, 16}
    assert asked == {(name, size) for name in names for size in sizes}
    assert len(requests) == len(asked) == 30


def test_warmup_is_small_and_the_same_each_time(tmp_path):
    signatures = {
        "a": [tf.TensorSpec([None, 512, 512, 3], tf.float32, "bg")],
        "b": [tf.TensorSpec([None], tf.string, "bg_bytes")],
    }
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        serving_files.write_warmup(tmp_path / name, "m", signatures)
        written.append((tmp_path / name / serving_files.WARMUP).read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) < 100_000
    inputs = {}
    for request in read_warmup(tmp_path / "first"):
        inputs |= {k: tf.make_ndarray(value) for k, value in request.inputs.items()}
    assert np.unique(inputs["bg"]).tolist() == [128]
    with Image.open(io.BytesIO(inputs["bg_bytes"][0])) as image:
        assert image.size == (64, 48)
        assert image.getpixel((0, 24))[0] < 10
        assert image.getpixel((63, 24))[0] > 245


def test_without_the_extra_a_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    serving_files.write_warmup(tmp_path, "m", {})
    assert capsys.readouterr().err == (
        "warning: exported without warm-up requests; they need the extra `serving`\n"
    )
    assert list(tmp_path.iterdir()) == []
