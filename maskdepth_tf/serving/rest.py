"""TF Serving's REST interface, Prometheus' metrics and health.

Paths are matched as the client wrote them, encoded characters included, as TF Serving
does; names are then looked up and never become part of a path of ours.
"""

import asyncio
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import prometheus_client as prometheus
from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from maskdepth_tf.serving import json_tensors, metadata
from maskdepth_tf.serving.failures import ServingError, from_exception
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.service import Service

BODY_SECONDS = 15
"""Time that a client has to send the body of a request."""

REQUEST_SECONDS = 30
"""Time from the body's end to the reply."""

_BUFFERED_BODIES = 8
"""Bodies of the largest size that may be in memory at once, unread or in the queue."""

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(
    rf"(?i)/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)",
    re.ASCII,
)
_STATUS = re.compile(
    rf"(?i)/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?",
    re.ASCII,
)


class _AnyPath(PathConvertor):
    """Starlette's own takes no line breaks, which names may hold, encoded."""

    regex = r"(?s:.*)"


register_url_convertor("any_path", _AnyPath())


class Rest:
    """The application.

    Args:
        service: What answers.
        max_body: Most bytes of a request's body.
        token: What clients must bear, if anything; health needs none.
    """

    def __init__(self, service: Service, max_body: int, token: str | None) -> None:
        self._service = service
        self._max_body = max_body
        self._token = token
        self._buffered = 0

    def app(self) -> Starlette:
        """The routes."""
        routes = [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/monitoring/prometheus/metrics", self._guarded(self._metrics)),
            Route(
                "/{path:any_path}",
                self._guarded(self._models),
                methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            ),
        ]
        return Starlette(routes=routes)

    async def _live(self, request: Request) -> Response:
        return _json(b'{"status": "live"}')

    async def _ready(self, request: Request) -> Response:
        if self._service.is_ready():
            return _json(b'{"status": "ready"}')
        return _error(ServingError("UNAVAILABLE", "not ready"))

    async def _metrics(self, request: Request) -> Response:
        text = prometheus.generate_latest(self._service.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def _models(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii")
        models = self._service.models
        if not path.lower().startswith("/v1/"):
            raise ServingError("NOT_FOUND", f"Not found: {path[:200]}")
        patterns = {"POST": _PREDICT, "GET": _STATUS, "HEAD": _STATUS}
        pattern = patterns.get(request.method)
        found = pattern and pattern.fullmatch(path)
        if not found:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"Malformed request: {request.method} {path[:200]}",
            )
        if not found["name"]:
            raise ServingError("INVALID_ARGUMENT", "Missing model name in request.")
        spec = _spec(found)
        if request.method == "POST":
            if found["method"].lower() != "predict":
                raise ServingError(
                    "UNIMPLEMENTED", f"{found['method']} is not served, predict is"
                )
            return await self._predict(request, spec)
        make = metadata.metadata_json if found["metadata"] else metadata.status_json
        return _json(make(models, spec))

    async def _predict(self, request, spec) -> Response:
        service = self._service
        with service.counted(spec.name, "rest"):
            # Found out before the body is read, and found again after.
            with service.models.pinned(spec):
                pass
            body = bytearray()
            try:
                await self._read(request, body)
                deadline = time.monotonic() + REQUEST_SECONDS
                with service.models.pinned(spec) as (_, model):
                    asked = await service.decode(
                        json_tensors.decode, bytes(body), model
                    )
                    outputs = await service.execute(
                        model, asked.signature_name, asked.arrays, deadline
                    )
                return _json(
                    await asyncio.to_thread(json_tensors.encode, outputs, asked.is_rows)
                )
            finally:
                self._buffered -= len(body)

    async def _read(self, request, body) -> None:
        """The body, chunk by chunk, unless it becomes too long or takes too long."""
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise ServingError(
                "INVALID_ARGUMENT", f"Content-Encoding is not taken: {encoding}", 415
            )
        length = request.headers.get("content-length", "0")
        self._check_size(int(length))
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

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """For those with the token, and with failures as replies."""

        async def guard(request: Request) -> Response:
            try:
                sent = request.headers.get("authorization", "")
                check_token(self._token, sent)
                return await answer(request)
            except Exception as error:
                return _error(from_exception(error))

        return guard


def check_token(token: str | None, authorization: str) -> None:
    """Lets those pass who bear the token, in a time that says nothing of it.

    Args:
        token: The token; None lets all pass.
        authorization: The header, "Bearer TOKEN".

    Raises:
        ServingError: UNAUTHENTICATED.
    """
    if token is None:
        return
    expected = f"Bearer {token}".encode()
    if not hmac.compare_digest(authorization.encode("utf-8", "replace"), expected):
        raise ServingError("UNAUTHENTICATED", "a valid bearer token is required")


def _spec(found) -> Spec:
    version = found["version"]
    if version and (len(version) > 19 or int(version) >= 2**63):
        raise ServingError(
            "INVALID_ARGUMENT",
            f"Failed to convert version: {version[:200]} to numeric.",
        )
    label = found["label"]
    return Spec(
        unquote(found["name"]),
        int(version) if version else None,
        unquote(label) if label else None,
    )


def _json(body: bytes, status: int = 200, headers=None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _error(error: ServingError) -> Response:
    body = json.dumps({"error": error.message}).encode()
    headers = {}
    if error.http_status not in (400, 404) and error.code != "RESOURCE_EXHAUSTED":
        # What is left of the body will not be read. Those who come while the queue is
        # full have been read, and would only cost more by connecting anew.
        headers["connection"] = "close"
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    return _json(body, error.http_status, headers)
