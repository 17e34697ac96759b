"""LiteRT.js, which runs the network in the browser: fetched once, checked by SHA-256.

    python -m maskdepth_tf.browser.litert

Building the package does the same, so that a wheel contains it. It imports nothing of
the package: `setup.py` runs it where none of its dependencies is installed.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

NAME, VERSION = "@litertjs/core", "2.5.3"
ARCHIVE_SHA256 = "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd"
FILES = {
    "litert_wasm_internal.js": (
        "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb"
    ),
    "litert_wasm_internal.wasm": (
        "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614"
    ),
}
"""File -> SHA-256: the runtime of one thread, which needs no special headers."""
FOLDER = Path(__file__).parent / "page" / "litert"
NOTICE = f"""\
LiteRT.js, {NAME} {VERSION}, unchanged.
Copyright Google LLC. Licensed under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0
Source: https://github.com/google-ai-edge/LiteRT (litert/js/packages/core)
"""
_SECONDS = 120


def missing(folder: Path = FOLDER) -> list[str]:
    """Names of the files that are not there, or are others."""
    return [
        name
        for name, expected in FILES.items()
        if not (folder / name).is_file()
        or _sha256((folder / name).read_bytes()) != expected
    ]


def fetch(folder: Path = FOLDER) -> None:
    """Puts what is missing into the folder.

    The registry is npm's own where npm is installed, which knows of mirrors.

    Raises:
        OSError: If the registry cannot be reached, or sends something else.
    """
    if not missing(folder):
        return
    url = f"{_registry()}{NAME}/-/{NAME.partition('/')[2]}-{VERSION}.tgz"
    with urllib.request.urlopen(url, timeout=_SECONDS) as reply:
        data = reply.read()
    if _sha256(data) != ARCHIVE_SHA256:
        raise OSError(f"{url}: its SHA-256 must be {ARCHIVE_SHA256}")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for name in FILES:
            member = archive.extractfile(f"package/wasm/{name}")
            _write(folder / name, member.read() if member else b"")
    _write(folder / "NOTICE.txt", NOTICE.encode())


def _registry() -> str:
    """Its address, with a slash at the end."""
    address = "https://registry.npmjs.org"
    if npm := shutil.which("npm"):
        words = [npm, "config", "get", "registry"]
        asked = subprocess.run(words, capture_output=True, text=True).stdout.strip()
        address = asked if asked.startswith("http") else address
    return address.rstrip("/") + "/"


def _write(path, data) -> None:
    """Complete or not at all, also while others read or write it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(path)


def _sha256(data) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    try:
        fetch()
    except OSError as error:
        sys.exit(f"error: {NAME} {VERSION} cannot be fetched: {error}")
    print(f"{NAME} {VERSION} is in {FOLDER}")
