"""Asks a server by gRPC; needs no TensorFlow.

    with GrpcClient("127.0.0.1:8500") as client:
        answer = client.predict("bg.jpg", "fg_bg.jpg")

It needs the packages `grpcio` and `protobuf`, and NumPy where arrays are asked for.
"""

import contextlib
import time

import grpc
from google.protobuf.message import DecodeError

from maskdepth_tf.clients import grpc_messages
from maskdepth_tf.clients.model_client import (
    ModelClient,
    Transient,
    VersionStatus,
    one_line,
)
from maskdepth_tf.errors import RefusedError, ServerError

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_OPTIONS = (
    # Replies are as large as the model makes them.
    ("grpc.max_receive_message_length", -1),
    # By itself gRPC would wait a second for the second try, and longer then.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # As REST: the server is asked, and nobody in between.
    ("grpc.enable_http_proxy", 0),
)
_IS_BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class GrpcClient(ModelClient, contextlib.AbstractContextManager["GrpcClient"]):
    """A model on a server, by gRPC without TLS; to be closed, or used in a `with`.

    Args:
        address: Of the server, "HOST:PORT".
        model: As `ModelClient`; so are the others.

    Raises:
        UsageError: As `ModelClient`.
    """

    def __init__(
        self,
        address: str,
        model: str = "maskdepth",
        token: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
    ) -> None:
        super().__init__(address, model, token, timeout, retries)
        self._messages = grpc_messages.messages()
        self._channel = grpc.insecure_channel(address, _OPTIONS)

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _request_of(self, signature, pictures):
        request = self._messages["PredictRequest"]()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, values in pictures.items():
            tensor = request.inputs.add(key=name).value
            tensor.dtype = grpc_messages.STRING
            tensor.shape.dim.add(size=len(values))
            tensor.texts.extend(values)
        return request

    def _ask(self, request, end):
        reply = self._call(_PREDICT, request, "PredictResponse", end)
        return {entry.key: _values(entry.value) for entry in reply.outputs}

    def _ask_status(self, end):
        request = self._messages["GetModelStatusRequest"]()
        request.model_spec.name = self._model
        reply = self._call(_STATUS, request, "GetModelStatusResponse", end)
        return [
            VersionStatus(
                one.version,
                grpc_messages.STATES[one.state],
                one.status.error_message,
            )
            for one in reply.versions
        ]

    def _call(self, method, request, reply_name, end):
        try:
            data = self._channel.unary_unary(method)(
                request.SerializeToString(),
                timeout=max(end - time.monotonic(), 0),
                metadata=list(self._authorization.items()),
            )
        except grpc.RpcError as error:
            code, reason = error.code(), one_line(error.details() or "")
            if code in _IS_BUSY:
                raise Transient(f"{code.name}: {reason}") from error
            if code is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() >= end:
                raise self._too_late() from error
            is_refused = code is grpc.StatusCode.INVALID_ARGUMENT
            kind = RefusedError if is_refused else ServerError
            raise kind(f"{self._place}: {code.name}: {reason}") from error
        try:
            return self._messages[reply_name].FromString(data)
        except DecodeError as error:
            raise ValueError(str(error)) from error


def _values(tensor):
    """Elements of a tensor of strings, or an array; servers have two ways for that."""
    if tensor.dtype == grpc_messages.STRING:
        return list(tensor.texts)
    if tensor.dtype != grpc_messages.FLOAT:
        raise ValueError(f"a tensor of type {tensor.dtype}")
    import numpy as np

    flat = np.frombuffer(tensor.content, "<f4") if tensor.content else tensor.floats
    return np.array(flat, np.float32).reshape([dim.size for dim in tensor.shape.dim])
