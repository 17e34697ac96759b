"""TF Serving's gRPC interface: Predict, GetModelMetadata, GetModelStatus."""

import time

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from maskdepth_tf.serving import metadata
from maskdepth_tf.serving.failures import ServingError, invalid
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.saved_model import DEFAULT_SIGNATURE
from maskdepth_tf.serving.service import REQUEST_SECONDS, Service
from maskdepth_tf.serving.tensors import protos
from maskdepth_tf.serving.tokens import check_token

_MAX_CALLS = 1000
"""Most calls at a time; others are refused at once."""


def _answered(answer):
    """Makes a method that checks the token and ends the call if there is a failure."""

    async def method(self, request, context):
        sent = dict(context.invocation_metadata()).get("authorization", "")
        try:
            check_token(self._token, sent)
            return await answer(self, request, context)
        except ServingError as error:
            failure = error
        await context.abort(grpc.StatusCode[failure.code], failure.message)

    return method


class _Servicer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(
        self, service: Service, token: str | None, fills_tensor_content: bool
    ) -> None:
        self._service = service
        self._token = token
        self._fills_tensor_content = fills_tensor_content

    @_answered
    async def Predict(self, request, context):  # noqa: N802, gRPC's name
        service, spec = self._service, _spec(request)
        left = context.time_remaining()
        deadline = time.monotonic() + min(left or REQUEST_SECONDS, REQUEST_SECONDS)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        with (
            service.counted(spec.name, "grpc"),
            service.models.pinned(spec) as (number, model),
        ):
            signature = model.signature(name)
            wanted = _wanted(request.output_filter, signature)
            sent = (request.inputs, signature, model.has_independent_rows)
            arrays = await service.decode(deadline, protos.arrays, *sent)
            outputs = await service.execute(model, name, arrays, deadline)
            reply = predict_pb2.PredictResponse()
            reply.model_spec.name = spec.name
            reply.model_spec.version.value = number
            reply.model_spec.signature_name = name
            outputs = {key: outputs[key] for key in wanted}
            await service.encode(
                protos.fill, outputs, reply.outputs, self._fills_tensor_content
            )
            return reply

    @_answered
    async def GetModelMetadata(self, request, context):  # noqa: N802
        if set(request.metadata_field) != {metadata.SIGNATURES}:
            raise invalid(
                f"metadata_field must be {metadata.SIGNATURES}. "
                f"Received: {', '.join(request.metadata_field)}"
            )
        return metadata.metadata_reply(self._service.models, _spec(request))

    @_answered
    async def GetModelStatus(self, request, context):  # noqa: N802
        return metadata.status_reply(self._service.models, _spec(request))


def make_server(
    service: Service, max_message: int, token: str | None, fills_tensor_content: bool
) -> grpc.aio.Server:
    """Makes the server, without a port yet.

    Args:
        service: Answers the requests.
        max_message: Most bytes of a request.
        token: The token that clients must bear, if any; health needs none.
        fills_tensor_content: As `protos.fill`.
    """
    server = grpc.aio.server(
        maximum_concurrent_rpcs=_MAX_CALLS,
        options=[
            ("grpc.max_receive_message_length", max_message),
            # Replies are as large as the model makes them.
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    servicer = _Servicer(service, token, fills_tensor_content)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        servicer, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    return server


def _spec(request) -> Spec:
    spec = request.model_spec
    if not spec.name:
        raise invalid("model_spec must name a model")
    choice = spec.WhichOneof("version_choice")
    return Spec(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def _wanted(output_filter, signature) -> list[str]:
    """Names of the outputs that a request asks for; all by default."""
    names, wanted = sorted(signature.outputs), list(output_filter)
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(names):
        raise invalid(
            f"output_filter must name some of {', '.join(names)}, each once. "
            f"Received: {', '.join(wanted)}"
        )
    return wanted or names
