import json
import os
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import made_videos as videos
from benchmarks.made_videos import HEIGHT, SIDE, WIDTH
from maskdepth_tf.video import making, segments, targets
from tests.support.clips import COUNT, interrupt, run


@pytest.mark.parametrize("output", ["out.mp4", "out.mov"])
def test_times_and_sound_are_kept(clip, output):
    assert run("--output", output) == 0
    assert videos.times(output) == videos.times(clip) == videos.uneven(COUNT)
    assert videos.sound(output) == videos.sound(clip)
    assert not Path(f"{output}.partial").exists()


@pytest.mark.parametrize("depth", ["depth.mkv", "depth"])
def test_a_run_that_ends_between_its_results_goes_on(clip, depth, monkeypatch):
    arguments = ("--output", "out.mp4", "--depth", depth)
    place = targets.Target.place

    def placed_once(target, whole):
        if target.flag == "depth":
            raise KeyboardInterrupt
        place(target, whole)

    with monkeypatch.context() as patch:
        patch.setattr(targets.Target, "place", placed_once)
        assert run(*arguments) != 0
    first = videos.sums("out.mp4")
    assert not Path(depth).exists()
    assert run(*arguments) == 0
    assert Path(depth).exists()
    assert videos.sums("out.mp4") == first
    assert not Path("out.mp4.partial").exists()
    # What another run made is still nobody's to replace.
    assert run(*arguments) == 2


def whole(times):
    """Times as files that know whole milliseconds have them."""
    return [pytest.approx(float(time), abs=0.0005001) for time in times]


def test_composite(clip):
    assert run("--output", "out.mp4", "--onto", "#204080") == 0
    made = videos.pixels("out.mp4", "rgb24", (HEIGHT, WIDTH, 3))
    assert len(made) == COUNT
    for picture, frame in zip(made, videos.frames(COUNT), strict=True):
        thing = frame[..., 0] == 230
        away = np.abs(np.arange(WIDTH) - np.flatnonzero(thing[20]).mean()) > 20
        off = np.abs(picture.astype(int) - (0x20, 0x40, 0x80))
        assert np.percentile(off[:, away], 95) < 8
        inner = picture[20:32, np.flatnonzero(thing[20])[5:11]]
        assert np.abs(inner.astype(int) - (230, 20, 30)).mean() < 12


def test_alpha(clip):
    assert run("--output", "out.webm") == 0
    assert videos.times("out.webm") == whole(videos.uneven(COUNT))
    decoder = ("-c:v", "libvpx-vp9")  # which alone knows of alpha
    made = videos.pixels("out.webm", "rgba", (HEIGHT, WIDTH, 4), decoder)
    assert run("--output", "out.mov") == 0
    exact = videos.pixels("out.mov", "rgba", (HEIGHT, WIDTH, 4))
    assert run("--output", "out") == 0
    names = [f"{number:08d}.png" for number in range(COUNT)]
    assert sorted(os.listdir("out")) == [*names, "timestamps.txt"]
    for number, name in enumerate(names):
        with Image.open(f"out/{name}") as image:
            alpha = np.asarray(image)[..., 3]
        assert alpha.max() == 255
        assert alpha.min() == 0
        assert np.abs(exact[number, ..., 3].astype(int) - alpha).max() <= 1
        assert np.abs(made[number, ..., 3].astype(int) - alpha).mean() < 4


def test_depth(clip):
    assert run("--depth", "depth.mkv") == 0
    assert videos.times("depth.mkv") == whole(videos.uneven(COUNT))
    assert videos.sound("depth.mkv") == videos.sound(clip)
    made = videos.pixels("depth.mkv", "gray16le", (HEIGHT, WIDTH))
    rows = (np.arange(HEIGHT) + 0.5) / HEIGHT * SIDE - 0.5
    fall = 1 - np.clip(rows, 0, SIDE - 1) / (SIDE - 1)
    off = np.abs(made - 65535 * fall[:, np.newaxis]).max(axis=(1, 2))
    assert off[0] < 2
    # Where the thing goes by, what was before is moved along with it.
    assert off.max() < 0.05 * 65535
    assert run("--depth", "depth") == 0
    with Image.open("depth/00000004.png") as image:
        np.testing.assert_array_equal(np.asarray(image), made[4])
    lines = Path("depth/timestamps.txt").read_text().splitlines()[1:]
    assert [float(line) for line in lines] == [
        pytest.approx(float(1000 * time)) for time in videos.uneven(COUNT)
    ]
    assert run("--depth", "depth.mp4") == 0
    coloured = videos.pixels("depth.mp4", "rgb24", (HEIGHT, WIDTH, 3))
    far, near = (coloured[4, row].astype(int).mean(0) for row in (1, -2))
    assert far[2] > far[0] + 50  # blue
    assert near[0] > near[2] + 50  # red


def test_damage_is_said(clip, capsys):
    assert run("--output", "out.mp4") == 0
    assert "damaged" not in capsys.readouterr().err
    data = bytearray(clip.read_bytes())
    frames = data.find(b"mdat") + 900
    data[frames : frames + 24] = bytes(byte ^ 0x5A for byte in data[frames:][:24])
    Path("bad.mp4").write_bytes(data)
    assert run("--output", "bad_out.mp4", video="bad.mp4") == 0
    assert "warning: bad.mp4: is damaged, ffmpeg compl" in capsys.readouterr().err
    assert len(videos.times("bad_out.mp4")) == COUNT


