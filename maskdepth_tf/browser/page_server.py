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
from http import HTTPStatus
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


class PageServer(ThreadingHTTPServer):
    """A server of this machine alone, which runs in `serve_forever`.

    Until then, who asks waits.

    Args:
        port: 0 for a free one.

    Raises:
        OSError: If the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int):
        super().__init__((HOST, port), Handler)
        self._lock = threading.Lock()

    def provide(self, files: Mapping[str, File], side: int, answer: Answer) -> None:
        """Tells it what to send.

        Args:
            files: By path.
            side: S, of the pictures of `/answer`, in pixels.
            answer: Answers them; is called by one thread at a time.
        """
        self.files, self.side, self._answer = files, side, answer

    def answer(self, body: bytes) -> bytes:
        """What `/answer` answers."""
        bg, fg_bg = np.frombuffer(body, np.uint8).reshape(2, self.side, self.side, 3)
        with self._lock:
            found = self._answer(bg, fg_bg)
        return b"".join(part.astype("<f4").tobytes() for part in found)

    def handle_error(self, request, client_address):
        """A browser that hangs up in the middle is no news."""


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    server: PageServer

    def do_GET(self):
        """Sends a file."""
        name = self.path.partition("?")[0].removeprefix("/") or "index.html"
        file = self.server.files.get(name)
        if not self._is_asked_here():
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
        """Answers two pictures."""
        length = 2 * self.server.side**2 * 3
        given = self.headers.get("Content-Length", "none")
        # What is refused is not read either, so that nothing else can follow it.
        self.close_connection = True
        if not self._is_asked_here():
            self._send(403)
        elif self.path != "/answer":
            self._send(404)
        elif given != str(length):
            text = f"the body must have {length} bytes. Received: {given}\n"
            self._send(400, text.encode(), **{"Content-Type": TYPES[".txt"]})
        elif len(body := self.rfile.read(length)) == length:
            self.close_connection = False
            kind = {"Content-Type": "application/octet-stream"}
            self._send(200, self.server.answer(body), **kind)

    def _is_asked_here(self) -> bool:
        """Whether by a name of this machine: no page from elsewhere asks so."""
        return self.headers.get("Host", "").partition(":")[0] in NAMES

    def _send(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in (HEADERS | headers).items():
            self.send_header(key, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: all requests are the page's."""


def settings_file(settings: dict) -> File:
    """`settings.json`, as it is sent."""
    return pack("settings.json", json.dumps(settings).encode())
