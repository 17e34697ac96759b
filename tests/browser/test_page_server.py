"""What the page's server sends, and what it refuses."""

import contextlib
import gzip
import http.client
import json

import numpy as np
import pytest

from maskdepth_tf.browser import page_server
from tests.support import page_servers
from tests.support.servers import PATIENCE

SIDE = 4


@pytest.fixture(scope="module")
def server():
    def answer(bg, fg_bg):
        return (fg_bg[..., :1] / 255, bg[..., 1:2] / 255)

    files = {
        "index.html": page_server.pack("index.html", b"<p>hello"),
        "settings.json": page_server.settings_file({"image_size": SIDE}),
    }
    with page_servers.running(files, SIDE, answer) as server:
        yield server


@pytest.fixture
def ask(server):
    port = server.server_port

    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()

    return ask


def test_sends_files_packed_and_once(ask):
    status, headers, body = ask("GET", "/?draw=webgl")
    assert (status, gzip.decompress(body)) == (200, b"<p>hello")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Encoding"] == "gzip"
    again, _, body = ask("GET", "/", **{"If-None-Match": headers["ETag"]})
    assert (again, body) == (304, b"")
    assert ask("HEAD", "/")[2] == b""
    assert json.loads(gzip.decompress(ask("GET", "/settings.json")[2])) == {
        "image_size": SIDE
    }


def test_pages_may_ask_nobody_else(ask):
    for path in ("/", "/settings.json", "/nothing"):
        policy = ask("GET", path)[1]["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "http" not in policy
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy


@pytest.mark.parametrize("path", ["/nothing", "/../live.py", "/page/index.html"])
def test_sends_nothing_else(ask, path):
    assert ask("GET", path)[0] == 404


def test_answers_two_pictures(ask):
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    status, _, body = ask("POST", "/answer", pixels.tobytes())
    assert status == 200
    mask, depth = np.frombuffer(body, "<f4").reshape(2, SIDE, SIDE)
    np.testing.assert_allclose(mask, pixels[1, ..., 0] / 255, rtol=1e-6)
    np.testing.assert_allclose(depth, pixels[0, ..., 1] / 255, rtol=1e-6)


@pytest.mark.parametrize("length", ["0", "95", "1000000000000", "-1", "many"])
def test_refuses_other_lengths_unread(ask, length):
    headers = {"Content-Length": length}
    status, headers, body = ask("POST", "/answer", **headers)
    assert (status, headers["Connection"]) == (400, "close")
    assert body.decode() == f"the body must have 96 bytes. Received: {length}\n"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_refuses_other_names(ask, host):
    assert ask("GET", "/", Host=host)[0] == 403
    assert ask("POST", "/answer", bytes(96), Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1"])
def test_is_known_by_two_names(ask, host):
    assert ask("GET", "/", Host=host)[0] == 200


def test_a_port_that_is_taken(server):
    with pytest.raises(OSError, match="in use"):
        page_server.PageServer(server.server_port)


def test_all_files_have_a_type():
    missing = {
        path.suffix for path in page_server.PAGE.rglob("*") if path.is_file()
    } - set(page_server.TYPES)
    assert not missing
    assert "index.html" in page_server.files_of_page()
