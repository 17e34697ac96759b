"""Sets of several folders, of groups, and with rows in which nobody stands."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, errors
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import compose, stats, verify
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.dataset.composing.sources import list_all
from maskdepth_tf.images import preprocessing
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import examples, groups, labels, splits
from tests.support import labelled_rooms
from tests.support.pictures import digests


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of cut-outs and two of rooms, views of some things among them."""
    root, draws = tmp_path_factory.mktemp("folders"), np.random.default_rng(5)
    for name in ("a/chair_0", "a/chair_1", "a/lamp", "b/dog_1", "b/dog_2", "b/cat_7"):
        cutout = draws.integers(0, 256, (16, 12, 4))
        cutout[..., 3] = 0
        cutout[2:-2, 2:-2, 3] = 255
        save(root / "fg" / f"{name}.png", cutout)
    for name in ("a/hall_00", "a/hall_01", "a/hall_f02", "b/yard_1", "b/roof", "b/c"):
        save(root / "bg" / f"{name}.png", labelled_rooms.room(draws))
    return root


def arguments(folders, output, *more):
    words = ["compose", "--output", str(output), "--workers", "1", "--quality", "90"]
    for flag, kind in (("--foregrounds", "fg"), ("--backgrounds", "bg")):
        for name in ("b", "a"):
            words += [flag, str(folders / kind / name)]
    return [*words, "--image-size", "64", "--scale", "0.4", "0.8", *more]


def run(capsys, argv):
    code = cli.run(dataset.main, argv)
    return code, capsys.readouterr().err.strip().splitlines()[-1:]


@pytest.fixture(scope="module")
def made(folders, tmp_path_factory):
    """72 rows of all folders, of which a third shows nobody."""
    output = tmp_path_factory.mktemp("made") / "set"
    flags = ("--rows", "72", "--empty", "0.3", "--group-by-name")
    assert cli.run(dataset.main, arguments(folders, output, *flags)) == 0
    return output


def test_folders_come_one_after_the_other(made):
    sources = json.loads((made / "manifest.json").read_text())["sources"]
    names = {path: entry["name"] for path, entry in sources.items()}
    cutouts = ["cat_7", "dog_1", "dog_2", "chair_0", "chair_1", "lamp"]
    rooms = ["c", "roof", "yard_1", "hall_00", "hall_01", "hall_f02"]
    assert names == {
        **{f"Foreground/fg{n}.png": f"{name}.png" for n, name in enumerate(cutouts, 1)},
        **{f"Background/bg{n}.jpg": f"{name}.png" for n, name in enumerate(rooms, 1)},
    }
    rows = labels.read(made / "labels.txt")
    assert len({row.bg for row in rows}) == len({row.fg for row in rows}) == 6


def test_names_must_differ(folders, tmp_path, capsys):
    argv = arguments(folders, tmp_path / "set", "--backgrounds", str(tmp_path / "more"))
    save(tmp_path / "more" / "roof.png", np.zeros((8, 8, 3)))
    text = (
        f"error: {tmp_path}/more/roof.png: a picture needs a name of its own; "
        f"{folders}/bg/b/roof.png has the same"
    )
    assert run(capsys, argv) == (3, [text])
    assert not (tmp_path / "set").exists()
    with pytest.raises(errors.DataError, match="a picture needs a name of its own"):
        list_all([folders / "bg" / "a"] * 2)


def test_every_folder_is_kept_apart_from_the_output(folders, tmp_path):
    save(tmp_path / "rooms" / "room.png", np.zeros((8, 8, 3)))
    rooms = [folders / "bg" / "a", tmp_path / "rooms"]
    with pytest.raises(errors.UsageError, match="must not contain the source pictures"):
        compose.compose([folders / "fg" / "a"], rooms, tmp_path, Recipe(64), num_rows=1)


def test_groups_are_written(made):
    ones = {f"Foreground/fg{n}.png": f"Foreground/fg{n}.png" for n in range(1, 7)}
    ones |= {f"Background/bg{n}.jpg": f"Background/bg{n}.jpg" for n in range(1, 7)}
    assert groups.read(Folder(made)) == ones | {
        "Foreground/fg3.png": "Foreground/fg2.png",
        "Foreground/fg5.png": "Foreground/fg4.png",
        "Background/bg5.jpg": "Background/bg4.jpg",
        "Background/bg6.jpg": "Background/bg4.jpg",
    }
    listed = json.loads((made / "manifest.json").read_text())["files"]
    assert set(listed) == {"labels.txt", "files.sha256", "groups.txt"}
    assert listed["groups.txt"] == digests(made)["groups.txt"]


