"""TF Serving's gRPC interface: Predict, GetModelMetadata, GetModelStatus."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from maskdepth_tf.serving import metadata, proto_tensors
from maskdepth_tf.serving.failures import ServingError
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.rest import REQUEST_SECONDS, check_token
from maskdepth_tf.serving.saved_model import DEFAULT_SIGNATURE
from maskdepth_tf.serving.service import Service

_MAX_CALLS = 1000
"""Most calls at a time; others are refused at once."""


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, service: Service) -> None:
        self._service = service

    async def Predict(self, request, context):  # noqa: N802, gRPC's name
        return await _answered(context, lambda: self._predict(request, context))

    async def GetModelMetadata(self, request, context):  # noqa: N802
        async def answer():
            if not request.metadata_field:
                raise _invalid(
                    "GetModelMetadataRequest must specify at least one metadata_field"
                )
            for field in request.metadata_field:
                if field != metadata.SIGNATURES:
                    raise _invalid(f"Metadata field {field} is not supported")
            return metadata.metadata_reply(self._service.models, _spec(request))

        return await _answered(context, answer)

    async def _predict(self, request, context) -> predict_pb2.PredictResponse:
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
            arrays = await service.decode(
                proto_tensors.arrays, request.inputs, signature
            )
            outputs = await service.execute(model, name, arrays, deadline)
            reply = predict_pb2.PredictResponse()
            reply.model_spec.name = spec.name
            reply.model_spec.version.value = number
            reply.model_spec.signature_name = name
            chosen = {key: outputs[key] for key in wanted}
            await asyncio.to_thread(proto_tensors.fill, chosen, reply.outputs)
            return reply


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, service: Service) -> None:
        self._service = service

    async def GetModelStatus(self, request, context):  # noqa: N802
        async def answer():
            return metadata.status_reply(self._service.models, _spec(request))

        return await _answered(context, answer)


class _Token(grpc.aio.ServerInterceptor):
    """Refuses whoever does not bear the token; health needs none."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_service(self, continuation, details):
        sent = dict(details.invocation_metadata).get("authorization", "")
        if not details.method.startswith("/grpc.health."):
            try:
                check_token(self._token, sent)
            except ServingError as error:
                return _refusal(error)
        return await continuation(details)


def make_server(
    service: Service, max_message: int, token: str | None
) -> grpc.aio.Server:
    """The server, without a port yet.

    Args:
        service: What answers.
        max_message: Most bytes of a request.
        token: As `Rest`.
    """
    server = grpc.aio.server(
        interceptors=[_Token(token)] if token else [],
        maximum_concurrent_rpcs=_MAX_CALLS,
        options=[
            ("grpc.max_receive_message_length", max_message),
            # Replies are as large as the model makes them.
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(service), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _ModelService(service), server
    )
    return server


async def _answered(context, answer: Callable[[], Awaitable]):
    """The answer, or the failure as gRPC has it."""
    try:
        return await answer()
    except ServingError as error:
        failure = error
    await context.abort(grpc.StatusCode[failure.code], failure.message)


def _refusal(failure) -> grpc.RpcMethodHandler:
    async def refuse(request, context):
        await context.abort(grpc.StatusCode[failure.code], failure.message)

    return grpc.unary_unary_rpc_method_handler(refuse)


def _spec(request) -> Spec:
    if not request.HasField("model_spec"):
        raise _invalid("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise _invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return Spec(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def _wanted(output_filter, signature) -> list[str]:
    """Names of the outputs that are asked for; all if none is."""
    known = sorted(signature.outputs)
    for number, name in enumerate(output_filter):
        if name not in known:
            raise _invalid(
                f"output tensor alias not found in signature: {name} Outputs expected "
                f"to be in the set {{{','.join(known)}}}."
            )
        if name in output_filter[:number]:
            raise _invalid(f"duplicate output tensor alias: {name}")
    return list(output_filter) or known


def _invalid(message) -> ServingError:
    return ServingError("INVALID_ARGUMENT", message)
