"""LiteRT.js is fetched whole, or not at all."""

import hashlib
import io
import tarfile

import pytest

from maskdepth_tf.browser import litert


def archive(files):
    """Bytes of an npm package."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/wasm/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def registry(monkeypatch):
    """Sets what the registry sends, and keeps the addresses that were asked."""
    asked = []

    def send(data):
        def opened(url, timeout):
            asked.append(url)
            return io.BytesIO(data)

        monkeypatch.setattr(litert.urllib.request, "urlopen", opened)
        monkeypatch.setattr(litert, "_registry", lambda: "https://registry.test/")
        return asked

    return send


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_fetches_what_is_missing_once(registry, monkeypatch, tmp_path):
    files = {"a.js": b"script", "a.wasm": b"code"}
    data = archive(files)
    asked = registry(data)
    monkeypatch.setattr(litert, "ARCHIVE_SHA256", sha256(data))
    sums = {name: sha256(content) for name, content in files.items()}
    monkeypatch.setattr(litert, "FILES", sums)
    folder = tmp_path / "litert"
    assert litert.missing(folder) == ["a.js", "a.wasm"]
    litert.fetch(folder)
    assert litert.missing(folder) == []
    assert (folder / "a.wasm").read_bytes() == b"code"
    assert "Apache License" in (folder / "NOTICE.txt").read_text()
    litert.fetch(folder)
    path = f"@litertjs/core/-/core-{litert.VERSION}.tgz"
    assert asked == [f"https://registry.test/{path}"]
    (folder / "a.js").write_bytes(b"another")
    assert litert.missing(folder) == ["a.js"]


def test_refuses_something_else(registry, tmp_path):
    registry(archive({"litert_wasm_internal.js": b"something else"}))
    with pytest.raises(OSError, match="its SHA-256 must be"):
        litert.fetch(tmp_path / "litert")
    assert not (tmp_path / "litert").exists()
