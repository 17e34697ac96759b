"""Packed sets: what is in them, that they train alike, and that damage is found."""

import errno
import json
import resource
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, errors, streams
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import pack as packing
from maskdepth_tf.dataset.packing import arrays, preparation
from maskdepth_tf.input import examples, labels, packed
from maskdepth_tf.training import checkpoints
from tests.support.labelled_sets import make_labelled_set
from tests.support.training_runs import tiny_overrides, train_run

SIDE = 16


@pytest.fixture
def copy(tmp_path, packed_dir):
    """A packed set that may be changed."""
    return shutil.copytree(packed_dir, tmp_path / "copy")


def assert_equal_examples(ours, theirs, count):
    a, b = (found.load(np.arange(count)) for found in (ours, theirs))
    for stream in streams.STREAMS:
        assert a[stream.name].dtype == stream.dtype
        assert len(a[stream.name]) == count
        np.testing.assert_array_equal(a[stream.name], b[stream.name])


def test_pixels_and_splits_are_those_of_the_labelled_set(labels_file, packed_dir):
    ours = examples.open_examples(str(packed_dir), image_size=SIDE)
    theirs = examples.open_examples(str(labels_file), image_size=SIDE)
    assert ours.rows == theirs.rows
    assert_equal_examples(ours, theirs, 40)
    for kind in ("random", "unseen"):
        found = examples.split_examples(ours, kind, 0.25, seed=9)  # drawn with seed 0
        expected = examples.split_examples(theirs, kind, 0.25, seed=0)
        assert set(found) == set(expected)
        for side, ids in expected.items():
            np.testing.assert_array_equal(found[side], ids)


def test_files(packed_dir, labels_file):
    manifest = json.loads((packed_dir / "manifest.json").read_text())
    assert set(manifest["files"]) == set(packed.FILES)
    assert {path.name for path in packed_dir.iterdir()} == {
        "manifest.json",
        *packed.FILES,
    }
    assert manifest["counts"]["rows"] == 40
    scenes = len({row.bg for row in labels.read(labels_file)})
    # Backgrounds once, whatever the number of rows.
    assert np.load(packed_dir / "bg.npy").shape == (scenes, SIDE, SIDE, 3)
    mask = np.load(packed_dir / "mask.npy")
    assert manifest["statistics"]["mask"]["mean"] == [pytest.approx(mask.mean())]


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_depth_is_as_wide_as_its_files(tmp_path, bits, dtype):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    ramp = np.linspace(0, 2**bits - 1, 256).reshape(16, 16).astype(dtype)
    for row in labels.read(labels_path):
        Image.fromarray(ramp).save(labels_path.parent / row.depth)
    packing.pack(labels_path, tmp_path / "packed", image_size=16)
    assert np.load(tmp_path / "packed" / "depth.npy").dtype == dtype
    ours = examples.open_examples(str(tmp_path / "packed"), image_size=16)
    theirs = examples.open_examples(str(labels_path), image_size=16)
    assert_equal_examples(ours, theirs, 8)


def test_training_is_the_same(tmp_path, trained, packed_dir):
    assert train_run(tiny_overrides(packed_dir, tmp_path)) == 0
    expected, found = map(checkpoints.load_model, (trained, tmp_path))
    assert checkpoints.weights_sha256(found) == checkpoints.weights_sha256(expected)


def test_first_rows(packed_dir):
    found = examples.open_examples(str(packed_dir), image_size=SIDE, max_rows=20)
    assert len(found.rows) == 20
    split = examples.split_examples(found, "random", 0.25, 0)
    assert sorted(np.concatenate(list(split.values()))) == list(range(20))


def test_another_size_or_split_is_refused(packed_dir):
    message = "must be packed at image_size=32. Received: image_size=16"
    with pytest.raises(errors.DataError, match=message):
        examples.open_examples(str(packed_dir), image_size=32)
    found = examples.open_examples(str(packed_dir), image_size=SIDE)
    message = (
        "was split with test_fraction=0.25; pack it again for another. "
        "Received: test_fraction=0.5"
    )
    with pytest.raises(errors.DataError, match=message):
        examples.split_examples(found, "random", 0.5, 0)


