"""TF Serving's REST interface, Prometheus' metrics and health.

Paths are matched as the client wrote them, encoded characters included, as TF Serving
does; names are then looked up and never become part of a path of ours.
"""

import asyncio
import contextlib
import json
import re
import time
from urllib.parse import unquote

import prometheus_client as prometheus
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from maskdepth_tf.serving import metadata
from maskdepth_tf.serving.failures import ServingError, from_exception, invalid
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.service import REQUEST_SECONDS, Service
from maskdepth_tf.serving.tensors import json_bodies
from maskdepth_tf.serving.tokens import check_token

BODY_SECONDS = 15
"""Time that a client has to send the body of a request."""

SKIP_SECONDS = 5
"""Time for which a body that is too large is taken in, so that its client reads why."""

SKIP_BYTES = 2**25
"""Most of it that is."""

_BUFFERED_BODIES = 8
"""Bodies of the largest size that may be in memory at once, unread or in the queue."""

_SERVER = re.compile(r"^https?://[^/]*", re.IGNORECASE)

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}
"""As TF Serving sends them."""

_PATH = re.compile(
    r"(?i)/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    # What the method is called is in small letters.
    r"(?:(?P<metadata>/metadata)|:(?P<method>(?-i:classify|regress|predict)))?",
    re.ASCII,
)


class Rest:
    """The application, as ASGI has it.

    Args:
        service: Answers the requests.
        max_body: Most bytes of a request's body.
        token: The token that clients must bear, if any; health needs none.
        allows_origins: Whether pages from anywhere may ask.
    """

    def __init__(
        self,
        service: Service,
        max_body: int,
        token: str | None,
        allows_origins: bool = False,
    ) -> None:
        self._service = service
        self._max_body = max_body
        self._token = token
        self._allows_origins = allows_origins
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, also with what went wrong."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:
            failure = from_exception(error)
            response = _error(failure)
            if failure.http_status == 413:
                await _skip(request)
        if request.headers.get("connection", "").lower() == "keep-alive":
            # What clients of HTTP/1.0 wait for.
            response.headers.setdefault("connection", "keep-alive")
        if self._allows_origins:
            response.headers.update(_CORS)
        await response(scope, receive, send)

    async def _answer(self, request) -> Response:
        # A proxy's form of a path has the server before it.
        path = _SERVER.sub("", request.scope["raw_path"].decode("ascii"))
        if request.method == "OPTIONS" and "origin" in request.headers:
            return Response()
        is_get = request.method in ("GET", "HEAD")
        if is_get and path == "/health/live":
            return _json(b'{"status": "live"}')
        if is_get and path == "/health/ready":
            if not self._service.is_ready():
                raise ServingError("UNAVAILABLE", "not ready")
            return _json(b'{"status": "ready"}')
        check_token(self._token, request.headers.get("authorization", ""))
        if is_get and path == "/monitoring/prometheus/metrics":
            text = prometheus.generate_latest(self._service.registry)
            return Response(text, media_type="text/plain; version=0.0.4")
        if not path.lower().startswith("/v1/"):
            raise ServingError("NOT_FOUND", f"there is nothing at {path[:200]}")
        match = _PATH.fullmatch(path)
        is_fit = request.method == "POST" if match and match["method"] else is_get
        if not match or not is_fit:
            raise invalid(
                "the request must be GET or POST of /v1/models/NAME... as TF Serving "
                f"has it. Received: {request.method} {path[:200]}"
            )
        spec = _spec(match)
        if match["method"]:
            if match["method"] != "predict":
                raise ServingError(
                    "UNIMPLEMENTED", f"{match['method']} is not served, predict is"
                )
            return await self._predict(request, spec)
        # In other letters it is a question for the status.
        has_metadata = match["metadata"] == "/metadata"
        reply = metadata.metadata_reply if has_metadata else metadata.status_reply
        return _json(metadata.to_json(reply(self._service.models, spec)))

    async def _predict(self, request, spec) -> Response:
        service = self._service
        with service.counted(spec.name, "rest"):
            # Looked up before the body is read, and again after.
            with service.models.pinned(spec):
                pass
            body = bytearray()
            try:
                await self._read(request, body)
                deadline = time.monotonic() + REQUEST_SECONDS
                with service.models.pinned(spec) as (_, model):
                    asked = await service.decode(
                        deadline, json_bodies.decode, bytes(body), model
                    )
                    outputs = await service.execute(
                        model, asked.signature_name, asked.arrays, deadline
                    )
                return _json(
                    await service.encode(json_bodies.encode, outputs, asked.is_rows)
                )
            finally:
                self._buffered -= len(body)

    async def _read(self, request, body) -> None:
        """Reads the body, unless it becomes too long or takes too long."""
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise ServingError(
                "INVALID_ARGUMENT", f"Content-Encoding is not taken: {encoding}", 415
            )
        self._check_size(int(request.headers.get("content-length", "0")))
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    self._check_size(len(body) + len(chunk))
                    body += chunk
                    self._buffered += len(chunk)
                    if self._buffered > _BUFFERED_BODIES * self._max_body:
                        raise ServingError("UNAVAILABLE", "too much is under way")
        except TimeoutError:
            raise ServingError(
                "DEADLINE_EXCEEDED", f"the body took over {BODY_SECONDS} s", 408
            ) from None
        except ClientDisconnect:
            raise ServingError("CANCELLED", "the client has gone") from None

    def _check_size(self, size) -> None:
        if size > self._max_body:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"the body must have at most {self._max_body} bytes",
                413,
            )


async def _skip(request) -> None:
    """Takes in what a client still sends: it may not look at replies before its end."""
    if "expect" in request.headers:
        return
    size = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(SKIP_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > SKIP_BYTES:
                    break


def _spec(match) -> Spec:
    version, label = match["version"], match["label"]
    if version and (len(version) > 19 or int(version) >= 2**63):
        raise invalid(f"a version must be below 2^63. Received: {version[:200]}")
    return Spec(
        unquote(match["name"]),
        int(version) if version else None,
        unquote(label) if label else None,
    )


def _json(body: bytes, status: int = 200, headers=None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _error(error: ServingError) -> Response:
    body = json.dumps({"error": error.message}).encode()
    headers = {}
    if error.http_status not in (400, 404) and error.code != "RESOURCE_EXHAUSTED":
        # What is left of the body will not be read. Requests that come while the queue
        # is full have been read, and would only cost more by connecting anew.
        headers["connection"] = "close"
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    return _json(body, error.http_status, headers)
