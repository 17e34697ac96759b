import re
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import made_videos as videos
from maskdepth_tf.video.codecs import encoding, ffmpeg
from maskdepth_tf.video.codecs.decoding import Decoder, Look

LOOK = Look(
    48, 32, Fraction(4, 3), Fraction(1, 90000), Fraction(30), ("tv", *["bt709"] * 3)
)


def encoded(path, kind, look, colour, times):
    encoder = encoding.Encoder(path, kind, look, times[0], threads=1)
    picture = np.empty((look.height, look.width, len(colour)), np.uint8)
    picture[:] = colour
    try:
        for time in times:
            encoder.write(time, picture)
        encoder.end()
    finally:
        encoder.close()


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "unknown"])
@pytest.mark.parametrize("values", ["tv", "pc"])
def test_colours_and_shape_are_those_of_the_source(tmp_path, matrix, values):
    path = tmp_path / "a.mp4"
    primaries = matrix.removesuffix("nc")
    look = replace(LOOK, colour=(values, matrix, primaries, "bt709"))
    times = [Fraction(n, 30) for n in range(3)]
    encoded(path, encoding.H264, look, (200, 60, 30), times)
    decoder = Decoder(path)
    frames = list(decoder.frames())
    decoder.close()
    assert len(frames) == 3
    assert np.abs(frames[1].pixels.astype(int) - (200, 60, 30)).max() <= 4
    found = frames[1].look
    assert found.aspect == Fraction(4, 3)
    assert (found.width, found.height) == (48, 32)
    if matrix != "unknown":
        assert found.colour[:2] == (values, matrix)


def test_odd_sizes_lose_a_line(tmp_path):
    path = tmp_path / "a.mp4"
    look = replace(LOOK, width=47, height=31)
    encoded(path, encoding.H264, look, (9, 9, 9), [Fraction(0)])
    assert videos.pixels(path, "rgb24", (30, 46, 3)).shape[0] == 1


def test_segments_of_uneven_lengths_are_joined_without_a_gap(tmp_path):
    source = tmp_path / "source.mp4"
    videos.make_clip(source, videos.frames(2))
    look = replace(LOOK, tick=Fraction(1, 90000))
    times = [Fraction(11 * n * n + 4001 * n + 900, 90000) for n in range(40)]
    for kind in (encoding.H264, encoding.FFV1):
        parts = []
        for number, cut in enumerate(((0, 7), (7, 8), (8, 31), (31, 40))):
            path = tmp_path / f"{number}{kind.suffix}"
            part = times[slice(*cut)]
            encoder = encoding.Encoder(path, kind, look, part[0], threads=1)
            shape = (32, 48, 3) if kind.pixels == "rgb24" else (32, 48)
            dtype = np.uint8 if kind.pixels == "rgb24" else np.uint16
            for time in part:
                encoder.write(time, np.full(shape, 50, dtype))
            encoder.end()
            encoder.close()
            parts.append((path.name, part[0]))
        joined = encoding.join(parts, tmp_path, source, ("aac",), kind, look)
        tick = encoding.tick_of(kind, look)
        assert videos.times(joined) == [encoding.stamp(time, tick) for time in times]
        assert videos.sound(joined) == videos.sound(source)


def test_sounds_that_a_file_cannot_hold():
    assert encoding.converted(("aac", "opus", "pcm_s16le"), encoding.H264) == [2]
    assert encoding.converted(("aac", "opus", "vorbis"), encoding.VP9) == [0]
    assert encoding.converted(("aac", "anything"), encoding.FFV1) == []


def test_the_header_says_what_ffmpeg_reads(tmp_path):
    path = tmp_path / "a.mkv"
    times = [Fraction(0), Fraction(1, 3), Fraction(2, 3)]
    encoded(path, replace(encoding.H264, suffix=".mkv"), LOOK, (1, 2, 3), times)
    done = subprocess.run(
        [ffmpeg.find(), "-i", str(path)], capture_output=True, check=False, text=True
    )
    assert "48x32" in done.stderr


def told_of_colours(path):
    """What ffmpeg's decoder says of a video's values."""
    command = [ffmpeg.find(), "-hide_banner", "-i", str(path)]
    said = subprocess.run(command, capture_output=True, check=False, text=True).stderr
    return re.search(r"Video: .*?\((tv|pc)(?:, (\S+?))?[,)]", said).groups()


@pytest.mark.parametrize("values", ["tv", "pc"])
def test_prores_says_its_colours_and_knows_one_range(tmp_path, values):
    path = tmp_path / "a.mov"
    look = replace(LOOK, colour=(values, "bt709", "bt709", "bt709"))
    encoded(path, encoding.PRORES, look, (200, 60, 30, 255), [Fraction(0)])
    assert told_of_colours(path) == ("tv", "bt709")
    (shown,) = videos.pixels(path, "rgb24", (32, 48, 3))
    assert np.abs(shown.astype(int) - (200, 60, 30)).max() <= 4
