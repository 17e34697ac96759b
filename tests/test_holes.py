"""A set whose depth has holes, from its own values to a trained and scored network."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, streams
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.images import encoding, headers, preprocessing
from maskdepth_tf.inference import scoring
from maskdepth_tf.input import examples, labels, packed
from tests.support import labelled_rooms
from tests.support.training_runs import tiny_overrides, train_run

ROWS = 16
HOLE = np.zeros((labelled_rooms.SIDE, labelled_rooms.SIDE), bool)
HOLE[:30, 50:] = True


def run(*words):
    return cli.run(dataset.main, [*map(str, words)])


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A set as a depth camera makes it, in millimetres and with holes, converted."""
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)
    labelled_rooms.write(folder, [labelled_rooms.room(rng) for _ in range(4)], ROWS)
    for path in sorted((folder / "depth").iterdir()):
        millimetres = 500 + np.asarray(Image.open(path)).astype(int) // 20
        if path.name != "0.png":
            millimetres[HOLE] = 0
        Image.fromarray(millimetres.astype(np.uint16)).save(path)
    new = folder.parent / f"{folder.name}_new"
    flags = ("--depth", "far", "--depth-unit", "0.001", "--hole", "0")
    assert run("index", folder, "--convert", new, *flags) == 0
    return new


def depth_of(path):
    return preprocessing.read_depth(path)[..., 0]


def test_holes_are_transparent_and_others_are_as_before(converted):
    assert not headers.check(converted / "depth/0.png").has_alpha
    assert headers.check(converted / "depth/1.png").has_alpha
    depth = depth_of(converted / "depth/1.png")
    np.testing.assert_array_equal(depth <= streams.HOLE, HOLE)
    assert (depth[~HOLE].min(), depth[~HOLE].max()) == (0, 1)
    # What stands for a hole is the nearest depth that is known: here that to the left
    # or below.
    filled = -1 - depth[5, 50]
    assert filled == pytest.approx(depth[5, 49], abs=1e-6)


def test_converted_again_they_stay(converted, tmp_path):
    again = tmp_path / "again"
    assert run("index", converted, "--convert", again, "--depth", "far") == 0
    before, after = (depth_of(x / "depth/1.png") for x in (converted, again))
    np.testing.assert_array_equal(before, after)


def test_commands_know_of_holes(converted, tmp_path, capsys):
    path = converted / "labels.txt"
    assert run("verify", "--labels", path, "--workers", 1) == 0
    assert run("stats", "--labels", path, "--workers", 1) == 0
    share = 1 - HOLE.mean() * (ROWS - 1) / ROWS
    assert f"depth is known of {100 * share:.1f} % of" in capsys.readouterr().out
    card = tmp_path / "CARD.md"
    assert run("card", "--labels", path, "--output", card, "--workers", 1) == 0
    assert f"Depth is known of {100 * share:.1f} % of the pixels" in card.read_text()


def test_a_map_of_holes_alone_is_a_bad_row(converted, tmp_path, capsys):
    folder = shutil.copytree(converted, tmp_path / "set")
    nothing = np.full(HOLE.shape, -1, np.int32)
    (folder / "depth/1.png").write_bytes(encoding.encode_png(nothing))
    assert run("verify", "--labels", folder / "labels.txt", "--workers", 1) == 3
    text = "labels.txt:2: constant_depth: expected depths from 0 to 1, received none"
    assert text in capsys.readouterr().out


@pytest.fixture(scope="module")
def other(converted, tmp_path_factory):
    """A copy in which something else stands for the holes, and what `pack` makes of it.

    Its labels, and the packed set.
    """
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(converted, folder, dirs_exist_ok=True)
    for path in sorted((folder / "depth").iterdir())[1:]:
        depth = np.rint(65535 * depth_of(path)).astype(np.int32)
        depth[HOLE] = np.random.default_rng(0).integers(-65536, 0, HOLE.sum())
        path.write_bytes(encoding.encode_png(depth))
    labels_path, packed_set = folder / "labels.txt", folder / "packed"
    flags = ("--image-size", "16", "--test-fraction", "0.25", "--workers", "1")
    assert run("pack", "--labels", labels_path, "--output", packed_set, *flags) == 0
    return labels_path, packed_set


def test_packed_holes_are_those_of_the_maps(other):
    labels_path, packed_set = other
    arrays = np.load(packed_set / "depth.npy")
    assert arrays.dtype == np.int32
    loaded = [
        examples.open_examples(str(path), image_size=16).load(np.arange(ROWS))["depth"]
        for path in other
    ]
    np.testing.assert_array_equal(*loaded)
    known = arrays[arrays >= 0] / 65535
    statistics = json.loads((packed_set / "manifest.json").read_text())["statistics"]
    assert statistics["depth"]["mean"] == [pytest.approx(known.mean())]
    store, row = packed.Pictures(packed_set), labels.read(labels_path)[1]
    depth = decoding.decode(store, "depth", row.depth)
    np.testing.assert_array_equal(depth <= streams.HOLE, loaded[0][1] < 0)
    expected = loaded[0][1].numpy() / 65535
    np.testing.assert_allclose(depth[depth >= 0], expected[depth >= 0], atol=1e-6)


def test_what_stands_for_holes_is_not_learned(converted, other, tmp_path):
    """Neither from pictures nor from arrays; and what is learned can be scored."""
    more = ["losses.depth.terms={mean_absolute_error: 1}", "data.split=random"]
    more += ["training.epochs=1", "augmentation.zoom_minimum=0.6"]
    sums = []
    for source in (converted / "labels.txt", other[1]):
        workdir = tmp_path / f"run{len(sums)}"
        assert train_run([*tiny_overrides(source, workdir), *more]) == 0
        told = next(workdir.rglob("run.json"))
        sums.append(json.loads(told.read_text())["weights_sha256"])
    assert sums[0] == sums[1]
    scores = scoring.evaluate_run(told.parent)["depth"]
    assert all(np.isfinite(list(scores.values())))
