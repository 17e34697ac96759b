"""Damage to packed sets and to builds under way is found before it is used."""

import contextlib
import json
import random
import shutil

import numpy as np
import pytest

from benchmarks import made_sets
from benchmarks.made_sets import digests, run
from maskdepth_tf import errors, files
from maskdepth_tf.dataset import build, depth
from maskdepth_tf.dataset.packing import preparation
from maskdepth_tf.input import packed

MUTATIONS = 300


@pytest.fixture(scope="module")
def other(sets):
    """A built set of another seed: its files are as large."""
    folder = made_sets.begin(sets[0], "build", "other")
    with made_sets.stand_ins(with_pillow=True):
        assert run("build", folder, "--set", "recipe.seed=1") == 0
    return folder / "packed"


@pytest.fixture
def copy(sets, tmp_path):
    """A built set that may be changed."""
    return shutil.copytree(sets[0] / "build-undisturbed" / "packed", tmp_path / "copy")


def flip(rng, path, other):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(rng, path, other):
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def cut_an_array(rng, path, other):
    """After the header, or after a whole number of its rows."""
    data = path.read_bytes()
    start = 128 if path.suffix == ".npy" else 0
    size = max((len(data) - start) // 12, 1)
    path.write_bytes(data[: start + size * rng.randrange(12)])


def append(rng, path, other):
    path.write_bytes(path.read_bytes() + b"\0")


def swap(rng, path, other):
    path.write_bytes((other / path.name).read_bytes())


def exchange(rng, path, other):
    name = "depth.npy" if path.name == "mask.npy" else "mask.npy"
    path.write_bytes((path.parent / name).read_bytes())


def remove(rng, path, other):
    path.unlink()


MUTATE = (flip, cut, cut_an_array, append, swap, exchange, remove)


def leaves(value, path=()):
    """Paths to all that is no dictionary or list within one."""
    if isinstance(value, dict | list) and value:
        keys = value if isinstance(value, dict) else range(len(value))
        return [leaf for key in keys for leaf in leaves(value[key], (*path, key))]
    return [path]


def edit(rng, path, other):
    """Gives a place of the manifest another value, or takes it away."""
    manifest = json.loads(path.read_bytes())
    *parents, last = rng.choice(leaves(manifest))
    place = manifest
    for key in parents:
        place = place[key]
    if rng.random() < 0.3:
        del place[last]
    else:
        place[last] = 7 if place[last] != 7 else 8
    path.write_text(json.dumps(manifest))


def test_300_mutations_of_a_packed_set_are_all_found(copy, other):
    rng = random.Random(0)
    names = sorted(path.name for path in copy.iterdir())
    assert {*packed.FILES, "manifest.json", "depth_range.csv"} < set(names)
    found = 0
    while found < MUTATIONS:
        path = copy / names[found % len(names)]
        whole = path.read_bytes()
        is_manifest = path.name == "manifest.json"
        mutate = rng.choice((*MUTATE, edit, edit, edit) if is_manifest else MUTATE)
        mutate(rng, path, other)
        if path.exists() and is_equal(path, whole):
            continue
        with pytest.raises(errors.DataError) as caught:
            packed.open_packed(copy)
        line = str(caught.value)
        assert "\n" not in line
        # Of a swapped manifest, the files that it does not describe are named.
        assert path.name in line or (is_manifest and line.startswith(f"{copy}/")), line
        path.write_bytes(whole)
        found += 1
    packed.open_packed(copy)


def is_equal(path, whole):
    """Whether a file says what it said; in JSON, an E may be large."""
    data = path.read_bytes()
    with contextlib.suppress(ValueError):
        return data == whole or (
            path.suffix == ".json" and json.loads(data) == json.loads(whole)
        )
    return False


def test_files_that_the_manifest_does_not_name_are_not_opened(copy):
    (copy / "notes.npy").mkdir()
    (copy / ".DS_Store").write_bytes(b"\0")
    (copy / "fg.npy").symlink_to("/dev/full")
    assert len(packed.open_packed(copy).rows) == 12


def test_an_older_manifest_has_no_sum(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    del manifest["sha256"]
    (copy / "manifest.json").write_text(json.dumps(manifest | {"packed": 1}))
    assert packed.read_manifest(copy)["packed"] == 1
    packed.check(copy, packed.read_manifest(copy))
    del manifest["files"]["mask.npy"]
    (copy / "manifest.json").write_text(json.dumps(manifest | {"packed": 1}))
    with pytest.raises(errors.DataError, match="manifest.json: must name bg.npy, fg_b"):
        packed.open_packed(copy)


@pytest.fixture
def under_way(sets, tmp_path_factory, monkeypatch):
    """A build that was stopped when all shards were there; made anew by each call."""

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    root = tmp_path_factory.mktemp("builds")
    for name in ("cutouts", "rooms", "net.tflite", "plan.yaml"):
        (root / name).symlink_to(sets[0] / name)
    begun = made_sets.begin(root, "build", "begun")
    with monkeypatch.context() as patch:
        patch.setattr(files, "unfinished_folder", stop)
        assert run("build", begun) == 130

    def make():
        shutil.rmtree(root / "build-again", ignore_errors=True)
        return shutil.copytree(begun, root / "build-again")

    with made_sets.stand_ins(with_pillow=True):
        yield make


@pytest.fixture(autouse=True)
def quick():
    with made_sets.stand_ins(with_pillow=True):
        yield


def swap_shards(rng, path, other):
    name = "000001.npz" if path.name == "000000.npz" else "000000.npz"
    path.write_bytes((path.parent / name).read_bytes())


def shrink_shape(rng, path, other):
    """Says that an array has fewer rows than it has."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"'shape': (5", b"'shape': (4", 1))


def write_other_npz(rng, path, other):
    np.savez(path, mask=np.zeros(3))


SHARD_MUTATIONS = (cut, append, remove, swap_shards, shrink_shape, write_other_npz)


def test_100_mutations_of_shards_are_found_or_mean_nothing(under_way):
    rng = random.Random(0)
    with contextlib.chdir(under_way()):
        begun, _ = preparation.prepare(build.load_plan(["../plan.yaml"], []))
        paths = [begun.path(number) for number in range(2)]
        whole = [begun.read(number) for number in range(2)]
        found = 0
        for _ in range(100):
            number = rng.randrange(2)
            data = paths[number].read_bytes()
            rng.choice((flip, flip, *SHARD_MUTATIONS))(rng, paths[number], None)
            left = begun.read(number)
            found += left is None
            if left is not None:
                np.testing.assert_equal(left, whole[number])
            paths[number].write_bytes(data)
    assert found > 80


def test_an_array_that_says_less_than_it_holds_is_damaged(under_way):
    with contextlib.chdir(under_way()):
        begun, _ = preparation.prepare(build.load_plan(["../plan.yaml"], []))
        path, arrays_found = begun.path(0), begun.read(0)
        # So large that zipfile does not read to its end, where the sum is compared.
        arrays_found["mask"] = np.zeros((5, 64, 64, 1), np.uint8)
        np.savez(path, number=0, **arrays_found)
        assert begun.read(0) is not None
        data = path.read_bytes()
        path.write_bytes(data.replace(b"'shape': (5, 64", b"'shape': (4, 64"))
        assert begun.read(0) is None


@pytest.mark.parametrize("mutate", SHARD_MUTATIONS)
def test_mutated_shards_are_made_again(mutate, sets, under_way):
    folder = under_way()
    shards = sorted((folder / "packed.partial" / "shards").iterdir())
    assert [path.name for path in shards] == [f"00000{n}.npz" for n in range(3)]
    mutate(random.Random(0), shards[1], None)
    (shards[0].parent / "000009.npz").write_bytes(b"extra")
    assert run("build", folder) == 0
    assert digests(folder) == sets[1]["build"]


@pytest.mark.parametrize("name", ["sources.json", "build.yaml"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\0", b'{"rows": 3}', None])
def test_a_build_of_which_the_plan_was_edited_is_refused(
    name, content, sets, under_way, capsys
):
    folder = under_way()
    path = folder / "packed.partial" / name
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert run("build", folder) == 4
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("error: packed.partial")
    assert "--force throws it away" in line
    assert not (folder / "packed").exists()
    assert run("build", folder, "--force") == 0
    assert digests(folder) == sets[1]["build"]


@pytest.mark.parametrize("name", ["Background/bg1.jpg", "Foreground/fg1.png"])
def test_sources_of_a_build_are_written_anew(name, sets, under_way):
    folder = under_way()
    (folder / "packed.partial" / name).write_bytes(b"")
    assert run("build", folder) == 0
    assert digests(folder) == sets[1]["build"]


def test_a_line_of_ranges_that_was_cut_off_is_left_out(sets, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(sets[0] / "depth-undisturbed" / "set", folder)
    lines = (folder / "depth_range.csv").read_bytes().splitlines(keepends=True)
    journal = folder / "depth_range.partial.csv"
    (folder / "depth_range.csv").unlink()
    journal.write_bytes(b"".join(lines[1:4]) + lines[4][:-5])
    for number in range(4, 13):
        (folder / f"data_1/Depth/depth{number}.jpg").unlink()
    depth.make_depth(folder, "net.tflite")
    assert digests(tmp_path) == sets[1]["depth"]
