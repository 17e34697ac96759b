"""The bearer token: read from a file by servers and clients, checked by servers."""

import hmac

from maskdepth_tf.errors import UsageError
from maskdepth_tf.serving.failures import ServingError

_LONGEST = 4096


def read_token(path: str) -> str:
    """Reads the token in a file.

    Raises:
        UsageError: If there is none; it must be one line of visible ASCII.
    """
    try:
        with open(path, "rb") as file:
            token = file.read(_LONGEST + 1).strip()
    except OSError as error:
        raise UsageError(f"--token-file: {path}: {error.strerror}") from None
    is_visible = all(33 <= byte <= 126 for byte in token)
    if not 0 < len(token) <= _LONGEST or not is_visible:
        raise UsageError(f"--token-file: {path}: must hold one line of visible ASCII")
    return token.decode()


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
