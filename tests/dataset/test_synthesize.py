"""The data set of rendered rooms: files, rows, and one recipe one set."""

import csv
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, errors, files
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import synthesize
from maskdepth_tf.draws import generator
from maskdepth_tf.images import preprocessing
from maskdepth_tf.input import labels
from maskdepth_tf.scenes import people, shapes, stage
from tests.support.pictures import digests

RECIPE = {"rows": 7, "image_size": 32, "rooms": 3, "figures": 4, "seed": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small set, made by two processes."""
    output = tmp_path_factory.mktemp("synthetic") / "set"
    synthesize.synthesize(output, **RECIPE, num_workers=2)
    return output


@pytest.fixture(scope="module")
def scene():
    return stage.Stage(0, 1, 48)


def test_any_number_of_processes_makes_the_same_files(made, tmp_path):
    synthesize.synthesize(tmp_path / "one", **RECIPE, num_workers=1)
    assert digests(tmp_path / "one") == digests(made)


def test_labels_name_files_that_pass_all_checks(made):
    rows = labels.read(made / "labels.txt")
    assert len(rows) == 7
    labels.check_files(rows, made, made / "labels.txt")
    assert [row.bg for row in rows] == [
        f"Background/bg{k}.jpg" for k in (1, 2, 3, 1, 2, 3, 1)
    ]
    # Each figure once in the first four rows, and once more begun after that.
    assert len({row.fg for row in rows[:4]}) == 4
    assert len({row.fg for row in rows[4:]}) == 3
    assert rows[0].fg_bg == "data_1/Fg-Bg/fg-bg1.jpg"
    assert len(list(made.rglob("*.jpg"))) == 7 + 3
    assert len(list(made.rglob("*.png"))) == 2 * 7 + 4


def mode_and_size(path):
    with Image.open(path) as image:
        return image.mode, image.size


def test_pictures_have_their_formats(made):
    row = labels.read(made / "labels.txt")[0]
    size = (32, 32)
    assert mode_and_size(made / row.bg) == ("RGB", size)
    assert mode_and_size(made / row.fg_bg) == ("RGB", size)
    assert mode_and_size(made / row.mask) == ("L", size)
    assert mode_and_size(made / row.depth) == ("I;16", size)
    mode, cutout_size = mode_and_size(made / row.fg)
    assert mode == "RGBA"
    assert max(cutout_size) <= 32


def test_masks_and_depths_are_whole(made):
    for row in labels.read(made / "labels.txt"):
        mask = preprocessing.read_mask(made / row.mask)
        depth = preprocessing.read_depth(made / row.depth)
        assert mask.max() >= 128
        assert 0.005 < (mask >= 128).mean() < 0.6
        assert depth.min() == 0
        assert depth.max() == 1


def test_outside_the_mask_pasted_rows_show_their_room(made):
    gaps = []
    for row in labels.read(made / "labels.txt"):
        bg, fg_bg = (preprocessing.read_rgb(made / row[k]).astype(int) for k in (0, 2))
        mask = preprocessing.read_mask(made / row.mask)[..., 0]
        gap = np.abs(fg_bg - bg).mean(-1)
        gaps.append(gap[mask == 0].mean())
        assert gap[mask > 200].mean() > 1.2 * gap[mask == 0].mean()
    assert max(gaps) < 40
    assert np.median(gaps) < 12


def test_manifest_and_ranges(made):
    manifest = json.loads((made / "manifest.json").read_text())
    more = {"quality": 30, "hand_held": False, "name": "synthetic rooms"}
    assert manifest["recipe"] == RECIPE | more
    assert manifest["counts"] == {
        "rows": 7,
        "foregrounds": 4,
        "backgrounds": 3,
        "pictures": 28,
    }
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    rows = labels.read(made / "labels.txt")
    with (made / "depth_range.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [line["depth"] for line in table] == [row.depth for row in rows]
    for line in table:
        assert 0.2 < float(line["near_m"]) < float(line["far_m"]) < 25


def test_checksums(made):
    lines = (made / "files.sha256").read_text().splitlines()
    found = digests(made)
    assert len(lines) == 28
    for line in lines:
        digest, path = line.split("  ")
        assert found[path] == digest


def test_fewer_rows_are_a_prefix(made, tmp_path):
    synthesize.synthesize(tmp_path / "set", **RECIPE | {"rows": 2}, num_workers=1)
    few, many = digests(tmp_path / "set"), digests(made)
    pictures = [path for path in few if path.endswith((".jpg", ".png"))]
    assert len(pictures) == 2 * 3 + 2 + 2
    assert all(few[path] == many[path] for path in pictures)


def test_another_seed_makes_other_pictures(made, tmp_path):
    changed = RECIPE | {"rows": 1, "seed": 3}
    synthesize.synthesize(tmp_path / "set", **changed, num_workers=1)
    name = "data_1/Fg-Bg/fg-bg1.jpg"
    assert digests(tmp_path / "set")[name] != digests(made)[name]


def test_every_run_of_rows_shows_each_figure_once():
    recipe = synthesize.RenderedSet(rows=100, figures=10)
    turns = [[recipe.figure_of(10 * t + k) for k in range(10)] for t in range(10)]
    assert all(sorted(turn) == list(range(10)) for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 5


def test_pasted_rows_share_the_noise_of_their_room(scene):
    """Where nothing is pasted, not a single value differs before JPEG."""
    figure = shapes.compact(people.person(generator(0)))
    seen = set()
    for k in range(12):
        draws = generator(7, k)
        is_pasted = generator(7, k).random() < 0.4
        example = scene.example(figure, draws)
        change = np.abs(example.fg_bg.astype(int) - scene.background()).max(-1)
        # Blur carries a figure one pixel further.
        near = np.zeros_like(example.mask, bool)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near |= np.roll(example.mask, (dy, dx), (0, 1)) > 0
        if is_pasted:
            assert change[~near].max() == 0
        seen.add(is_pasted)
    assert seen == {True, False}


def test_depth_in_metres(scene):
    example = scene.example(shapes.compact(people.person(generator(0))), generator(9))
    view = scene._view
    metres = example.near_m + example.depth / 65535 * (example.far_m - example.near_m)
    outside = example.mask == 0
    np.testing.assert_allclose(metres[outside], view.depth[outside], atol=1e-3)
    inside = example.mask == 255
    assert (metres[inside] < view.depth[inside]).all()


def test_cutouts_are_trimmed():
    for k in range(4):
        figure = shapes.compact(people.figure(generator(3, k)))
        pixels = stage.cutout(figure, 40, generator(0))
        assert max(pixels.shape[:2]) <= 40
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert edge[..., 3].max() > 0
        assert pixels[..., 3].max() == 255


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "--rows must be 1 or more. Received: 0"),
        ({"rooms": 0}, "--rooms must be 1 or more. Received: 0"),
        ({"figures": -1}, "--figures must be 1 or more. Received: -1"),
        ({"image_size": 7}, "--image-size must be 8 to 4096. Received: 7"),
        ({"quality": 96}, "--quality must be 1 to 95. Received: 96"),
        ({"seed": -1}, "--seed must be 0 or more. Received: -1"),
        ({"num_workers": 0}, "--workers must be 1 or more. Received: 0"),
    ],
)
def test_values_out_of_range(tmp_path, change, message):
    with pytest.raises(errors.UsageError, match=message):
        synthesize.synthesize(tmp_path / "set", **{"num_workers": 1} | RECIPE | change)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.UsageError, match="must be empty. Received: .*"):
        synthesize.synthesize(tmp_path, **RECIPE, num_workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_finished_set_is_left_alone(made):
    before = digests(made)
    with pytest.raises(errors.UsageError, match="must be empty"):
        synthesize.synthesize(made, **RECIPE, num_workers=1)
    assert digests(made) == before


def test_a_file_is_no_output_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.UsageError, match="must be a folder that can be made"):
        synthesize.synthesize(tmp_path / "file", **RECIPE, num_workers=1)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_that_was_cut_off_is_begun_anew(tmp_path):
    output = tmp_path / "set"
    half = files.partial_of(output) / "unfinished" / "data_1" / "Fg-Bg" / "fg-bg99.jpg"
    half.parent.mkdir(parents=True)
    half.write_text("half")
    synthesize.synthesize(output, **RECIPE | {"rows": 1}, num_workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert len(labels.read(output / "labels.txt")) == 1
    assert not list(output.rglob("fg-bg99.jpg"))


def test_pictures_of_somebody_else_are_left_alone(tmp_path):
    (tmp_path / "Background").mkdir()
    (tmp_path / "Background" / "mine.jpg").write_text("mine")
    with pytest.raises(errors.UsageError, match="must be empty"):
        synthesize.synthesize(tmp_path, **RECIPE, num_workers=1)
    assert (tmp_path / "Background" / "mine.jpg").read_text() == "mine"


def test_the_command(tmp_path, capsys):
    flags = "--rows 1 --rooms 1 --figures 1 --image-size 16 --workers 1".split()
    output = str(tmp_path / "set")
    assert cli.run(dataset.main, ["synthesize", "--output", output, *flags]) == 0
    done, step = capsys.readouterr().out.splitlines()
    assert done == f"1 rows in {output}"
    assert f"maskdepth train --config fast --set data.labels={output}/labels" in step
    assert len(labels.read(tmp_path / "set" / "labels.txt")) == 1


@pytest.fixture(scope="module")
def hand_held(tmp_path_factory):
    """A small set of pairs that a hand took."""
    output = tmp_path_factory.mktemp("hand_held") / "set"
    recipe = RECIPE | {"rooms": 2, "rows": 4, "hand_held": True}
    synthesize.synthesize(output, **recipe, num_workers=1)
    return output


def test_hand_held_sets_have_the_form_of_the_others(hand_held):
    rows = labels.read(hand_held / "labels.txt")
    labels.check_files(rows, hand_held, hand_held / "labels.txt")
    assert [row.bg for row in rows] == [f"Background/bg{k}.jpg" for k in (1, 2, 1, 2)]
    manifest = json.loads((hand_held / "manifest.json").read_text())
    assert manifest["recipe"]["hand_held"] is True
    for row in rows:
        assert (preprocessing.read_mask(hand_held / row.mask) >= 128).any()
        depth = preprocessing.read_depth(hand_held / row.depth)
        assert (depth.min(), depth.max()) == (0, 1)
        # Libjpeg's first number of brightness is 16 at quality 50: at 70 it is 10.
        for path in (row.bg, row.fg_bg):
            with Image.open(hand_held / path) as image:
                assert 2 <= image.quantization[0][0] <= 10


def test_any_number_of_processes_takes_the_same_pairs(hand_held, tmp_path):
    recipe = RECIPE | {"rooms": 2, "rows": 4, "hand_held": True}
    synthesize.synthesize(tmp_path / "set", **recipe, num_workers=2)
    assert digests(tmp_path / "set") == digests(hand_held)


def test_a_row_is_the_pair_of_its_seed(tmp_path):
    options = {"image_size": 32, "rooms": 1, "figures": 1, "seed": 6, "quality": 95}
    synthesize.synthesize(tmp_path / "set", 1, **options, hand_held=True, num_workers=1)
    (row,) = labels.read(tmp_path / "set" / "labels.txt")
    made = stage.pair(6, 32)
    mask = preprocessing.read_mask(tmp_path / "set" / row.mask)[..., 0]
    np.testing.assert_array_equal(mask, made.mask)
    for path, pixels in ((row.bg, made.bg), (row.fg_bg, made.fg_bg)):
        stored = preprocessing.read_rgb(tmp_path / "set" / path).astype(int)
        assert np.abs(stored - pixels).mean() < 6


def test_the_command_takes_pairs(tmp_path, capsys):
    flags = "--rows 1 --rooms 1 --figures 1 --image-size 16 --workers 1 --hand-held"
    output = str(tmp_path / "set")
    argv = ["synthesize", "--output", output, *flags.split()]
    assert cli.run(dataset.main, argv) == 0
    step = capsys.readouterr().out.splitlines()[-1]
    expected = (
        f"maskdepth evaluate --model runs/quickstart --labels {output}/labels.txt"
    )
    assert step == f"next     {expected}"


def test_the_command_answers_in_one_line(tmp_path, capsys):
    output = str(tmp_path / "set")
    code = cli.run(dataset.main, ["synthesize", "--output", output, "--rows", "0"])
    assert code == errors.UsageError.exit_code
    assert capsys.readouterr().err == "error: --rows must be 1 or more. Received: 0\n"


def test_help_and_workers_start_without_tensorflow():
    code = (
        "import sys\n"
        "from maskdepth_tf.dataset import synthesize\n"
        "heavy = {'tensorflow', 'embreex', 'keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from maskdepth_tf.scenes import stage\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
