"""What TF Serving does, row by row, with the line of its source that says so."""

import json
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import message_factory, text_format
from grpc_health.v1 import health_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_pb2,
    model_service_pb2,
    prediction_service_pb2,
)

from tests.support import conformance, servers
from tests.support.once import made_once
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "serving.md").read_text()
TABLES = ("rest_answers", "rest_refusals", "rest_paths")
REST = [row for table in TABLES for row in conformance.rows(table)]
GRPC = conformance.rows("grpc")
METHODS = {
    method.name: method
    for file in (prediction_service_pb2, model_service_pb2, health_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def place(row):
    return f"{Path(row['source']).name}:{row['line']}"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    def make(folder):
        conformance.write_models(folder)
        return str(folder)

    folder = made_once(tmp_path_factory, "conformance", make)
    with servers.running(lambda: conformance.declared(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def channel(running):
    with grpc.insecure_channel(running.grpc) as channel:
        yield channel


def body(row):
    sent = row.get("sent")
    return sent.encode() if isinstance(sent, str) else sent


@pytest.mark.parametrize("row", REST, ids=place)
def test_rest(running, row):
    method, path = row.get("method", "POST"), row.get("path")
    if path is None:
        path = f"/v1/models/{row.get('to', 'half_plus_two')}:predict"
    status, reply = running.request(method, path, body(row), row.get("headers"))
    if "error" in row:
        assert (status, list(reply)) == (row.get("status", 400), ["error"])
        assert row["error"] in reply["error"]
        return
    assert status == row.get("status", 200)
    if "reply" in row:
        # NaN is not NaN's equal, its text is.
        assert json.dumps(reply) == json.dumps(json.loads(row["reply"]))


def call(channel, row):
    """The reply to a row's request."""
    method = METHODS[row.get("method", "Predict")]
    sent, received = (
        message_factory.GetMessageClass(kind)
        for kind in (method.input_type, method.output_type)
    )
    request = text_format.Parse(row.get("request", ""), sent())
    if "request" not in row:
        spec = row.get("spec", 'name: "half_plus_two"')
        text_format.Parse(spec, request.model_spec)
        request.output_filter.extend(row.get("filter", []))
        if "x" in row:
            text_format.Parse(row["x"], request.inputs["x"])
    ask = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=sent.SerializeToString,
        response_deserializer=received.FromString,
    )
    return ask(request, timeout=servers.PATIENCE)


def text(message):
    # As text, for NaN is not NaN's equal.
    return text_format.MessageToString(message)


@pytest.mark.parametrize("row", GRPC, ids=place)
def test_grpc(channel, row):
    if "code" in row:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, row)
        assert caught.value.code().name == row["code"]
        assert row["error"] in caught.value.details()
        return
    reply = call(channel, row)
    if "served" in row:
        assert reply.model_spec == text_format.Parse(
            row["served"], model_pb2.ModelSpec()
        )
    if "reply" in row:
        assert reply == text_format.Parse(row["reply"], type(reply)())
    if "signatures" in row:
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert reply.metadata["signature_def"].Unpack(signatures)
        assert sorted(signatures.signature_def) == row["signatures"]
    outputs = row.get("outputs", {"y": row["y"]} if "y" in row else {})
    for name, expected in outputs.items():
        tensor = text_format.Parse(expected, tensor_pb2.TensorProto())
        assert text(reply.outputs[name]) == text(tensor)
    if outputs:
        assert sorted(reply.outputs) == sorted(outputs)


def test_every_difference_is_told():
    """The document lists those that rows show, and no others."""
    rows = REST + GRPC
    assert all(("differs" in row) == ("theirs" in row) for row in rows)
    _, told = TEXT.split("| difference | TF Serving | here, and why |\n|---|---|---|\n")
    names = re.findall(r"^\| ([^|]+) \|", told.split("\n\n")[0], re.MULTILINE)
    assert sorted(names) == sorted({row.get("differs") for row in rows} - {None})