@pytest.mark.parametrize("name", packed.FILES)
def test_any_damage_is_found(copy, name):
    path = copy / name
    whole = path.read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        with pytest.raises(errors.DataError, match=f"{path}: damaged: its SHA-256"):
            packed.open_packed(copy)
    path.write_bytes(whole[:-1])
    with pytest.raises(errors.DataError, match=f"{path}: must have .* bytes. Received"):
        packed.open_packed(copy)
    path.unlink()
    with pytest.raises(errors.DataError, match=f"{path}: missing, though manifest"):
        packed.open_packed(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"packed": '])
def test_damaged_manifest(copy, content):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(errors.DataError, match="must be the manifest of a packed set"):
        packed.open_packed(copy)


def test_another_format(copy):
    (copy / "manifest.json").write_text('{"packed": 7}')
    with pytest.raises(errors.DataError, match="the format must be 2. Received: 7"):
        packed.open_packed(copy)


def test_folder_that_is_no_packed_set(tmp_path):
    message = f"{tmp_path}: a packed set must hold manifest.json"
    with pytest.raises(errors.DataError, match=message):
        examples.open_examples(str(tmp_path), image_size=SIDE)
    (tmp_path / "labels.txt").touch()
    with pytest.raises(errors.DataError, match=f"folder is {tmp_path}/labels.txt$"):
        examples.open_examples(str(tmp_path), image_size=SIDE)


def test_same_bytes_again(tmp_path, labels_file, packed_dir):
    output = tmp_path / "again"
    argv = ["pack", "--labels", str(labels_file), "--output", str(output)]
    argv += ["--image-size", str(SIDE), "--test-fraction", "0.25"]
    # What a run leaves that was killed.
    (tmp_path / "again.partial").mkdir()
    (tmp_path / "again.partial" / "bg.npy").write_bytes(b"half")
    assert cli.run(dataset.main, argv) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    for path in packed_dir.iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes(), path.name
    assert cli.run(dataset.main, argv) == 2
    assert cli.run(dataset.main, [*argv, "--force"]) == 0
    # Nothing but a packed set is ever replaced.
    (output / "manifest.json").unlink()
    assert cli.run(dataset.main, [*argv, "--force"]) == 2


def test_archives_are_packed_as_they_are(tmp_path, labels_file, packed_dir):
    root = labels_file.parent
    argv = ["pack", "--image-size", str(SIDE), "--test-fraction", "0.25"]
    for number, folders in enumerate((["bg", "fg", "mask"], ["fg_bg", "depth"])):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            for path in sorted(path for f in folders for path in (root / f).iterdir()):
                archive.write(path, path.relative_to(root))
            if number:
                archive.write(labels_file, "labels.txt")
    roots = ["--root", str(tmp_path / "0.zip"), str(tmp_path / "1.zip")]
    for name in (str(labels_file), "labels.txt"):
        output = tmp_path / f"packed_{len(name)}"
        flags = ["--labels", name, "--output", str(output), *roots]
        assert cli.run(dataset.main, [*argv, *flags]) == 0
        for path in packed_dir.iterdir():
            assert (output / path.name).read_bytes() == path.read_bytes(), path.name


HARMS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "crc": lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAX")),
    "encrypted": lambda path: path.write_bytes(
        path.read_bytes().replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_one_of_five_archives_is_bad(tmp_path, labels_file, packed_dir, harm, capsys):
    folders = ["bg", "fg", "mask", "fg_bg", "depth"]
    for name in folders:
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in sorted((labels_file.parent / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
    bad = tmp_path / "mask.zip"
    whole = bad.read_bytes()
    HARMS[harm](bad)
    roots = [str(tmp_path / f"{name}.zip") for name in folders]
    argv = ["pack", "--labels", str(labels_file), "--output", str(tmp_path / "p")]
    argv += ["--image-size", str(SIDE), "--test-fraction", "0.25", "--root", *roots]
    assert cli.run(dataset.main, argv) == 3
    error = capsys.readouterr().err
    assert "error: " in error
    assert str(bad) in error.split("error: ")[1].splitlines()[0]
    assert {path.suffix for path in tmp_path.iterdir()} == {".zip"}
    if harm == "crc":
        bad.write_bytes(whole)
        assert cli.run(dataset.main, argv) == 0
        for path in packed_dir.iterdir():
            assert (tmp_path / "p" / path.name).read_bytes() == path.read_bytes()


def test_picture_missing_from_the_archives(tmp_path, labels_file, capsys):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("bg/0.png", (labels_file.parent / "bg/0.png").read_bytes())
    argv = ["pack", "--labels", str(labels_file), "--output", str(tmp_path / "p")]
    assert cli.run(dataset.main, [*argv, "--root", str(tmp_path / "a.zip")]) == 3
    error = capsys.readouterr().err
    assert f"{labels_file}:1: " in error
    assert f"expected a member of {tmp_path}/a.zip, received none" in error
    assert not (tmp_path / "p").exists()


def test_without_cutouts_there_is_no_unseen_split(tmp_path, capsys):
    labels_path = make_labelled_set(tmp_path / "set", rows=40)
    (labels_path.parent / "fg" / "1.png").unlink()
    output = tmp_path / "packed"
    argv = ["pack", "--labels", str(labels_path), "--output", str(output)]
    assert cli.run(dataset.main, [*argv, "--image-size", "8"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"no unseen split: {labels_path.parent}/fg/1.png: ")
    assert "40 rows packed in" in out
    assert "--set data.image_size=8 --set data.test_fraction=0.3 " in out
    assert "--set data.split=random" in out
    found = examples.open_examples(str(output), image_size=8)
    assert len(examples.split_examples(found, "random", 0.3, 0)["train"]) > 20
    message = f"{output}: holds no unseen split: .*fg/1.png"
    with pytest.raises(errors.DataError, match=message):
        examples.split_examples(found, "unseen", 0.3, 0)


def test_full_disk(tmp_path, labels_file, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(errors.DiskFullError, match="the arrays need .* 0.00 GB free"):
        packing.pack(labels_file, tmp_path / "packed", image_size=SIDE)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_within_an_array_is_told_so(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    rows = [labels.Row("b", "f", f"{i}", f"{i}", f"{i}") for i in range(10_000)]
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            arrays.write_arrays(rows, tmp_path, 1, "uint8", lambda *args: [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "places.npy").stat().st_size == 100_000


@pytest.fixture
def two_workers(monkeypatch):
    """Sets as small as those here are packed by two processes."""
    monkeypatch.setattr(packing, "_ROWS_OF_A_PROCESS", 4)
    pool_or_here, counts = packing.workers.pool_or_here, []

    def counted(num_workers, *arguments):
        counts.append(num_workers)
        return pool_or_here(num_workers, *arguments)

    monkeypatch.setattr(packing.workers, "pool_or_here", counted)
    yield
    assert counts == [2]


def test_same_bytes_by_two_workers(tmp_path, labels_file, packed_dir, two_workers):
    packing.pack(
        labels_file,
        tmp_path / "set",
        image_size=SIDE,
        test_fraction=0.25,
        num_workers=2,
    )
    for path in packed_dir.iterdir():
        written = tmp_path / "set" / path.name
        assert written.read_bytes() == path.read_bytes(), path.name


def test_two_workers_name_what_is_damaged(tmp_path, two_workers):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    damaged = labels_path.parent / labels.read(labels_path)[5].mask
    damaged.write_bytes(damaged.read_bytes()[:-20])
    message = f"{damaged}: cannot be decoded as a picture"
    with pytest.raises(errors.DataError, match=message):
        packing.pack(labels_path, tmp_path / "packed", image_size=8, num_workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_damaged_picture_leaves_nothing(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    damaged = labels_path.parent / labels.read(labels_path)[5].mask
    damaged.write_bytes(damaged.read_bytes()[:-20])
    message = f"{damaged}: cannot be decoded as a picture"
    with pytest.raises(errors.DataError, match=message):
        packing.pack(labels_path, tmp_path / "packed", image_size=8)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--image-size", "0"], "--image-size must be 8 to 4096. Received: 0"),
        (["--test-fraction", "1"], "--test-fraction must be 0.001 to 0.999"),
        (["--seed", "-1"], "--seed must be 0 or more. Received: -1"),
    ],
)
def test_refused_flags(tmp_path, labels_file, capsys, flags, message):
    argv = ["pack", "--labels", str(labels_file), "--output", str(tmp_path / "p")]
    assert cli.run(dataset.main, [*argv, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_build_under_way_is_left_alone(labels_file, tmp_path):
    plan = tmp_path / "set.partial" / preparation.PLAN
    plan.parent.mkdir()
    plan.write_text("rows: 3")
    with pytest.raises(errors.StateError, match=r"set\.partial: a build is under way"):
        packing.pack(labels_file, tmp_path / "set", image_size=SIDE)
    assert plan.read_text() == "rows: 3"