WARNING = (
    r"in.mp4: in (\d+)% of the frames more than 70% of the background is not found, "
    r"whatever is corrected \(at worst (\d+)%, at (\d\.\d) s\); "
    r"is it of the same place\?"
)


def test_a_background_of_another_room_is_said(clip, monkeypatch, capsys):
    generator = np.random.default_rng(0)
    tiles = generator.choice([0, 255], (6, 8, 3)).astype(np.uint8)
    Image.fromarray(tiles.repeat(8, 0).repeat(8, 1)).save("other.png")
    assert run("--output", "out.mov") == 0
    assert "warning" not in capsys.readouterr().err
    flags = ("--output", "out.mov", "--force", "--json")
    assert run(*flags, bg="other.png") == 0
    told = capsys.readouterr()
    (said,) = [line for line in told.err.splitlines() if "warning" in line]
    (text,) = json.loads(told.out.splitlines()[-1])["warnings"]
    assert said == f"warning: {text}"
    bad, worst, when = map(float, re.fullmatch(WARNING, text).groups())
    assert bad > 50
    assert worst > 70
    assert when <= videos.uneven(COUNT)[-1]
    # Also of the frames that were made before an interruption.
    interrupt(monkeypatch, *flags, bg="other.png")
    capsys.readouterr()
    assert run(*flags, bg="other.png") == 0
    told = capsys.readouterr()
    assert "going on after 5 frames" in told.err
    assert json.loads(told.out.splitlines()[-1])["warnings"] == [text]


def test_most_frames_must_fit(clip, capsys):
    def segment(*mismatches):
        return segments.Segment(Path(), 0, (Fraction(1, 2), 1), mismatches, None)

    assert making.doubts([segment(0.7, 0.9), segment(0.8, 0.1)]) == []
    (text,) = making.doubts([segment(0.7, 0.71), segment(0.9, 0.8)])
    assert text.startswith("in 75% of the frames more than 70% of the back")
    assert "(at worst 90%, at 0.5 s)" in text


KEEPS = "must not be the current folder, one around it or a mount point."
APART = "--output and --depth must not be the same, and neither in the other."
ONTO = "--onto must be a colour such as #00b140, a picture that is there, or blur."
BAD = {
    "exists": (("--output", "there.mp4"), "there.mp4: exists; --force replaces it"),
    "suffix": (
        ("--output", "out.avi"),
        "--output must end in .mp4, .mov, .webm, or name a folder for PNGs. "
        "Received: out.avi",
    ),
    "folder": (
        ("--output", "no/out.mp4"),
        "the folder of --output must be there. Received: no/out.mp4",
    ),
    "itself": (
        ("--output", "in.mp4", "--force"),
        "in.mp4: is read and would be replaced by a result",
    ),
    "colour": (
        ("--output", "out.mp4", "--onto", "#12"),
        f"{ONTO} Received: #12",
    ),
    "colour's name": (
        ("--output", "out.mp4", "--onto", "green"),
        f"{ONTO} Received: green",
    ),
    "on alpha": (
        ("--output", "out.mov", "--onto", "blur"),
        "--onto must stand beside an --output that ends in .mp4",
    ),
    "on a folder's alpha": (
        ("--output", "out", "--onto", "#204080"),
        "--onto must stand beside an --output that ends in .mp4",
    ),
    "on depth": (
        ("--depth", "out.mp4", "--onto", "room.png"),
        "--onto must stand beside an --output that ends in .mp4",
    ),
    "nothing": ((), "--output or --depth must be given"),
    "same file": (
        ("--output", "both.mp4", "--depth", "./both.mp4"),
        f"{APART} Received: both.mp4 and ./both.mp4",
    ),
    "same folder": (
        ("--output", "both", "--depth", "both/"),
        f"{APART} Received: both and both/",
    ),
    "in the other": (
        ("--output", "both/out.mp4", "--depth", "both", "--force"),
        f"{APART} Received: both/out.mp4 and both",
    ),
    "here": (("--output", "."), f"--output {KEEPS} Received: ."),
    "here by force": (("--output", ".", "--force"), f"--output {KEEPS} Received: ."),
    "root": (("--depth", "/", "--force"), f"--depth {KEEPS} Received: /"),
    "here beside another": (
        ("--output", "../out.mp4", "--depth", ".", "--force"),
        f"--depth {KEEPS} Received: .",
    ),
    "around": (("--depth", "..", "--force"), f"--depth {KEEPS} Received: .."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(clip, case, capsys):
    arguments, message = BAD[case]
    Path("there.mp4").write_bytes(b"old")
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert sorted(os.listdir()) == ["in.mp4", "room.png", "there.mp4"]
    assert Path("there.mp4").read_bytes() == b"old"


def test_what_is_no_video(clip, capsys):
    for name, data in {"text.mp4": b"hello", "empty.mp4": b""}.items():
        Path(name).write_bytes(data)
        assert run("--output", "out.mp4", video=name) == 3
        assert capsys.readouterr().err.startswith(f"error: {name}: expected a video")
    assert run("--output", "out.mp4", video="none.mp4") == 3
    assert not os.path.exists("out.mp4.partial")
