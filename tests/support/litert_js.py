"""LiteRT.js for tests, which lies in npm's registry and not in the repository."""

import pytest

from maskdepth_tf.browser import litert


def fetch():
    """Puts it into its folder; skips the test where the registry cannot be reached."""
    try:
        litert.fetch()
    except OSError as error:
        pytest.skip(f"{litert.NAME} cannot be fetched: {error}")
