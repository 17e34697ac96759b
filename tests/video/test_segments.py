import errno
import fcntl
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import made_videos as videos
from maskdepth_tf.video import converting, making
from maskdepth_tf.video.codecs import encoding
from maskdepth_tf.video.following import Follower
from tests.support.clips import COUNT, interrupt, refused, run


def test_killed_and_begun_again(clip, monkeypatch, capsys):
    outputs = ("--output", "out.mov", "--depth", "depth.mkv")
    assert run(*outputs) == 0
    expected = [videos.sums(name) for name in ("out.mov", "depth.mkv")]
    whole = converting.convert

    class Killed(Exception):
        pass

    for last in (4, 7):
        for name in ("out.mov", "depth.mkv"):
            os.remove(name)
        written = []

        def end_early(source, targets, follower, made, advance, last=last):
            def count(frame):
                advance(frame)
                if frame.number == last:
                    raise Killed

            whole(source, targets, follower, made, count)

        monkeypatch.setattr(converting, "convert", end_early)
        with pytest.raises(Killed):
            run(*outputs)
        assert not os.path.exists("out.mov")
        monkeypatch.setattr(converting, "convert", whole)
        capsys.readouterr()
        assert run(*outputs) == 0
        assert ("going on after" in capsys.readouterr().err) == (last >= 5), written
        assert [videos.sums(name) for name in ("out.mov", "depth.mkv")] == expected
        assert videos.times("out.mov") == videos.uneven(COUNT)


def test_a_full_disk_is_one_line_and_what_is_done_is_kept(clip, monkeypatch, capsys):
    outputs = ("--output", "out.mov")
    whole, count = encoding.Encoder.write, itertools.count()

    def write(self, time, pixels):
        if next(count) == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.mov")
        whole(self, time, pixels)

    monkeypatch.setattr(encoding.Encoder, "write", write)
    assert run(*outputs) == 5
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("error: no space left on the disk: ")
    assert not os.path.exists("out.mov")
    monkeypatch.setattr(encoding.Encoder, "write", whole)
    assert run(*outputs) == 0
    assert "going on after 5 frames" in capsys.readouterr().err
    assert videos.times("out.mov") == videos.uneven(COUNT)


def test_other_settings_are_refused_and_begin_anew_by_force(clip, monkeypatch, capsys):
    interrupt(monkeypatch, "--output", "out.mp4")
    assert "interrupted: 5 frames are kept" in capsys.readouterr().err
    assert run("--output", "out.mp4", "--onto", "blur") == 4
    expected = "out.mp4.partial: was begun with another onto; --force begins anew"
    assert capsys.readouterr().err == f"error: {expected}\n"
    with open("out.mp4.partial/lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run("--output", "out.mp4") == 6
    assert "another process is at work there" in capsys.readouterr().err
    assert run("--output", "out.mp4", "--onto", "blur", "--force") == 0


def fast_clip(path, grey):
    """A clip of a thing that leaves a room of a grey."""
    shown = [*videos.frames(COUNT)[::2], *[videos.room() for _ in range(COUNT // 2)]]
    for frame in shown:
        frame[frame[..., 0] == 90] = grey
    videos.make_clip(path, shown, sound=None)


def test_beginning_anew_forgets_the_background_of_another_clip(
    clip, monkeypatch, capsys
):
    fast_clip("dark.mp4", 40)
    fast_clip("light.mp4", 200)
    flags = ("--output", "out.mov")
    interrupt(monkeypatch, *flags, video="dark.mp4", bg="auto")
    assert os.path.exists("out.mov.partial/background.png")
    found = []

    def keep(network, side, bg, refines, has_depth):
        found.append(bg)
        return Follower(network, side, bg, refines, has_depth)

    monkeypatch.setattr(making, "Follower", keep)
    assert run(*flags, "--force", video="light.mp4", bg="auto") == 0
    assert abs(np.median(found[0]) - 200) < 4
    assert sorted(os.listdir()) == [
        "dark.mp4",
        "in.mp4",
        "light.mp4",
        "out.mov",
        "room.png",
    ]


def test_an_output_more_or_less_is_another_setting(clip, monkeypatch, capsys):
    outputs = ("--output", "out.mp4", "--depth", "depth.mkv")
    interrupt(monkeypatch, *outputs)
    line = refused(capsys, 4, *outputs[:2])
    assert line == "out.mp4.partial: was begun with another depth; --force begins anew"
    assert run(*outputs) == 0


def test_a_start_that_was_refused_hinders_no_other(clip, capsys):
    videos.make_clip("still.mp4", [videos.room()] * 3)
    flags = ("--output", "out.mp4")
    line = refused(capsys, 3, *flags, video="still.mp4", bg="auto")
    assert line.startswith("still.mp4: --bg auto finds what moves, and nothing moves")
    assert not os.path.exists("out.mp4.partial")
    assert run(*flags, video="still.mp4") == 0


def test_what_a_kill_before_the_first_frames_leaves_hinders_nothing(clip):
    partial = Path("out.mp4.partial")
    (partial / "begun-0123").mkdir(parents=True)
    (partial / "lock").touch()
    (partial / "settings.json").write_text('{"background": "auto"}')
    assert run("--output", "out.mp4") == 0
    assert not partial.exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_no_run_has_left_is_kept(clip, kind, capsys):
    mine = Path("out.mp4.partial")
    if kind == "folder":
        mine.mkdir()
        mine /= "mine"
    mine.write_bytes(b"mine")
    expected = "must be a video in the making or not be there, is something else"
    line = refused(capsys, 4, "--output", "out.mp4", "--force")
    assert line == f"out.mp4.partial: {expected}"