def test_without_the_flag_nothing_but_the_groups_differs(made, folders, tmp_path):
    argv = arguments(folders, tmp_path / "set", "--rows", "72", "--empty", "0.3")
    assert cli.run(dataset.main, argv) == 0
    grouped, plain = digests(made), digests(tmp_path / "set")
    del grouped["groups.txt"], grouped["manifest.json"], plain["manifest.json"]
    assert grouped == plain
    # A set with groups is a set that --force replaces, and they do not stay.
    assert cli.run(dataset.main, [*argv, "--group-by-name", "--force"]) == 0
    assert digests(tmp_path / "set") == digests(made)
    assert cli.run(dataset.main, [*argv, "--force"]) == 0
    assert not (tmp_path / "set" / "groups.txt").exists()


@pytest.mark.parametrize("seed", range(6))
def test_the_unseen_split_keeps_groups_together(made, seed):
    rows, together = labels.read(made / "labels.txt"), groups.read(Folder(made))
    split = splits.draw_split(rows, Folder(made), "unseen", 0.4, seed)
    for column in ("bg", "fg"):
        kept, held = (
            {together[getattr(rows[i], column)] for i in split[side]}
            for side in ("train", "test")
        )
        assert kept
        assert held
        assert not kept & held


@pytest.fixture
def whole(made, tmp_path):
    """A copy of the set, with depth maps."""
    folder = tmp_path / "whole"
    shutil.copytree(made, folder)
    for number, row in enumerate(labels.read(made / "labels.txt")):
        mask = preprocessing.read_mask(made / row.mask)[..., 0]
        floor = np.linspace(250, 90, 64)[:, None] + number % 5
        save(folder / row.depth, np.where(mask >= 128, 20, floor))
    return folder


def test_the_fingerprint_of_a_set_is_also_of_its_groups(whole):
    path = str(whole / "labels.txt")
    opened = examples.open_examples(path, image_size=16)
    before, text = (
        examples.fingerprint(path, opened),
        (whole / "groups.txt").read_text(),
    )
    changed = text.replace("bg6.jpg\tBackground/bg4", "bg6.jpg\tBackground/bg6")
    (whole / "groups.txt").write_text(changed)
    assert examples.fingerprint(path, opened) != before
    (whole / "groups.txt").write_text(text)
    assert examples.fingerprint(path, opened) == before


def test_rows_with_nobody_are_good_rows(whole):
    rows = labels.read(whole / "labels.txt")
    nobody = [row for row in rows if labels.is_empty(row)]
    assert 10 < len(nobody) < 34
    for row in nobody:
        assert not (preprocessing.read_mask(whole / row.mask) >= 128).any()
        room, same = (preprocessing.read_rgb(whole / p) for p in (row.bg, row.fg_bg))
        assert np.abs(room.astype(int) - same).mean() < 3
    report = verify.verify(whole / "labels.txt", Folder(whole))
    assert report == (72, [], rows)
    summary = stats.stats(whole / "labels.txt", Folder(whole))
    assert summary["mask_area"][0] >= len(nobody) / 72


def test_what_is_wrong_with_rows_with_nobody(whole):
    rows = labels.read(whole / "labels.txt")
    nobody = [line for line, row in enumerate(rows, 1) if labels.is_empty(row)]
    first, second = nobody[:2]
    mask = np.zeros((64, 64))
    mask[20:40, 20:40] = 255
    save(whole / rows[first - 1].mask, mask)
    save(whole / rows[second - 1].fg_bg, np.full((64, 64, 3), 128))
    found = verify.verify(whole / "labels.txt", Folder(whole)).bad
    assert [item[:2] for item in found] == [
        (first, "empty_mask"),
        (second, "wrong_background"),
    ]
    assert found[0].detail == "expected nobody, received 0 to 255 of 255"


def test_figures_cover_the_share_that_the_scale_allows(tmp_path):
    rows, columns = np.mgrid[-1:1:90j, -1:1:60j]
    alpha = 255 * (rows**2 + columns**2 < 1)
    for number in range(8):
        cutout = np.dstack([np.full((90, 60, 3), 20 * number), alpha])
        save(tmp_path / "fg" / f"{number}.png", cutout)
        save(tmp_path / "bg" / f"{number}.jpg", np.full((48, 64, 3), 30 * number))
    recipe, root = Recipe(image_size=64, scale=(0.4, 0.8)), tmp_path / "set"
    compose.compose([tmp_path / "fg"], [tmp_path / "bg"], root, recipe, num_rows=8)
    found = labels.read(root / "labels.txt")
    assert len({row.fg for row in found}) == len({row.bg for row in found}) == 8
    shares = [(preprocessing.read_mask(root / r.mask) >= 128).mean() for r in found]
    # Of an ellipse two thirds as wide as high, 70 to 100 % of it in the picture.
    area = np.pi / 4 * 2 / 3
    assert 0.7 * 0.4**2 * area - 0.01 < min(shares)
    assert max(shares) < 0.8**2 * area + 0.01
