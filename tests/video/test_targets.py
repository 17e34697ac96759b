import os
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import made_videos as videos
from maskdepth_tf.video import converting
from tests.support.clips import COUNT, interrupt, refused, run


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
