"""A labelled set, opened, split and described."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.input import examples, labels, pipeline
from tests.support.labelled_sets import make_labelled_set


def opened(labels_path, **kwargs):
    return examples.open_examples(str(labels_path), image_size=16, **kwargs)


@pytest.fixture(scope="module")
def whole(labels_file):
    return opened(labels_file)


def first(found):
    batch = found.load(tf.constant([0], tf.int64))
    return {name: pixels[0].numpy() for name, pixels in batch.items()}


def test_memory_and_files_give_the_same(labels_file, whole):
    in_memory, from_files = whole, opened(labels_file, memory_gb=0)
    assert in_memory.rows == from_files.rows == labels.read(labels_file)
    assert list(in_memory.from_files) == []
    assert list(from_files.from_files) == list(streams.STREAMS)
    for name, image in first(in_memory).items():
        np.testing.assert_array_equal(first(from_files)[name], image)


def test_what_was_no_square_says_so(tmp_path, whole):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    row = labels.read(labels_path)[1]
    for stream in streams.STREAMS:
        wide = np.zeros((12, 20, stream.channels), np.uint8).squeeze()
        path = labels_path.parent / getattr(row, stream.name)
        path.write_bytes(encoding.encode_png(wide))
    for memory_gb in (0, 1):
        found = opened(labels_path, memory_gb=memory_gb)
        batch = found.load(tf.constant([0, 1], tf.int64))
        np.testing.assert_allclose(batch[streams.ASPECT], [1, 20 / 12])
        inputs, targets = pipeline.split_example(batch)
        assert set(inputs) == {"bg", "fg_bg", streams.ASPECT}
        assert set(targets) == {"mask", "depth"}
        # What is registered needs to say it no longer.
        inputs, _ = pipeline.split_example(pipeline.registered(batch))
        assert set(inputs) == {"bg", "fg_bg"}
    assert streams.ASPECT not in first(whole)


def test_a_map_with_alpha_gives_all_maps_room_for_holes(tmp_path, whole):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    path = labels_path.parent / "depth/1.png"
    depth = np.round(65535 * preprocessing.read_depth(path)[..., 0]).astype(np.int32)
    depth[2:5, 3] = -1 - depth[2:5, 3]
    path.write_bytes(encoding.encode_png(depth))
    in_memory, from_files = opened(labels_path), opened(labels_path, memory_gb=0)
    for found in (in_memory, from_files):
        loaded = found.load(tf.constant([0, 1], tf.int64))["depth"]
        assert loaded.dtype == tf.int32
        np.testing.assert_array_equal(loaded[0], first(whole)["depth"])
        np.testing.assert_array_equal(loaded[1, ..., 0], depth)
    assert streams.HOLED_DEPTH in from_files.from_files
    truth = pipeline.split_example(found.load(tf.constant([1], tf.int64)))[1]["depth"]
    expected = np.where(depth < 0, -1 - (-1 - depth) / 65535, depth / 65535)
    np.testing.assert_allclose(truth[0, ..., 0], expected, atol=1e-6)
    np.testing.assert_array_equal(truth[0, ..., 0] <= streams.HOLE, depth < 0)
    # Of the first row alone there are none.
    loaded = opened(labels_path, max_rows=1).load(tf.constant([0], tf.int64))
    assert loaded["depth"].dtype == tf.uint16


def test_root_and_first_rows(labels_file, tmp_path):
    moved = tmp_path / "moved.txt"
    moved.write_bytes(labels_file.read_bytes())
    root = str(labels_file.parent)
    found = opened(moved, root=root, max_rows=7, memory_gb=0)
    assert len(found.rows) == 7
    assert found.root == root
    with pytest.raises(DataError, match="moved.txt:1: .*No such file"):
        opened(moved)


def test_missing_labels(tmp_path):
    with pytest.raises(DataError, match=r"labels\.txt: No such file"):
        opened(tmp_path / "labels.txt")


def test_all_bad_pictures_are_named_before_the_first_is_used(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    (labels_path.parent / "mask/2.png").unlink()
    (labels_path.parent / "depth/5.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"(?s):3: .*2\.png.*\n.*:6: .*5\.png"):
        opened(labels_path)


def test_picture_damaged_behind_its_header(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    path = labels_path.parent / "fg_bg/3.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"3\.png: cannot be decoded as a picture"):
        opened(labels_path)


def test_cutouts_are_needed_only_where_they_are_looked_at(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=40)
    for path in (labels_path.parent / "fg").iterdir():
        path.unlink()
    found = opened(labels_path, foregrounds=False, memory_gb=0)
    split = examples.split_examples(found, "random", 0.25, 0)
    assert examples.describe(str(labels_path), found, split)["rows"] == 40
    with pytest.raises(DataError, match=r"fg/0\.png: No such file"):
        opened(labels_path)


def test_cutout_damaged_behind_its_header_is_named_by_the_split(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=40)
    path = labels_path.parent / "fg/3.png"
    path.write_bytes(path.read_bytes()[:60])
    found = opened(labels_path)
    with pytest.raises(DataError, match=r"fg/3\.png: cannot be decoded"):
        examples.split_examples(found, "unseen", 0.25, 0)


def test_unseen_split_keeps_pictures_apart(whole):
    found = whole
    split = examples.split_examples(found, "unseen", 0.25, 0)
    assert set(split) == {"train", "validation", "test", "new_bg", "new_fg"}
    train = [found.rows[i] for i in (*split["train"], *split["validation"])]
    test = [found.rows[i] for i in split["test"]]
    assert not {r.bg for r in train} & {r.bg for r in test}
    assert not {r.fg for r in train} & {r.fg for r in test}


def test_mirrored_scenes_stay_on_one_side(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=40)
    folder = labels_path.parent / "bg"
    for i in range(0, 8, 2):
        mirrored = preprocessing.read_rgb(folder / f"{i}.png")[:, ::-1]
        encoding.write_image(folder / f"{i + 1}.png", mirrored)
    found = opened(labels_path, memory_gb=0)
    for seed in range(3):
        split = examples.split_examples(found, "unseen", 0.3, seed)
        new = {found.rows[i].bg for i in (*split["test"], *split["new_bg"])}
        numbers = {int(name[3:-4]) for name in new}
        assert numbers
        assert {number ^ 1 for number in numbers} == numbers


def test_random_split(whole):
    split = examples.split_examples(whole, "random", 0.25, 0)
    assert {k: len(v) for k, v in split.items()} == {
        "train": 28,
        "validation": 2,
        "test": 10,
    }


def test_description(labels_file, whole):
    found = whole
    split = {"train": np.arange(6), "test": np.arange(6, 9)}
    described = examples.describe(str(labels_file), found, split)
    assert described["labels"] == str(labels_file)
    assert described["rows"] == 40
    assert described["splits"] == {"train": 6, "test": 3}
    assert described["sha256"] == examples.fingerprint(str(labels_file), found)


def test_fingerprint_by_hand(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=1)
    root = labels_path.parent
    digest = hashlib.sha256(labels_path.read_bytes())
    names = ("bg/0.png", "depth/0.png", "fg_bg/0.png", "mask/0.png")
    for name in names:
        digest.update(f"{name}\t{(root / name).stat().st_size}\n".encode())
    found = opened(labels_path, memory_gb=0)
    assert examples.fingerprint(labels_path, found) == digest.hexdigest()
    with open(root / "mask/0.png", "ab") as file:
        file.write(b"more")
    assert examples.fingerprint(labels_path, found) != digest.hexdigest()
