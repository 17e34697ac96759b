"""A cache of compiled code that cannot break a run."""

import pytest

from maskdepth_tf.training import compile_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    folder = tmp_path / compile_cache.FOLDER
    folder.mkdir()
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_whole_files_stay(cache, tmp_path, monkeypatch):
    for name in ("a.pb", "b.pb"):
        (cache / name).write_bytes(name.encode())
    compile_cache.seal(tmp_path)
    compile_cache.seal(tmp_path)
    (cache / "b.pb").write_bytes(b"b")  # cut off
    (cache / "c.pb").write_bytes(b"killed while it was written")
    compile_cache.enable(tmp_path)
    assert names(cache) == ["a.pb", "sums.json"]
    monkeypatch.delenv("TF_XLA_FLAGS")
    (cache / "sums.json").write_text("[")
    compile_cache.enable(tmp_path)
    assert names(cache) == ["sums.json"]


def test_flags(cache, tmp_path, monkeypatch):
    compile_cache.enable(tmp_path / "none")
    set_flags = compile_cache.os.environ["TF_XLA_FLAGS"]
    assert f"directory={tmp_path / 'none' / 'xla_cache'} " in set_flags
    monkeypatch.setenv("TF_XLA_FLAGS", "--mine")
    (cache / "a.pb").write_bytes(b"a")
    compile_cache.enable(tmp_path)
    assert compile_cache.os.environ["TF_XLA_FLAGS"] == "--mine"
    assert names(cache) == ["a.pb"]


def test_no_cache(tmp_path):
    compile_cache.seal(tmp_path)
    assert names(tmp_path) == []
