import errno
import os
import re
import resource
import subprocess
from pathlib import Path

import pytest

from maskdepth_tf import errors, files


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"old")
    files.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_name_of_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    files.write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_new_files_have_the_usual_permissions(tmp_path):
    files.write_atomically(tmp_path / "ours", b"")
    (tmp_path / "theirs").write_bytes(b"")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    files.write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A real failure in the middle of the file, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            files.write_atomically(path, bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == os.fspath(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_atomically(tmp_path / "no" / "a", b"")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"3", b"{", b"\xff\xfe", b'{"a":' * 100_000, b"9" * 5000]
)
def test_other_files_are_no_json_object(data):
    with pytest.raises(errors.DataError, match=r"^a/b\.json: must be a JSON object"):
        files.parse_json(data, Path("a/b.json"))
    assert files.parse_json(b'\n{"a": [1]}', "a.json") == {"a": [1]}


def make(output, text, *, fails=False, is_kept=False):
    """Makes a folder with one file."""
    with files.unfinished_folder(files.partial_of(output), is_kept) as folder:
        (folder / "a.txt").write_text(text)
        if fails:
            raise KeyboardInterrupt
        files.replace_folder(folder, output)


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path):
    output = tmp_path / "set"
    make(output, "old")
    make(output, "new")
    assert (output / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_folder_that_was_not_finished_is_removed(is_kept, tmp_path):
    output = tmp_path / "set"
    make(output, "old")
    partial = files.partial_of(output)
    partial.mkdir()
    (partial / "shard").write_text("beside it")
    with pytest.raises(KeyboardInterrupt):
        make(output, "new", fails=True, is_kept=is_kept)
    assert (output / "a.txt").read_text() == "old"
    assert [path.name for path in partial.rglob("*")] == ["shard"] * is_kept


def test_what_a_killed_process_left_is_removed(tmp_path):
    output = tmp_path / "set"
    for name in ("unfinished", "older"):
        (files.partial_of(output) / name).mkdir(parents=True)
        (files.partial_of(output) / name / "b.txt").write_text("half")
    make(output, "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "a.txt"]


def test_outputs(tmp_path):
    assert files.names_in_output(tmp_path / "a" / "set") == []
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("")
    assert files.names_in_output(tmp_path / "b") == ["mine"]
    with pytest.raises(errors.UsageError, match="folder that can be made: Not a dir"):
        files.names_in_output(tmp_path / "b" / "mine")


@pytest.mark.parametrize("output", [".", "..", "/", "/proc", "inner/.."])
def test_what_keeps_its_folder_is_no_output(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    expected = "--convert must not be the current folder, one around it or a mount"
    for check in (files.partial_of, files.names_in_output):
        with pytest.raises(errors.UsageError, match=f"^{expected} point. Received: "):
            check(Path(output), "--convert")
    assert os.listdir(tmp_path) == ["inner"]


def test_described_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"abc")
    (tmp_path / "a").write_bytes(b"")
    described = files.describe_files(tmp_path)
    # The known sums of nothing and of "abc".
    assert described["a"]["sha256"].startswith("e3b0c44298fc1c14")
    assert described["b/c"]["sha256"].startswith("ba7816bf8f01cfea")
    assert list(described) == ["a", "b/c"]
    assert described["b/c"]["bytes"] == 3
    assert files.describe_files(tmp_path, ["b/c"]) == {"b/c": described["b/c"]}
    files.check_described(tmp_path, described)
    for change, message in (
        (lambda path: path.write_bytes(b"abd"), "damaged: its SHA-256 must be ba7816"),
        (lambda path: path.write_bytes(b"ab"), "must have 3 bytes. Received: 2"),
        (lambda path: path.unlink(), "missing, though manifest.json names it"),
    ):
        change(tmp_path / "b" / "c")
        with pytest.raises(errors.DataError, match=re.escape(f"b/c: {message}")):
            files.check_described(tmp_path, described)


def test_sums_are_those_that_sha256sum_checks(tmp_path):
    (tmp_path / "a b").write_bytes(b"abc")
    files.write_sums(tmp_path, {"a b": files.sha256_of(tmp_path / "a b")})
    command = ["sha256sum", "--check", "--strict", files.SUMS]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
