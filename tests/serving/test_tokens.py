"""Tokens: read from files, and checked."""

import pytest

from maskdepth_tf.errors import UsageError
from maskdepth_tf.serving import tokens
from maskdepth_tf.serving.failures import ServingError


def test_token(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b" secret!~\r\n")
    assert tokens.read_token(str(path)) == "secret!~"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"a b", b"\xff", b"a" * 5000])
def test_bad_token(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UsageError, match="--token-file: .*(No such|must hold one line)"
    ):
        tokens.read_token(str(path))


@pytest.mark.parametrize(
    "authorization",
    ["", "secret", "Bearer", "Bearer secret ", "bearer secret", "\udcff"],
)
def test_others_are_refused(authorization):
    tokens.check_token("secret", "Bearer secret")
    tokens.check_token(None, authorization)
    with pytest.raises(ServingError, match="a valid bearer token") as caught:
        tokens.check_token("secret", authorization)
    assert caught.value.code == "UNAUTHENTICATED"
