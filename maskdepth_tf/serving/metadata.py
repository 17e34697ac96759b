"""Replies about models: their status and metadata, as messages and as JSON."""

import json

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from maskdepth_tf.serving.models import Models, Spec

SIGNATURES = "signature_def"
"""The only kind of metadata there is."""


def status_reply(
    models: Models, spec: Spec
) -> get_model_status_pb2.GetModelStatusResponse:
    """States of a model's versions.

    Raises:
        ServingError: NOT_FOUND if there is none.
    """
    reply = get_model_status_pb2.GetModelStatusResponse()
    for status in models.statuses(spec):
        reply.model_version_status.add(
            version=status.number,
            state=status.state,
            status={"error_code": status.code, "error_message": status.message},
        )
    return reply


def metadata_reply(
    models: Models, spec: Spec
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Signatures of a version.

    Raises:
        ServingError: NOT_FOUND if there is no such version.
    """
    reply = get_model_metadata_pb2.GetModelMetadataResponse()
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with models.pinned(spec) as (number, model):
        for name, signature in model.signature_defs.items():
            signatures.signature_def[name].CopyFrom(signature)
    reply.model_spec.name = spec.name
    reply.model_spec.version.value = number
    reply.metadata[SIGNATURES].Pack(signatures)
    return reply


def to_json(
    reply: get_model_status_pb2.GetModelStatusResponse
    | get_model_metadata_pb2.GetModelMetadataResponse,
) -> bytes:
    """Writes a reply as JSON, the signatures without the type of their packaging."""
    document = json_format.MessageToDict(
        reply,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    if "metadata" in document:
        del document["metadata"][SIGNATURES]["@type"]
    return json.dumps(document, indent=1).encode()
