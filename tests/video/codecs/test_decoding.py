import itertools
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import made_videos as videos
from benchmarks.made_videos import HEIGHT, WIDTH
from maskdepth_tf.errors import DataError
from maskdepth_tf.video.codecs import ffmpeg
from maskdepth_tf.video.codecs.decoding import Decoder, Look
from maskdepth_tf.video.codecs.probing import Contents, probe


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "a b'c.mp4"
    videos.make_clip(path, videos.frames(9))
    return path


def decoded(path, first=0):
    decoder = Decoder(path, first)
    try:
        return list(decoder.frames())
    finally:
        decoder.close()


def test_frames_and_times(clip):
    frames = decoded(clip)
    assert [frame.time for frame in frames] == videos.uneven(9)
    assert [frame.number for frame in frames] == list(range(9))
    for frame, shown in zip(frames, videos.frames(9), strict=True):
        assert np.abs(frame.pixels.astype(int) - shown).max() <= 4
    look = frames[0].look
    assert (look.width, look.height) == (WIDTH, HEIGHT)
    assert videos.TICK % look.tick == 0
    assert Look.of_json(look.to_json()) == look


def test_wherever_one_begins_frames_are_the_same(clip):
    frames, later = decoded(clip), decoded(clip, 6)
    assert [frame.number for frame in later] == [6, 7, 8]
    for one, other in zip(frames[6:], later, strict=True):
        assert one.time == other.time
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert decoded(clip, 9) == []


def test_one_may_stop_anywhere(clip):
    decoder = Decoder(clip)
    first = list(itertools.islice(decoder.frames(), 2))
    decoder.close()
    assert len(first) == 2


def test_upright(clip, tmp_path):
    path = tmp_path / "turned.mp4"
    videos.turned(clip, path)
    frames, straight = decoded(path), decoded(clip)
    assert (frames[0].look.width, frames[0].look.height) == (HEIGHT, WIDTH)
    assert frames[0].look.colour == straight[0].look.colour
    for frame, other in zip(frames, straight, strict=True):
        ways = [np.rot90(other.pixels, turn) for turn in (1, 3)]
        assert any(np.array_equal(frame.pixels, way) for way in ways)
        assert frame.time == other.time


def test_contents(clip, tmp_path):
    found = probe(clip)
    assert found.audio == ("aac",)
    assert found.num_frames is not None
    assert 0.2 < found.seconds < 0.5
    assert Contents(None, 25.0, ()).num_frames is None
    sound = tmp_path / "sound.m4a"
    command = [ffmpeg.find(), "-v", "error", "-i", str(clip), "-vn", str(sound)]
    subprocess.run(command, check=True)
    with pytest.raises(DataError, match="expected a video, received a file without"):
        probe(sound)


def test_times_that_stand_still_go_on(clip):
    look = decoded(clip)[0].look
    assert look.tick <= videos.TICK

    class Stuck(Decoder):
        told = iter([Fraction(1), Fraction(1), None, Fraction(0), Fraction(2)])

        def _read(self):
            time = next(self.told, "end")
            return None if time == "end" else (time, look, np.zeros((2, 2, 3)))

    decoder = Stuck(clip)
    times = [frame.time for frame in decoder.frames()]
    decoder.close()
    assert times == [1, 1 + look.tick, 1 + 2 * look.tick, 1 + 3 * look.tick, 2]
