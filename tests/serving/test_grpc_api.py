"""gRPC: the replies and status codes of TF Serving."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from maskdepth_tf.serving.model_config import Declared, Policy
from maskdepth_tf.serving.running.batching import NUM_WORKERS, Limits
from tests.support import servers
from tests.support.servers import PATIENCE

X = np.array([[1, 2.5]], np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "shift"
    servers.write_version(folder, 1, 100)
    servers.write_version(folder, 2, 200, signatures=False)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    labels = {"stable": 1, "canary": 2}
    declared = {"shift": Declared(str(folder), Policy(latest=2), labels)}
    with servers.running(lambda: declared) as server:
        yield server


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(running.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request(version=None, label=None, signature="", name="shift", **arrays):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = name
    asked.model_spec.signature_name = signature
    if version is not None:
        asked.model_spec.version.value = version
    if label:
        asked.model_spec.version_label = label
    for key, array in arrays.items():
        asked.inputs[key].CopyFrom(tf.make_tensor_proto(array))
    return asked


def outputs(reply):
    return {name: tf.make_ndarray(proto) for name, proto in reply.outputs.items()}


def refused(call, *arguments, code, message, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=PATIENCE, **options)
    assert (caught.value.code().name, message in caught.value.details()) == (code, True)


@pytest.mark.parametrize(
    ("asked", "version"),
    [({}, 2), ({"version": 1}, 1), ({"label": "stable"}, 1), ({"label": "canary"}, 2)],
)
def test_predict(stub, asked, version):
    reply = stub.Predict(request(x=X, **asked), timeout=PATIENCE)
    np.testing.assert_array_equal(outputs(reply)["y"], X + 100 * version)
    assert outputs(reply)["y"].dtype == np.float32
    spec = reply.model_spec
    assert (spec.name, spec.version.value) == ("shift", version)
    assert spec.signature_name == "serving_default"


def test_signatures_and_output_filter(stub):
    number = np.array([3], np.int32)
    asked = request(1, signature="two", x=X, number=number)
    values = outputs(stub.Predict(asked, timeout=PATIENCE))
    assert set(values) == {"number", "sum"}
    asked.output_filter.append("sum")
    values = outputs(stub.Predict(asked, timeout=PATIENCE))
    assert values.keys() == {"sum"}
    np.testing.assert_array_equal(values["sum"], X + 3)
    text = np.array([b"\xff\x00"], object)
    values = outputs(
        stub.Predict(request(1, signature="echo", text=text), timeout=PATIENCE)
    )
    assert values["text"].tolist() == [b"\xff\x00"]
    half = np.array([0.5], np.float16)
    values = outputs(
        stub.Predict(request(1, signature="half", half=half), timeout=PATIENCE)
    )
    np.testing.assert_array_equal(values["half"], half)


def filtered(*names):
    asked = request(x=X)
    asked.output_filter.extend(names)
    return asked


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (
            predict_pb2.PredictRequest(),
            "INVALID_ARGUMENT",
            "model_spec must name a model",
        ),
        (request(name=""), "INVALID_ARGUMENT", "model_spec must name a model"),
        (
            request(name="other"),
            "NOT_FOUND",
            "model other has no version that is served",
        ),
        (request(name="../shift"), "NOT_FOUND", "model ../shift has no version"),
        (request(9, x=X), "NOT_FOUND", "model shift has no version 9"),
        (request(-1, x=X), "NOT_FOUND", "model shift has no version -1"),
        (
            request(label="a", x=X),
            "INVALID_ARGUMENT",
            "model shift has no label a",
        ),
        (
            request(signature="none", x=X),
            "FAILED_PRECONDITION",
            "the signature must be one of serving_default. Received: none",
        ),
        (
            request(signature="__saved_model_init_op", x=X),
            "FAILED_PRECONDITION",
            "the signature must be one of serving_default. Received: __saved",
        ),
        (request(), "INVALID_ARGUMENT", "the inputs must be x. Received: "),
        (
            request(y=X),
            "INVALID_ARGUMENT",
            "the inputs must be x. Received: y",
        ),
        (
            request(x=X.astype(np.int64)),
            "INVALID_ARGUMENT",
            "x: must be of type float32. Received: int64",
        ),
        (
            request(x=X[0]),
            "INVALID_ARGUMENT",
            "x: the shape must be [?,2]. Received: [2",
        ),
        (
            filtered("z"),
            "INVALID_ARGUMENT",
            "output_filter must name some of y, each once. Received: z",
        ),
        (filtered("y", "y"), "INVALID_ARGUMENT", "each once. Received: y, y"),
        (
            request(1, signature="echo", text=np.array([b"bad"], object)),
            "INVALID_ARGUMENT",
            "a bad text",
        ),
    ],
)
def test_refusals(stub, asked, code, message):
    refused(stub.Predict, asked, code=code, message=message)


def test_metadata(stub):
    asked = get_model_metadata_pb2.GetModelMetadataRequest()
    refused(
        stub.GetModelMetadata,
        asked,
        code="INVALID_ARGUMENT",
        message="metadata_field must be signature_def. Received: ",
    )
    asked.metadata_field.append("signature_def")
    refused(
        stub.GetModelMetadata,
        asked,
        code="INVALID_ARGUMENT",
        message="model_spec must name a model",
    )
    asked.model_spec.name = "shift"
    reply = stub.GetModelMetadata(asked, timeout=PATIENCE)
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("shift", 2)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(signatures)
    x = signatures.signature_def["serving_default"].inputs["x"]
    assert [dim.size for dim in x.tensor_shape.dim] == [-1, 2]
    asked.metadata_field.append("more")
    refused(
        stub.GetModelMetadata,
        asked,
        code="INVALID_ARGUMENT",
        message="metadata_field must be signature_def. Received: signature_def, more",
    )


def test_status(channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    refused(
        stub.GetModelStatus,
        asked,
        code="INVALID_ARGUMENT",
        message="model_spec must name a model",
    )
    asked.model_spec.name = "shift"
    reply = stub.GetModelStatus(asked, timeout=PATIENCE)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    versions = [
        (s.version, s.state, s.status.error_code) for s in reply.model_version_status
    ]
    assert versions == [(2, available, 0), (1, available, 0)]
    asked.model_spec.version_label = "stable"
    reply = stub.GetModelStatus(asked, timeout=PATIENCE)
    # TF Serving does not look at labels here.
    assert [s.version for s in reply.model_version_status] == [2, 1]
    asked.model_spec.version.value = 9
    refused(
        stub.GetModelStatus,
        asked,
        code="NOT_FOUND",
        message="model shift has no version 9",
    )


def test_what_is_not_served(stub):
    asked = classification_pb2.ClassificationRequest()
    refused(stub.Classify, asked, code="UNIMPLEMENTED", message="")


def test_messages_have_a_limit(stub):
    refused(
        stub.Predict,
        request(x=np.zeros((2**18, 2), np.float32)),
        code="RESOURCE_EXHAUSTED",
        message="larger than max",
    )


def health(channel, service=""):
    stub = health_pb2_grpc.HealthStub(channel)
    asked = health_pb2.HealthCheckRequest(service=service)
    state = stub.Check(asked, timeout=PATIENCE).status
    return health_pb2.HealthCheckResponse.ServingStatus.Name(state)


def test_health(channel, folder, tmp_path):
    assert health(channel) == "SERVING"
    assert health(channel, "tensorflow.serving.PredictionService") == "SERVING"
    with (
        servers.running(tmp_path) as running,
        grpc.insecure_channel(running.grpc) as other,
    ):
        assert health(other) == "NOT_SERVING"
        servers.write_version(tmp_path / "shift", 1, signatures=False)
        servers.until(lambda: health(other) == "SERVING")


def test_token(folder):
    with (
        servers.running(folder, token="secret") as running,
        grpc.insecure_channel(running.grpc) as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for sent in ([], [("authorization", "Bearer no")]):
            refused(
                stub.Predict,
                request(x=X),
                metadata=sent,
                code="UNAUTHENTICATED",
                message="a valid bearer token is required",
            )
        sent = [("authorization", "Bearer secret")]
        assert stub.Predict(request(x=X), metadata=sent, timeout=PATIENCE).outputs
        assert health(channel) == "SERVING"


def test_overload_and_deadlines(folder):
    gated = servers.Gated()
    limits = Limits(max_batch_size=1, max_queue=5)
    with (
        servers.running(folder, gated, limits=limits) as running,
        grpc.insecure_channel(running.grpc) as channel,
        ThreadPoolExecutor(20) as threads,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        gated.gate.clear()
        gated.runs.clear()

        def code(timeout=3 * PATIENCE):
            try:
                stub.Predict(request(x=X), timeout=timeout)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        held = [threads.submit(code) for _ in range(NUM_WORKERS)]
        servers.until(lambda: len(gated.runs) == NUM_WORKERS)

        # A client whose own deadline passes is not waited for. On a machine that stands
        # still it may pass on the way here: then nothing waits, and another is sent.
        def has_left_one():
            assert code(0.2) == "DEADLINE_EXCEEDED"
            return running.service.batcher.waiting() == 1

        servers.until(has_left_one)
        servers.until(lambda: running.service.in_flight == NUM_WORKERS)
        queued = [threads.submit(code) for _ in range(4)]
        servers.until(
            lambda: (
                running.service.batcher.waiting() == 5
                or any(future.done() for future in queued)
            )
        )
        assert not [future.result() for future in queued if future.done()]
        assert code() == "RESOURCE_EXHAUSTED"
        assert running.predict({"instances": [[1, 2]]})[0] == 503
        running.advance(PATIENCE)
        codes = {future.result() for future in held + queued}
        assert codes == {"DEADLINE_EXCEEDED"}
        gated.gate.set()
        servers.until(lambda: code() == "OK")
        # None of those that were queued has run.
        assert len(gated.runs) == NUM_WORKERS + 1


def test_everybody_gets_the_own_rows(running, stub):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, 2)).astype(np.float32) for n in (1, 2, 3) * 60]

    def by_grpc(x):
        return outputs(stub.Predict(request(x=x), timeout=PATIENCE))["y"]

    def by_rest(x):
        status, reply = running.predict({"instances": x.tolist()})
        assert status == 200
        return np.array(reply["predictions"], np.float32)

    with ThreadPoolExecutor(8) as threads:
        answers = [
            threads.submit(by_grpc if number % 2 else by_rest, x)
            for number, x in enumerate(arrays)
        ]
        for x, answer in zip(arrays, answers, strict=True):
            np.testing.assert_array_equal(answer.result(), x + np.float32(200))
