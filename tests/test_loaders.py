"""The export in programs that are not Python: TensorFlow's C and C++ libraries."""

import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from maskdepth_tf.exporting import serving_files
from maskdepth_tf.inference import loading
from tests.support.exported import SIGNATURES, graph_of, inputs
from tests.support.paths import SUPPORT


@pytest.fixture(scope="module")
def expected(exported):
    """What Python's TensorFlow answers, by signature and name."""
    loaded = loading.load_saved_model(exported[1])
    assert set(loaded.signatures) == set(SIGNATURES)
    return {
        signature: {
            name: value.numpy()
            for name, value in loaded.signatures[signature](
                **{k: tf.constant(v) for k, v in inputs(signature).items()}
            ).items()
        }
        for signature in SIGNATURES
    }


def assert_equal(outputs, expected):
    assert set(outputs) == set(expected)
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, expected[name])


def test_c_library(exported, expected, tmp_path):
    requests, arrays = {}, {}
    for signature in SIGNATURES:
        names = graph_of(exported[1]).signature_def[signature]
        requests[signature] = {
            "inputs": {name: info.name for name, info in names.inputs.items()},
            "outputs": {name: info.name for name, info in names.outputs.items()},
        }
        for name, value in inputs(signature).items():
            if isinstance(value, np.ndarray):
                arrays[f"{signature}/{name}"] = value
                continue
            for number, data in enumerate(value):
                arrays[f"{signature}/{name}/{number}"] = np.frombuffer(data, np.uint8)
    (tmp_path / "request.json").write_text(json.dumps(requests))
    np.savez(tmp_path / "inputs.npz", **arrays)
    paths = [tmp_path / n for n in ("request.json", "inputs.npz", "outputs.npz")]
    run([sys.executable, SUPPORT / "c_api.py", exported[1], *paths])
    outputs = {signature: {} for signature in SIGNATURES}
    with np.load(tmp_path / "outputs.npz") as found:
        for key in found:
            signature, name, *number = key.split("/")
            if number:
                outputs[signature].setdefault(name, []).append(found[key].tobytes())
            else:
                outputs[signature][name] = found[key]
    for signature in SIGNATURES:
        assert_equal(outputs[signature], expected[signature])


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """tests/support/loader.cc, compiled."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    program = tmp_path_factory.mktemp("loader") / "loader"
    folder = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    # Without --no-as-needed the linker drops the library with the session in it.
    run(
        [
            *(compiler, "-std=c++17", "-D_GLIBCXX_USE_CXX11_ABI=1", "-w"),
            *(f"-I{folder}/include", SUPPORT / "loader.cc"),
            *("-o", program, f"-L{folder}", f"-Wl,--no-as-needed,-rpath,{folder}"),
            *("-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"),
        ]
    )
    return program


def write_request(folder, request):
    """A PredictRequest as the program reads it."""
    folder.mkdir()
    (folder / "signature").write_text(request.model_spec.signature_name)
    for name, value in request.inputs.items():
        (folder / f"{name}.input").write_bytes(value.SerializeToString())


def read_reply(folder):
    """What the program wrote, as the PredictResponse of a server."""
    reply = predict_pb2.PredictResponse()
    for path in folder.glob("*.output"):
        reply.outputs[path.stem].ParseFromString(path.read_bytes())
    return reply


def test_cc_library(loader, exported, expected, tmp_path):
    requests = {}
    for signature in SIGNATURES:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "office"
        request.model_spec.signature_name = signature
        for name, value in inputs(signature).items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        requests[signature] = request
    warmup = tf.data.TFRecordDataset(f"{exported[1]}/{serving_files.WARMUP}")
    for number, record in enumerate(warmup.as_numpy_iterator()):
        log = prediction_log_pb2.PredictionLog.FromString(record)
        requests[f"warmup{number}"] = log.predict_log.request
    for name, request in requests.items():
        write_request(tmp_path / name, request)
    folders = [tmp_path / name for name in requests]
    assert run([loader, exported[1], *folders]) == "maskdepth.json\n"
    for name, request in requests.items():
        outputs = read_reply(tmp_path / name).outputs
        values = {key: tf.make_ndarray(value) for key, value in outputs.items()}
        if name in SIGNATURES:
            assert_equal(values, expected[name])
        (batch_size,) = {v.tensor_shape.dim[0].size for v in request.inputs.values()}
        assert {len(value) for value in values.values()} == {batch_size}
