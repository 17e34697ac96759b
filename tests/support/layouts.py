"""Folders that `index` reads, and what it makes of them."""

import pytest

from maskdepth_tf.dataset.index import index
from maskdepth_tf.errors import DataError


def put(root, *names):
    """Empty files; no picture is opened."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def rows_of(root):
    return index(root)[1]


def refused(root, text):
    with pytest.raises(DataError) as caught:
        index(root)
    assert text in str(caught.value)
