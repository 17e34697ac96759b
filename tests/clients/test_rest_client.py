"""REST alone: addresses, replies of something else, and who hears the token."""

import socket
import threading

import pytest

from maskdepth_tf.client import Client
from maskdepth_tf.errors import ServerError, UsageError
from tests.support.fixed_replies import STATUS, rest_server
from tests.support.servers import PATIENCE


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8501", "ftp://a:1", "http://", "http://a:b", "http://[", ""]
)
def test_urls(url):
    with pytest.raises(UsageError, match="the URL must be http://HOST:PORT. Received"):
        Client(url)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"model_version_status": [{}]}', b"\xff", b"1"]
)
def test_replies_of_something_else(body):
    with rest_server((200, body)) as (url, asked):
        message = f"^{url}: the reply is none of a server of maskdepth: "
        with pytest.raises(ServerError, match=message):
            Client(url, timeout=PATIENCE).status()
        assert len(asked) == 1


def test_what_speaks_no_http():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ServerError, match=f"^{url}: does not speak HTTP$"):
            Client(url, timeout=PATIENCE).status()
        thread.join(PATIENCE)


def test_tls_is_spoken():
    with rest_server((200, STATUS)) as (url, _):
        url = url.replace("http:", "https:")
        with pytest.raises(ServerError, match=f"^{url}: .*SSL"):
            Client(url, timeout=PATIENCE, retries=0).status()


def test_names_are_quoted_and_a_prefix_stays():
    with rest_server((200, STATUS)) as (url, asked):
        Client(f"{url}/behind/", "a/b c", "t", PATIENCE).status()
    path, headers = asked[0]
    assert path == "/behind/v1/models/a%2Fb%20c"
    assert headers["Authorization"] == "Bearer t"


def test_a_redirection_is_not_followed():
    """Whoever is asked next would hear the token."""
    with (
        rest_server((200, STATUS)) as (other, not_asked),
        rest_server((307, b"", ("Location", other))) as (url, asked),
    ):
        with pytest.raises(ServerError, match=f"^{url}: 307: "):
            Client(url, token="t", timeout=PATIENCE).status()
    assert (len(asked), not_asked) == (1, [])


def test_no_proxy_is_asked(monkeypatch):
    with rest_server((200, STATUS)) as (proxy, not_asked):
        with rest_server((200, STATUS)) as (url, asked):
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy)
            assert Client(url, timeout=PATIENCE).status()
    assert (len(asked), not_asked) == (1, [])
