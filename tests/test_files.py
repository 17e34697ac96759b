import errno
import os
import resource
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
