"""Makes what many tests share once, also for several workers of pytest-xdist."""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]
) -> Any:
    """Calls `make` with a new folder, unless a worker of this test run did already.

    Args:
        factory: Knows the folder of this test run.
        name: Name of the new folder, which all workers share; for reading only.
        make: Fills the folder. Its result must be what JSON can hold.

    Returns:
        The result of `make`, as JSON gives it back.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own there
        shared = shared.parent
    result = shared / f"{name}.json"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            # Not renamed once it is full: what is made may hold its own path.
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared))
            result.write_text(json.dumps(make(folder)))
    return json.loads(result.read_text())
