"""REST connections: how many, how long they may be silent, and cheap refusals.

A server that is asked for more than it can answer must not spend its time on reading
what it refuses: while the queue is full, requests are refused by their headers.
"""

import json
import re

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskdepth_tf.serving.service import TOO_MANY, Service

HEADER_SECONDS = 10
"""A connection that brings no request for this long, or twice as long, is closed."""

MAX_CONNECTIONS = 2000
"""Most REST connections at a time; others are closed at once."""

MAX_HEADER_BYTES = 2**15

_POST = re.compile(rb"post [^ \r\n]+ http/1\.1")
_LENGTH = re.compile(rb"content-length: *(\d{1,9})")
# What bears on where a request ends or what follows it is left to the parser.
_SPECIAL = re.compile(
    rb"transfer-encoding|expect|connection: *+(?!keep-alive$)|content-length *+(?!:)"
)
_BREAK = re.compile(rb"[\r\n]")
_BODY = json.dumps({"error": TOO_MANY}).encode()
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Connection(H11Protocol):
    """A connection that is closed if it brings no requests.

    Args:
        service: Knows whether its queue is full.
        max_body: Most bytes of a request's body.
        **kwargs: Uvicorn's.
    """

    def __init__(self, service: Service, max_body: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self._service = service
        self._max_body = max_body
        self._num_refused = 0
        self._unread = 0

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(HEADER_SECONDS, self._check, (None, 0))

    def data_received(self, data: bytes) -> None:
        while data:
            # The rest of a request that was refused.
            skipped = min(self._unread, len(data))
            self._unread -= skipped
            data = data[skipped:]
            if not data or not self._service.is_full():
                break
            self._unread = self._size_to_refuse(data)
            if not self._unread:
                break
            self._refuse()
        if data:
            super().data_received(self._as_newer(data))

    def _as_newer(self, data) -> bytes:
        """Makes HTTP/1.1 of HTTP/1.0 that keeps its connection, which h11 would end."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
        first, *rest = data[: max(end, 0)].split(b"\r\n")
        names = [line.lower().replace(b" ", b"") for line in rest]
        is_kept = first.endswith(b" HTTP/1.0") and b"connection:keep-alive" in names
        if not is_kept or not self._is_between():
            return data
        if not any(name.startswith(b"host:") for name in names):
            rest.append(b"host: -")
        return b"\r\n".join([first[:-1] + b"1", *rest]) + data[end:]

    def _is_between(self) -> bool:
        """Whether the parser has seen all of the last request and none of the next."""
        return self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    def _size_to_refuse(self, data) -> int:
        """Bytes of the request that begins here; 0 if it is for the parser to see."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
        first, *rest = data[: max(end, 0)].lower().split(b"\r\n")
        if not _POST.fullmatch(first) or any(map(_BREAK.search, rest)):
            return 0
        lengths = [match for line in rest if (match := _LENGTH.fullmatch(line))]
        if any(map(_SPECIAL.match, rest)) or len(lengths) != 1:
            return 0
        size = int(lengths[0][1])
        if size > self._max_body:
            return 0
        # The parser may be in a request, or the client not read its replies.
        if not self._is_between() or self.flow.write_paused:
            return 0
        return end + 4 + size

    def _refuse(self) -> None:
        self._unset_keepalive_if_required()
        self.transport.write(_REFUSAL)
        self._service.count_refused("rest")
        self._num_refused += 1

    def _check(self, seen) -> None:
        """Closes the connection if no new request has come since the last check."""
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        last = self.cycle, self._num_refused
        if is_idle and last == seen:
            self.transport.close()
        else:
            self.loop.call_later(HEADER_SECONDS, self._check, last)
