"""Sends the page to this machine's browser, and answers where it can't run a network.

    GET  /                 the page; its files beside it
    GET  /settings.json    `settings.of_network`
    GET  /network.tflite   the network
    POST /answer           two pictures of S x S x 3 bytes, the registered background
                           and the picture -> float32, mask and depth of S x S each
"""

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAGE = Path(__file__).parent / "page"
HOST = "127.0.0.1"
"""Browsers give cameras to pages of the same machine alone, unless there is TLS."""
NAMES = {HOST, "localhost"}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".tflite": "application/octet-stream",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
# WebAssembly is compiled in the page; video files and recordings are blobs.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "media-src 'self' blob:; img-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
SECONDS = 30
"""For a request that has begun."""

Answer = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From `bg` and `fg_bg`, uint8 [S, S, 3], to mask and depth, float32 [S, S, 1]."""


class File(NamedTuple):
    """A file as it is sent.

    Attributes:
        kind: Its media type.
        packed: Its bytes, in gzip's format.
        tag: Changes with them.
    """

    kind: str
    packed: bytes
    tag: str


def pack(name: str, data: bytes) -> File:
    """Makes ready to send what is called `name`."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    return File(TYPES[Path(name).suffix], gzip.compress(data, 6, mtime=0), tag)


def files_of_page() -> dict[str, File]:
    """All files of the page by their path in it."""
    return {
        path.relative_to(PAGE).as_posix(): pack(path.name, path.read_bytes())
        for path in sorted(PAGE.rglob("*"))
        if path.suffix in TYPES
    }


def make(
    port: int, files: Mapping[str, File], side: int, answer: Answer
) -> ThreadingHTTPServer:
    """A server of this machine alone; to be run by `serve_forever`.

    Args:
        port: 0 for a free one.
        files: What is sent, by path.
        side: S, of the pictures of `/answer`, in pixels.
        answer: Answers them; is called by one thread at a time.

    Raises:
        OSError: If the port is taken.
    """
    lock, length = threading.Lock(), side * side * 3

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SECONDS

        def do_GET(self):
            name = self.path.partition("?")[0].removeprefix("/") or "index.html"
            file = files.get(name)
            if not self._is_here():
                self._send(403)
            elif file is None:
                self._send(404)
            elif self.headers.get("If-None-Match") == file.tag:
                self._send(304, ETag=file.tag)
            else:
                headers = {"Content-Type": file.kind, "Content-Encoding": "gzip"}
                self._send(200, file.packed, ETag=file.tag, **headers)

        do_HEAD = do_GET

        def do_POST(self):
            given = self.headers.get("Content-Length", "")
            if not self._is_here() or self.path != "/answer":
                self.close_connection = True
                self._send(404 if self._is_here() else 403)
                return
            if given != str(2 * length):
                self.close_connection = True
                text = f"the body must be {2 * length} bytes. Received: {given}"
                self._send(400, text.encode(), **{"Content-Type": TYPES[".txt"]})
                return
            data = np.frombuffer(self.rfile.read(2 * length), np.uint8)
            if len(data) != 2 * length:
                self.close_connection = True
                return
            bg, fg_bg = data.reshape(2, side, side, 3)
            with lock:
                found = answer(bg, fg_bg)
            body = b"".join(part.astype("<f4").tobytes() for part in found)
            self._send(200, body, **{"Content-Type": TYPES[".tflite"]})

        def _is_here(self) -> bool:
            """Whether it was asked by a name of this machine: no other site's."""
            name = self.headers.get("Host", "").rpartition(":")[0]
            return (name or self.headers.get("Host", "")) in NAMES

        def _send(self, status, body=b"", **headers):
            self.send_response(status)
            for key, value in (HEADERS | headers).items():
                self.send_header(key, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            """Requests are the page's own."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """A browser that hangs up in the middle is no news."""

    return Server((HOST, port), Handler)


def settings_file(settings: dict) -> File:
    """`settings.json`, as it is sent."""
    return pack("settings.json", json.dumps(settings).encode())
