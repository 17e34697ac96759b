"""Data sets of composites, made from small pictures."""

import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, errors, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import compose
from maskdepth_tf.dataset.composing import rows, sources
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.input import labels
from tests.support.pictures import digests

SMALL = Recipe(image_size=32)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three cut-outs and two rooms; their folders."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number, (height, width) in enumerate([(20, 12), (12, 20), (16, 16)]):
        cutout = generator.integers(0, 256, (height, width, 4), np.uint8)
        cutout[..., 3] = 0
        cutout[2:-2, 2:-2, 3] = 255
        save(root / "cutouts" / f"c{number}.png", cutout)
    ramp = np.linspace(0, 255, 40)[:, None, None] * np.ones((1, 50, 3))
    save(root / "rooms" / "a.png", ramp)
    save(root / "rooms" / "b.jpg", 255 - ramp)
    return root / "cutouts", root / "rooms"


def arguments(pictures, output, *more):
    cutouts, rooms = map(str, pictures)
    return [
        *("compose", "--foregrounds", cutouts, "--backgrounds", rooms),
        *("--output", str(output), "--image-size", "32", "--workers", "1", *more),
    ]


def composed(pictures, output, recipe=SMALL, **options):
    """Composes a set of the pictures of two folders."""
    cutouts, rooms = pictures
    return compose.compose([cutouts], [rooms], output, recipe, **options)


@pytest.fixture(scope="module")
def made(pictures, tmp_path_factory):
    """A data set of 70 rows: more than one chunk."""
    output = tmp_path_factory.mktemp("made") / "set"
    flags = ("--rows", "70", "--scale", "0.3", "0.9", "--quality", "90")
    assert cli.run(dataset.main, arguments(pictures, output, *flags)) == 0
    return output


def test_labels_have_the_layout_of_the_reference(made):
    rows = labels.read(made / "labels.txt")
    assert len(rows) == 70
    assert rows[69][2:] == (
        "data_1/Fg-Bg/fg-bg70.jpg",
        "data_1/Fg-Bg-Mask/fg-bg-mask70.jpg",
        "data_1/Depth/depth70.jpg",
    )
    assert {row.bg for row in rows} == {f"Background/bg{n}.jpg" for n in (1, 2)}
    assert {row.fg for row in rows} == {f"Foreground/fg{n}.png" for n in (1, 2, 3)}


def test_parts_hold_80000_rows():
    assert rows.row_paths(79_999, 0, 0, 0).fg_bg == "data_1/Fg-Bg/fg-bg80000.jpg"
    assert rows.row_paths(80_000, 0, 0, 0).mask == (
        "data_2/Fg-Bg-Mask/fg-bg-mask80001.jpg"
    )


def test_outside_the_mask_only_the_compression_differs(made):
    compared = 0
    for row in labels.read(made / "labels.txt"):
        composite = preprocessing.read_rgb(made / row.fg_bg)
        mask = preprocessing.read_mask(made / row.mask)
        assert composite.shape == (32, 32, 3)
        assert mask.shape == (32, 32, 1)
        assert mask.max() > 200
        room = preprocessing.read_rgb(made / row.bg)
        room = preprocessing.decode_rgb(encoding.encode_jpeg(room, quality=90)).numpy()
        # JPEG works in blocks of 16, and its chroma reaches a pixel across the edge.
        touched = np.kron(mask.reshape(2, 16, 2, 16).max((1, 3)) > 9, np.ones((16, 16)))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(touched, 2), (5, 5))
        far = windows.max((2, 3)) == 0
        np.testing.assert_array_equal(composite[far], room[far])
        compared += far.sum()
    assert compared > 1000


