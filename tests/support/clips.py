"""Runs of `predict --video` on a small clip, whole, interrupted and refused."""

import threading
from pathlib import Path

from maskdepth_tf import cli, predict
from maskdepth_tf.video import converting, segments
from tests.support.pictures import digests

COUNT = 13
"""Frames of the clip."""
LENGTH = 5
"""Frames of its segments."""


def run(*arguments, video="in.mp4", bg="room.png"):
    return cli.run(predict.main, ["--video", video, "--bg", bg, *arguments])


def interrupt(monkeypatch, *arguments, **options):
    """Ends a run as Ctrl-C does, in its second segment, when the first is complete."""
    convert, complete = converting.convert, segments.Segments.complete
    is_complete = threading.Event()

    def tell(*arguments):
        complete(*arguments)
        is_complete.set()

    def end_early(source, wanted, follower, made, advance):
        def count(frame):
            advance(frame)
            if frame.number == LENGTH + 1:
                is_complete.wait()
                raise KeyboardInterrupt

        convert(source, wanted, follower, made, count)

    with monkeypatch.context() as patch:
        patch.setattr(converting, "convert", end_early)
        patch.setattr(segments.Segments, "complete", tell)
        assert run(*arguments, **options) == 130


def refused(capsys, code, *arguments, **options):
    """The line of a run that is refused and changes nothing."""
    before = digests(Path())
    capsys.readouterr()
    assert run(*arguments, **options) == code
    assert digests(Path()) == before
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")
