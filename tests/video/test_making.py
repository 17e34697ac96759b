import errno
import fcntl
import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import made_videos as videos
from benchmarks.made_videos import HEIGHT, SIDE, WIDTH
from maskdepth_tf import cli, predict
from maskdepth_tf.inference import loading
from maskdepth_tf.video import converting, making, segments
from maskdepth_tf.video.codecs import encoding
from maskdepth_tf.video.following import Follower

COUNT = 13


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A clip with sound and uneven times, whose answers take no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_network", lambda path: (videos.network, SIDE))
    monkeypatch.setattr(segments, "LENGTH", 5)
    Image.fromarray(videos.room()).save("room.png")
    videos.make_clip("in.mp4", videos.frames(COUNT))
    return Path("in.mp4")


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
            if frame.number == 6:
                is_complete.wait()
                raise KeyboardInterrupt

        convert(source, wanted, follower, made, count)

    with monkeypatch.context() as patch:
        patch.setattr(converting, "convert", end_early)
        patch.setattr(segments.Segments, "complete", tell)
        assert run(*arguments, **options) == 130


def contents(folder="."):
    """Bytes of all files of a folder, by their paths in it."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def refused(capsys, code, *arguments, **options):
    """The line of a run that is refused and changes nothing."""
    before = contents()
    capsys.readouterr()
    assert run(*arguments, **options) == code
    assert contents() == before
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize("output", ["out.mp4", "out.mov"])
def test_times_and_sound_are_kept(clip, output):
    assert run("--output", output) == 0
    assert videos.times(output) == videos.times(clip) == videos.uneven(COUNT)
    assert videos.sound(output) == videos.sound(clip)
    assert not Path(f"{output}.partial").exists()


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

    def keep(network, side, bg, refines):
        found.append(bg)
        return Follower(network, side, bg, refines)

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


@pytest.mark.parametrize("flag", ["--output", "--depth"])
def test_force_replaces_nothing_but_results(clip, flag, capsys):
    assert run(flag, "made") == 0
    Path("made/00000099.png").touch()  # of a longer clip
    assert run(flag, "made", "--force") == 0
    assert sorted(os.listdir("made"))[-2:] == ["00000012.png", "timestamps.txt"]
    for name in ("notes.txt", "1.png", "00000001.PNG", ".hidden"):
        Path("made", name).write_bytes(b"mine")
        assert refused(capsys, 2, flag, "made", "--force") == (
            f"{flag} must hold nothing but PNGs of frames and timestamps.txt, to be "
            f"replaced by --force. Received: made/{name}"
        )
        Path("made", name).unlink()
    Path("made/00000001.png").unlink()
    Path("made/00000001.png").mkdir()
    line = refused(capsys, 2, flag, "made", "--force")
    assert line.endswith("Received: made/00000001.png")
    Path("file").write_bytes(b"mine")
    line = refused(capsys, 2, flag, "file", "--force")
    assert line == f"{flag} must be a folder. Received: file"


@pytest.mark.parametrize("output", ["made", "made.mov"])
def test_what_appeared_after_an_interruption_is_kept(clip, output, monkeypatch, capsys):
    interrupt(monkeypatch, "--output", output)
    appeared = Path(output, "00000000.png") if output == "made" else Path(output)
    appeared.parent.mkdir(exist_ok=True)
    appeared.write_bytes(b"mine")
    expected = f"{output}: exists; --force replaces it"
    assert refused(capsys, 2, "--output", output) == expected
    appeared.rename("mine")
    if output == "made":
        Path("made").rmdir()
    assert run("--output", output) == 0
    assert "going on after 5 frames" in capsys.readouterr().err


def test_what_appears_while_frames_are_made_is_kept(clip, monkeypatch, capsys):
    whole = converting.convert

    def put_one_there(*arguments):
        whole(*arguments)
        Path("depth.mkv").write_bytes(b"mine")

    outputs = ("--output", "out.mp4", "--depth", "depth.mkv")
    monkeypatch.setattr(converting, "convert", put_one_there)
    assert run(*outputs) == 2
    line = "error: depth.mkv: exists; --force replaces it\n"
    assert capsys.readouterr().err.endswith(line)
    assert not os.path.exists("out.mp4")
    assert Path("depth.mkv").read_bytes() == b"mine"
    monkeypatch.setattr(converting, "convert", whole)
    os.remove("depth.mkv")
    assert run(*outputs) == 0
    assert "going on after 13 frames" in capsys.readouterr().err
    assert videos.times("out.mp4") == videos.uneven(COUNT)


def test_no_source_is_replaced(clip, capsys):
    os.mkdir("made")
    os.rename("room.png", "made/00000000.png")
    os.symlink("in.mp4", "link.mp4")
    os.link("in.mp4", "other.mp4")
    os.symlink("made", "link")
    os.symlink("made/00000000.png", "room.mp4")
    Image.open("made/00000000.png").save("room.png")
    for output in ("in.mp4", "./in.mp4", "link.mp4", "other.mp4", "made", "link"):
        line = refused(capsys, 2, "--output", output, "--force", bg="made/00000000.png")
        expected = f"{Path(output)}: is read and would be replaced by a result"
        assert line == expected
    line = refused(capsys, 2, "--depth", "room.mp4", "--force", bg="made/00000000.png")
    assert line == "room.mp4: is read and would be replaced by a result"
    outputs = ("--output", "out.mp4", "--depth", "made", "--force")
    line = refused(capsys, 2, *outputs, "--onto", "made/00000000.png")
    assert line == "made: is read and would be replaced by a result"


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
