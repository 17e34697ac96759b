import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, files, predict
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.images import pictures
from maskdepth_tf.inference import loading
from maskdepth_tf.network import answers
from tests.support.answered import answer_of, seen

SUMMARY = "out/summary.html"
WIDTH, HEIGHT, THING, SIZE = 24, 16, 9, 8


def fake_answer(bg, fg_bg):
    """The mask is where the pictures differ; depth falls from top to bottom."""
    small = [seen(picture.pixels, SIZE) for picture in (bg, fg_bg)]
    mask = np.max(np.abs(small[0] - small[1].astype(float)), axis=2) > 50
    depth = np.repeat(np.linspace(1, 0, SIZE)[:, np.newaxis], SIZE, axis=1)
    size = fg_bg.pixels.shape[:2]
    mask, depth = (
        answers.stretch(
            value.astype(np.float32)[np.newaxis, ..., np.newaxis], *size
        ).numpy()[0]
        for value in (mask, depth)
    )
    return answer_of(*small, fg_bg.pixels, mask, depth)


FAKE = loading.Predictor(fake_answer, SIZE)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A room, and a folder of frames in which a red thing is on its left."""
    monkeypatch.setattr(loading, "load_predictor", lambda path: FAKE)
    monkeypatch.chdir(tmp_path)
    room = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    Image.fromarray(room).save("room.png")
    os.mkdir("frames")
    Path("m").touch()
    frame = room.copy()
    frame[:, :THING] = (250, 20, 30)
    Image.fromarray(frame).save("frames/a.png")
    return room, frame


def run(*extra, bg="room.png", fg_bg="frames"):
    argv = ["--model", "m", "--bg", bg, "--fg-bg", fg_bg, "--output", "out", *extra]
    return cli.run(predict.main, argv)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_model_that_is_not_there_is_told_before_anything_is_made(scene, capsys):
    os.remove("m")
    assert run() == 4
    expected = "error: m: a trained model must be there, and is not\n"
    assert capsys.readouterr().err == expected
    assert not os.path.exists("out")


def test_results(scene, capsys):
    _, frame = scene
    assert run() == 0
    assert sorted(os.listdir("out")) == [
        "a_cutout.png",
        "a_depth.png",
        "a_mask.png",
        "a_overview.png",
        "outcomes.jsonl",
        "summary.html",
    ]
    mask = pixels("out/a_mask.png")
    assert mask.dtype == np.uint8
    assert mask.shape == (HEIGHT, WIDTH)
    # Columns 2 and 3 of the network's 8 have their centres at 7.5 and 10.5 of the
    # picture's 24; those of its columns 8 and 9 are a third and two thirds between.
    assert (mask[:, :8] == 255).all()
    assert (mask[:, 8] == 170).all()
    assert (mask[:, 9] == 85).all()
    assert (mask[:, 10:] == 0).all()
    depth = pixels("out/a_depth.png")
    assert depth.dtype == np.uint16
    assert depth[0, 0] == 65535  # far
    assert depth[-1, 0] == 0  # near
    assert len(np.unique(depth[:, 0])) > SIZE
    cutout = pixels("out/a_cutout.png")
    shown = frame * (mask > 0)[..., np.newaxis]
    np.testing.assert_array_equal(cutout[..., :3], shown)
    np.testing.assert_array_equal(cutout[..., 3], mask)
    assert pixels("out/a_overview.png").shape[2] == 3
    captured = capsys.readouterr()
    assert re.fullmatch(
        r"a: mask covers 37\.5%, answered in \d+ ms\n"
        r"1 of 1 pictures in \d+\.\d s, with reading and writing "
        r"\(\d+\.\d pictures/s\), written to out\n"
        r"look at  out/summary\.html\n",
        captured.out,
    )
    assert captured.err == ""


BAD = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"hello",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


def test_bad_pictures_are_named_and_the_others_predicted(scene, capsys):
    good = Path("frames/a.png").read_bytes()
    bad = BAD | {f"cut{n}": good[: len(good) * n // 100] for n in (10, 50, 90, 99)}
    bad["flipped"] = good[:60] + bytes([good[60] ^ 255]) + good[61:]
    for name, data in bad.items():
        Path(f"frames/{name}.png").write_bytes(data)
    assert run() == DataError.exit_code
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == len(bad)
    for name in bad:
        assert any(line.startswith(f"error: frames/{name}.png: ") for line in lines)
    assert f"1 of {len(bad) + 1} pictures in" in captured.out
    assert {name.split("_")[0] for name in os.listdir("out")} == {
        "a",
        "outcomes.jsonl",
        "summary.html",
    }
    page = Path("out/summary.html").read_text()
    assert f"{len(bad)}</strong>" in page  # unusual
    assert "frames/svg.png: expected" in page


def test_bad_fixed_background_is_said_once(scene, capsys):
    Path("room.png").write_bytes(b"hello")
    Image.fromarray(scene[1]).save("frames/b.png")
    assert run() == DataError.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith("error: room.png: expected a picture")
    assert not os.path.exists("out")


def test_fixed_background_is_read_once(scene, monkeypatch):
    for name in "bcd":
        Image.fromarray(scene[1]).save(f"frames/{name}.png")
    read, names = pictures.read, []
    monkeypatch.setattr(pictures, "read", lambda path: names.append(path) or read(path))
    assert run() == 0
    assert names.count("room.png") == 1
    assert len(names) == 5


def test_existing_results_are_refused_before_any_work(scene, capsys, monkeypatch):
    assert run() == 0
    before = os.stat("out/a_mask.png").st_mtime_ns, os.stat("out/a_mask.png").st_ino

    def load(path):
        raise StateError("was loaded")

    monkeypatch.setattr(loading, "load_predictor", load)
    assert run() == 2
    assert "out/a_mask.png: exists, as 4 of 4 results do" in capsys.readouterr().err
    stat = os.stat("out/a_mask.png")
    assert (stat.st_mtime_ns, stat.st_ino) == before
    assert run("--force") == StateError.exit_code


def test_force_replaces_a_link_and_not_what_it_leads_to(scene, tmp_path):
    os.mkdir("out")
    (tmp_path / "precious").write_text("keep")
    os.symlink(tmp_path / "precious", "out/a_mask.png")
    assert run("--force") == 0
    assert (tmp_path / "precious").read_text() == "keep"
    assert not os.path.islink("out/a_mask.png")
    assert pixels("out/a_mask.png").shape == (HEIGHT, WIDTH)


def test_a_result_that_cannot_be_written_is_named(scene, capsys):
    # With "_mask.png" the name is too long for the disk.
    os.link("frames/a.png", f"frames/{'x' * 248}.png")
    assert run() == DataError.exit_code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: frames/{'x' * 248}.png: ")
    assert "File name too long" in captured.err
    assert "1 of 2 pictures in" in captured.out
    assert len(os.listdir("out")) == 4 + 2  # and what is told of the folder


def test_a_folder_goes_on_where_it_ended(scene, capsys, monkeypatch):
    for name in "bcd":
        Image.fromarray(scene[1]).save(f"frames/{name}.png")
    assert run() == 0
    kept = os.stat("out/a_mask.png").st_ino
    expected = {name: Path("out", name).read_bytes() for name in os.listdir("out")}
    os.remove("out/b_depth.png")
    os.remove("out/d_mask.png")
    capsys.readouterr()
    assert run("--resume") == 0
    captured = capsys.readouterr()
    assert captured.err == "2 of 4 are there\n"
    assert [line[:1] for line in captured.out.splitlines()[:2]] == ["b", "d"]
    assert os.stat("out/a_mask.png").st_ino == kept
    for name, data in expected.items():
        if name.endswith(".png"):
            assert Path("out", name).read_bytes() == data
    assert run("--resume") == 0
    assert "0 of 0 pictures" in capsys.readouterr().out


def page():
    """The summary, without its rate."""
    return re.sub(r"(\d+ earlier, )?[\d.]+ a second", "", Path(SUMMARY).read_text())


def test_the_page_of_a_folder_that_goes_on_tells_of_all_its_pictures(scene):
    room, frame = scene
    Image.fromarray(room).save("frames/b.png")
    Path("frames/c.png").write_bytes(b"hello")
    assert run() == DataError.exit_code
    assert "3 pictures" in page()
    # One more, one that is good by now, one that is gone.
    Image.fromarray(frame).save("frames/d.png")
    Image.fromarray(frame).save("frames/c.png")
    os.remove("frames/a.png")
    assert run("--resume") == 0
    resumed = page()
    assert "1 earlier, " in Path(SUMMARY).read_text()
    # Nothing is left to do.
    os.utime(SUMMARY, (0, 0))
    assert run("--resume") == 0
    assert page() == resumed
    assert "3 earlier, 0.0 a second" in Path(SUMMARY).read_text()
    assert run("--force") == 0
    assert page() == resumed
    assert "equal to its background" in resumed
    assert 'alt="picture and cut-out of b"' in resumed
    assert "a_overview.png" not in resumed


def test_a_run_that_was_killed_is_told_of(scene, monkeypatch):
    for name in "bcd":
        Image.fromarray(scene[0]).save(f"frames/{name}.png")
    assert run() == 0
    expected = page()
    # As a kill leaves it in the middle of a line, before there is a page.
    os.remove(SUMMARY)
    lines = Path("out/outcomes.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/outcomes.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    for name in "cd":
        os.remove(f"out/{name}_mask.png")
    assert run("--resume") == 0
    assert page() == expected


def test_of_results_without_a_line_their_mask_tells(scene):
    Image.fromarray(scene[0]).save("frames/b.png")
    assert run() == 0
    Path("out/outcomes.jsonl").write_text('[1]\n{"name": "a"}\n{}\n')
    Path("out/b_mask.png").write_bytes(b"hello")
    masks = [Path(f"out/{name}_mask.png").read_bytes() for name in "ab"]
    assert run("--resume") == 0
    assert [Path(f"out/{name}_mask.png").read_bytes() for name in "ab"] == masks
    assert "predicted earlier; what was noticed then was not kept" in page()
    assert "37.5&#160;%" in page()
    assert "out/b_mask.png: expected a picture" in page()


def test_a_picture_that_is_done_anew_alone_is_kept_too(scene):
    Image.fromarray(scene[0]).save("frames/b.png")
    assert run() == 0
    assert "equal to its background" in page()
    Image.fromarray(scene[1]).save("frames/b.png")
    assert run("--force", fg_bg="frames/b.png") == 0
    assert run("--resume") == 0
    assert "equal to its background" not in page()
    # Where there is no folder nothing is kept.
    shutil.rmtree("out")
    assert run(fg_bg="frames/b.png") == 0
    assert len(os.listdir("out")) == 4


def test_json(scene, capsys):
    Image.fromarray(scene[0]).save("frames/b.png")
    Path("frames/c.png").write_bytes(b"hello")
    assert run("--json") == DataError.exit_code
    captured = capsys.readouterr()
    first, second, third, last = map(json.loads, captured.out.splitlines())
    assert first.pop("seconds") >= 0
    assert first == {
        "event": "picture",
        "name": "a",
        "coverage": 0.375,
        "corrected": [],
        "warnings": [],
        "error": None,
    }
    assert second["warnings"][0].startswith("frames/b.png: equal to its background")
    assert third["coverage"] is None
    assert third["error"].startswith("frames/c.png: expected a picture")
    assert (last["event"], last["done"], last["total"]) == ("done", 2, 3)
    page = Path("out/summary.html").read_text()
    assert "the mask covers hardly anything" in page
    assert 'href="b_overview.png"' in page


def test_full_disk_ends_it(scene, capsys, monkeypatch):
    def write(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_atomically", write)
    assert run() == 5
    assert "error: no space left on the disk" in capsys.readouterr().err
    assert os.listdir("out") == []


def test_upright_as_exif_says(scene):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right to see it upright
    Image.fromarray(scene[1]).save("frames/a.png", exif=exif)
    assert run() == 0
    assert pixels("out/a_depth.png").shape == (WIDTH, HEIGHT)
    # What was left is now on top.
    mask = pixels("out/a_mask.png")
    assert mask[:8].min() == 255
    assert mask[10:].max() == 0


def test_other_size_is_stretched_with_a_warning(scene, capsys):
    Image.fromarray(scene[0]).resize((60, 20)).save("room.png")
    assert run() == 0
    assert capsys.readouterr().err == (
        "warning: frames/a.png: the background is 60x20, the picture 24x16; both are "
        "stretched to the network's square\n"
    )
    assert pixels("out/a_mask.png").shape == (HEIGHT, WIDTH)


def test_animation_warns_once(scene, capsys):
    frames = [Image.fromarray(scene[1]), Image.fromarray(scene[0])]
    frames[0].save("frames/a.gif", save_all=True, append_images=frames[1:])
    os.remove("frames/a.png")
    assert run() == 0
    assert capsys.readouterr().err == (
        "warning: frames/a.gif: animated; only the first frame is used\n"
    )


def test_names_that_are_no_text(scene, capsys):
    os.rename("frames/a.png", b"frames/a\xff.png")
    assert run() == 0
    assert capsys.readouterr().out.startswith("a\\xff: mask covers 37.5%")
    assert b"a\xff_mask.png" in os.listdir(b"out")


@pytest.mark.parametrize("part", ["best.keras", "export", "export/1"])
def test_what_a_whole_run_leaves_predicts_the_same(trained, part, tmp_path):
    for name, value in (("bg", 60), ("fg_bg", 61)):
        picture = Image.fromarray(np.full((20, 30, 3), value, np.uint8))
        picture.save(tmp_path / f"{name}.png")
    argv = ["--model", str(trained / part), "--output", str(tmp_path / "out")]
    argv += ["--bg", str(tmp_path / "bg.png"), "--fg-bg", str(tmp_path / "fg_bg.png")]
    assert cli.run(predict.main, argv) == 0
    pair = [pictures.read(tmp_path / f"{name}.png") for name in ("bg", "fg_bg")]
    mask = loading.load_predictor(trained).answer(*pair).mask[..., 0]
    assert np.isfinite(mask).all()
    np.testing.assert_array_equal(
        pixels(tmp_path / "out" / "fg_bg_mask.png"), np.round(255 * mask)
    )
