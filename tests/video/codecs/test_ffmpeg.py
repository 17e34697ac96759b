import contextlib
import errno
import shutil
import sys
import types

import pytest

from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.video.codecs import ffmpeg


def test_on_the_path_first_then_that_of_the_extra(monkeypatch):
    fake = types.SimpleNamespace(get_ffmpeg_exe=lambda: "/extra/ffmpeg")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", fake)
    monkeypatch.setattr(shutil, "which", lambda name: f"/path/{name}")
    assert ffmpeg.find() == "/path/ffmpeg"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert ffmpeg.find() == "/extra/ffmpeg"
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(StateError, match=r"pip install 'maskdepth_tf\[video\]'"):
        ffmpeg.find()


def test_what_ffmpeg_said_is_the_error(tmp_path):
    path = tmp_path / "a.mp4"
    with pytest.raises(DataError) as caught:
        ffmpeg.run(["-i", str(path), "-f", "null", "-"], path)
    assert str(caught.value).startswith(f"{path}: ffmpeg: ")
    assert "No such file or directory" in str(caught.value)


def test_a_full_disk_is_one():
    # What is written there finds no room.
    noise = ["-f", "lavfi", "-i", "testsrc", "-frames:v", "200", "-f", "rawvideo"]
    with pytest.raises(OSError, match="No space left") as caught:
        ffmpeg.run([*noise, "-y", "/dev/full"], "out.mp4")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "out.mp4"


def test_what_is_ended_early_takes_no_more():
    process = ffmpeg.Process(["-f", "rawvideo", "-bad"], "a.mp4", reads=True)
    end = contextlib.closing(types.SimpleNamespace(close=process.kill))
    with end, pytest.raises(DataError, match="mp4: ffmpeg: "):
        process.write(*[bytes(10**5)] * 1000)