def test_colours_come_from_the_named_cutout(tmp_path):
    colours = {"red": (255, 0, 0, 255), "blue": (0, 0, 255, 255)}
    for name, colour in colours.items():
        picture = np.zeros((8, 8, 4))
        picture[1:7, 1:7] = colour
        save(tmp_path / "fg" / f"{name}.png", picture)
    save(tmp_path / "bg" / "grey.png", np.full((32, 32, 3), 128))
    output = tmp_path / "set"
    recipe = Recipe(image_size=32, scale=(0.9, 0.9), quality=95)
    folders = tmp_path / "fg", tmp_path / "bg"
    composed(folders, output, recipe, placements=2)
    rows = labels.read(output / "labels.txt")
    assert len(rows) == 2 * 1 * 2 * 2
    for row in rows:
        mask = preprocessing.read_mask(output / row.mask)[..., 0] > 250
        seen = preprocessing.read_rgb(output / row.fg_bg)[mask].mean(axis=0)
        # Sorted by name: blue is 1.
        expected = (0, 0, 255) if row.fg.endswith("fg1.png") else (255, 0, 0)
        np.testing.assert_allclose(seen, expected, atol=40)


def test_mirrored_rows_show_the_mirrored_cutout(tmp_path):
    picture = np.zeros((8, 8, 4))
    picture[..., 3] = 255
    picture[:, :4, :3] = 255  # white on the left, black on the right
    picture[0, 0, 3] = 0
    save(tmp_path / "fg" / "half.png", picture)
    save(tmp_path / "bg" / "grey.png", np.full((32, 32, 3), 128))
    output = tmp_path / "set"
    recipe = Recipe(image_size=32, scale=(0.5, 0.5), quality=95)
    folders = tmp_path / "fg", tmp_path / "bg"
    composed(folders, output, recipe, placements=4)
    steps = []
    for row in labels.read(output / "labels.txt"):
        composite = preprocessing.read_rgb(output / row.fg_bg)[..., 0].astype(int)
        inside = preprocessing.read_mask(output / row.mask)[..., 0] > 128
        columns = np.flatnonzero(inside.any(axis=0))
        left, right = (composite[:, c][inside[:, c]].mean() for c in columns[[1, -2]])
        steps.append(left > right)
    assert sum(steps) == 4


def test_same_bytes_for_any_number_of_workers(made, pictures, tmp_path):
    output = tmp_path / "set"
    flags = ("--rows", "70", "--scale", "0.3", "0.9", "--quality", "90")
    flags += ("--workers", "2")
    assert cli.run(dataset.main, arguments(pictures, output, *flags)) == 0
    assert digests(output) == digests(made)


def test_fewer_rows_are_a_prefix_and_another_seed_is_another_set(
    made, pictures, tmp_path
):
    recipe = Recipe(image_size=32, scale=(0.3, 0.9), quality=90)
    composed(pictures, tmp_path / "few", recipe, num_rows=5)
    few, all_rows = digests(tmp_path / "few"), digests(made)
    composites = [name for name in few if name.startswith("data_1")]
    assert len(composites) == 10
    assert all(few[name] == all_rows[name] for name in composites)
    recipe = Recipe(image_size=32, scale=(0.3, 0.9), quality=90, seed=1)
    composed(pictures, tmp_path / "other", recipe, num_rows=5)
    other = digests(tmp_path / "other")
    assert all(few[name] != other[name] for name in composites)


def test_manifest_and_fingerprints(made, pictures):
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["recipe"] == {
        **{"image_size": 32, "scale": [0.3, 0.9], "quality": 90, "seed": 0},
        **{"views": 0, "shadow": False, "contact": False, "match": False},
        **{"stretch": False},
        **{"figures": [1, 1], "motion_blur": 0.0, "mask_quality": 95},
        **{"wall_shadows": 0.0, "camouflage": 0.0, "empty": 0.0, "close_up": 0.0},
    }
    assert manifest["counts"] == {"rows": 70, "foregrounds": 3, "backgrounds": 2}
    files = digests(made)
    for name, digest in manifest["files"].items():
        assert files[name] == digest
    source = manifest["sources"]["Background/bg2.jpg"]
    assert source["name"] == "b.jpg"
    content = (pictures[1] / "b.jpg").read_bytes()
    assert source["source_sha256"] == hashlib.sha256(content).hexdigest()
    lines = (made / "files.sha256").read_text().splitlines()
    listed = dict(reversed(line.split("  ")) for line in lines)
    assert listed == {k: v for k, v in files.items() if "/" in k}


def test_without_scale_cutouts_keep_their_size(pictures, tmp_path):
    recipe = Recipe(image_size=64)
    composed(pictures, tmp_path / "set", recipe, num_rows=12)
    areas = {"fg1": 16 * 8, "fg2": 8 * 16, "fg3": 12 * 12}
    for row in labels.read(tmp_path / "set" / "labels.txt"):
        mask = preprocessing.read_mask(tmp_path / "set" / row.mask) >= 128
        # Corners lie within 34 of 64 and cut-outs are at most 20: nothing is clipped.
        assert mask.sum() == pytest.approx(areas[Path(row.fg).stem], abs=6)


def test_default_is_twenty_placements(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(compose, "_write_pictures", lambda *_: {})
    assert composed(pictures, tmp_path / "set") == 3 * 2 * 2 * 20


def test_large_cutouts_are_made_smaller(tmp_path):
    picture = np.zeros((100, 300, 4), np.uint8)
    picture[:, 50:250, 3] = 255
    save(tmp_path / "large.png", picture)
    assert sources.read_cutout(tmp_path / "large.png", 64).shape == (32, 64, 4)
    assert sources.read_cutout(tmp_path / "large.png").shape == (100, 300, 4)


def test_hidden_files_are_no_pictures(tmp_path):
    for name in (".hidden", "b.png", "a.png", "B.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    names = [path.name for path in sources.list_pictures(tmp_path)]
    assert names == ["B.png", "a.png", "b.png"]


def run(capsys, argv):
    code = cli.run(dataset.main, argv)
    return code, capsys.readouterr().err.strip().splitlines()[-1]


def test_missing_and_empty_folders(pictures, tmp_path, capsys):
    argv = arguments((tmp_path / "none", pictures[1]), tmp_path / "set")
    code, line = run(capsys, argv)
    assert code == 3
    assert line.endswith("none: must be a folder of pictures, not found")
    (tmp_path / "empty").mkdir()
    argv = arguments((pictures[0], tmp_path / "empty"), tmp_path / "set")
    code, line = run(capsys, argv)
    assert code == 3
    assert line.endswith(".png, .webp), holds none")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_unreadable_picture_is_named(damage, pictures, tmp_path, capsys):
    data = (pictures[1] / "b.jpg").read_bytes()
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "bad.jpg").write_bytes(
        b"no picture" if damage == "text" else data[: len(data) // 2]
    )
    argv = arguments((pictures[0], tmp_path / "rooms"), tmp_path / "set")
    code, line = run(capsys, argv)
    assert code == 3
    assert "bad.jpg: " in line
    assert not (tmp_path / "set").exists()


def test_cutouts_need_alpha(tmp_path):
    save(tmp_path / "opaque.png", np.zeros((8, 8, 3)))
    with pytest.raises(errors.DataError, match="opaque.png: a cut-out needs an alpha"):
        sources.read_cutout(tmp_path / "opaque.png")
    save(tmp_path / "clear.png", np.full((8, 8, 4), 127))
    with pytest.raises(errors.DataError, match="clear.png: .* alpha .* Received: 127"):
        sources.read_cutout(tmp_path / "clear.png")


@pytest.mark.parametrize("output", [".", "..", "/"])
@pytest.mark.parametrize("more", [(), ("--force",)])
def test_the_current_folder_is_no_output(
    pictures, output, more, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    code, line = run(capsys, arguments(pictures, output, *more))
    assert code == 2
    assert line.startswith("error: --output must not be the current folder, one aro")


def test_output_must_be_empty_unless_forced(pictures, tmp_path):
    output = tmp_path / "set"
    composed(pictures, output, num_rows=4)
    with pytest.raises(errors.UsageError, match="--output must be empty; --force"):
        composed(pictures, output, num_rows=2)
    composed(pictures, output, num_rows=2, force=True)
    assert len(labels.read(output / "labels.txt")) == 2
    assert not (output / "data_1/Fg-Bg/fg-bg3.jpg").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_force_replaces_nothing_but_a_data_set(pictures, tmp_path):
    output = tmp_path / "set"
    composed(pictures, output, num_rows=2)
    (output / "mine.txt").write_text("kept")
    before = digests(output)
    message = "must hold nothing but a data set.* Received: .*/mine.txt"
    with pytest.raises(errors.UsageError, match=message):
        composed(pictures, output, num_rows=1, force=True)
    assert digests(output) == before


def test_an_output_that_is_a_link_stays_one(pictures, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "set").symlink_to("disk")
    composed(pictures, tmp_path / "set", num_rows=1)
    assert (tmp_path / "set").is_symlink()
    assert (tmp_path / "disk" / "labels.txt").is_file()


def test_force_keeps_the_old_set_if_a_source_is_bad(pictures, tmp_path):
    output = tmp_path / "set"
    composed(pictures, output, num_rows=2)
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "bad.jpg").write_bytes(b"no picture")
    before = digests(output)
    folders = pictures[0], tmp_path / "rooms"
    with pytest.raises(errors.DataError, match="bad.jpg"):
        composed(folders, output, num_rows=2, force=True)
    assert digests(output) == before


def test_force_never_clears_the_sources(pictures, tmp_path):
    save(tmp_path / "Background" / "room.png", np.zeros((32, 32, 3)))
    with pytest.raises(errors.UsageError, match="must not contain the source pictures"):
        composed((pictures[0], tmp_path / "Background"), tmp_path, force=True)
    assert (tmp_path / "Background" / "room.png").exists()


def test_force_leaves_what_a_link_points_to(pictures, tmp_path):
    save(tmp_path / "rooms" / "room.png", np.zeros((32, 32, 3)))
    output = tmp_path / "set"
    output.mkdir()
    (output / "Background").symlink_to(tmp_path / "rooms")
    composed((pictures[0], tmp_path / "rooms"), output, num_rows=1, force=True)
    assert [path.name for path in (tmp_path / "rooms").iterdir()] == ["room.png"]
    assert not (output / "Background").is_symlink()


def test_output_must_be_a_folder(pictures, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.UsageError, match="--output must be a folder that can"):
        composed(pictures, tmp_path / "file")


@pytest.mark.parametrize("flag", ["--rows", "--placements", "--workers"])
def test_counts_must_be_positive(flag, pictures, tmp_path, capsys):
    code, line = run(capsys, arguments(pictures, tmp_path / "set", flag, "0"))
    assert code == 2
    assert line == f"error: {flag} must be 1 or more. Received: 0"


def test_rows_and_placements_exclude_each_other(pictures, tmp_path):
    argv = arguments(pictures, tmp_path / "set", "--rows", "1", "--placements", "1")
    with pytest.raises(errors.UsageError, match="not allowed with argument"):
        dataset.main(argv)


def test_full_disk_leaves_nothing(pictures, tmp_path, capsys, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compose, "_write_pictures", fill)
    output = tmp_path / "set"
    code, line = run(capsys, arguments(pictures, output))
    assert code == 5
    assert line.startswith("error: no space left on the disk")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_in_a_worker_reaches_the_command(tmp_path):
    (tmp_path / "Fg-Bg").mkdir()
    (tmp_path / "Fg-Bg" / "fg-bg1.jpg").symlink_to("/dev/full")
    (tmp_path / "data_1").symlink_to(tmp_path)
    cutout, room = np.full((9, 9, 4), 255, np.uint8), np.zeros((32, 32, 3), np.uint8)
    composer = compose.Composer(Recipe(32), [cutout], [room], tmp_path)
    with workers.pool(1, composer) as pool:
        with pytest.raises(OSError, match="No space left") as caught:
            pool.run(compose.Composer.write_rows, {(0, 1): 1}, "compose", "rows")
    assert caught.value.errno == errno.ENOSPC


def test_command_lines_start_without_tensorflow():
    code = (
        "import sys; from maskdepth_tf.dataset import __main__, compose, depth;"
        "sys.exit('tensorflow' in sys.modules or 'ai_edge_litert' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("command", ["compose", "depth"])
def test_help_lists_the_flags(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        dataset.main([command, "--help"])
    shown = capsys.readouterr().out
    for flag in {
        "compose": ("--rows", "--placements", "--scale", "--seed", "--force"),
        "depth": ("--data", "--teacher", "--convention", "--workers", "--force"),
    }[command]:
        assert flag in shown
