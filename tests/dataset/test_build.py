"""Builds: the arrays of three commands by one, whatever happens on the way."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from benchmarks import made_sets
from benchmarks.made_sets import FloorTeacher, write_sources
from maskdepth_tf import cli, errors, schema
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import build, compose, depth, pack
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.dataset.packing import beam, preparation, shards
from maskdepth_tf.input import packed
from tests.support.paths import ROOT

RECIPE = {"image_size": 32, "scale": [0.4, 0.8], "views": 2, "quality": 80}
NUM_ROWS = 50


@pytest.fixture(autouse=True)
def quick(request):
    """A made-up teacher, threads instead of processes; in all tests but one, Pillow."""
    is_whole = "three_commands" in request.fixturenames
    with made_sets.stand_ins(with_pillow=not is_whole):
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six cut-outs and six rooms."""
    root = tmp_path_factory.mktemp("sources")
    write_sources(root, 6)
    (root / "net.tflite").write_bytes(b"a network")
    return root


def plan(folders, output, **more):
    values = {
        "rows": NUM_ROWS,
        "shard_rows": 20,
        "image_size": 16,
        "test_fraction": 0.3,
    }
    return shards.Build(
        foregrounds=str(folders / "cutouts"),
        backgrounds=str(folders / "rooms"),
        teacher=str(folders / "net.tflite"),
        output=str(output),
        recipe=Recipe(**RECIPE | {"scale": (0.4, 0.8)}),
        **values | more,
    )


@pytest.fixture(scope="module")
def three_commands(folders, tmp_path_factory):
    """What the three commands make."""
    root = tmp_path_factory.mktemp("three")
    with made_sets.stand_ins(with_pillow=False):
        compose.compose(
            [folders / "cutouts"],
            [folders / "rooms"],
            root / "set",
            plan(folders, "x").recipe,
            num_rows=NUM_ROWS,
        )
        depth.make_depth(root / "set", str(folders / "net.tflite"))
        pack.pack(root / "set" / "labels.txt", root / "packed", image_size=16)
    shutil.move(root / "set" / "depth_range.csv", root / "packed")
    return root / "packed"


@pytest.fixture(scope="module")
def expected(folders, tmp_path_factory):
    """What a build makes that nothing disturbs."""
    output = tmp_path_factory.mktemp("expected") / "set"
    with made_sets.stand_ins(with_pillow=True):
        build.build(plan(folders, output))
    return output


def assert_as_expected(output, expected):
    for name in (*packed.FILES, "depth_range.csv"):
        assert (output / name).read_bytes() == (expected / name).read_bytes(), name
    assert not output.with_name(f"{output.name}.partial").exists()


def test_arrays_are_those_of_three_commands(folders, three_commands, tmp_path):
    manifest = build.build(plan(folders, tmp_path / "set"), num_workers=2)
    assert_as_expected(tmp_path / "set", three_commands)
    assert manifest["build"]["rows"] == NUM_ROWS
    assert manifest["teacher"]["check"]["rows"] == 32
    assert manifest["sources"]["Foreground/fg1.png"]["name"] == "0.png"
    names = {path.name for path in (tmp_path / "set").iterdir()}
    assert names == {*packed.FILES, "manifest.json", "build.yaml", "depth_range.csv"}
    packed.open_packed(tmp_path / "set")


def test_a_preset_is_what_the_recipe_starts_from(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("preset: realistic\nrecipe: {quality: 80, motion_blur: 0}\n")
    found = build.load_plan([str(path)], ["recipe.shadow=false"])
    realistic = {"contact": True, "match": True, "stretch": True, "close_up": 0.25}
    realistic |= {"scale": (0.4, 0.8)}
    assert found.recipe == Recipe(quality=80, **realistic)
    assert build.load_plan([str(path)], ["preset=reference"]).recipe == Recipe(
        quality=80
    )


def test_killed_build_goes_on(folders, expected, tmp_path, monkeypatch):
    wanted = plan(folders, tmp_path / "set")
    made = []
    make = shards.Shards.make

    def die_at_2(self, number):
        if number == 2:
            raise KeyboardInterrupt
        return make(self, number)

    monkeypatch.setattr(shards.Shards, "make", die_at_2)
    with pytest.raises(KeyboardInterrupt):
        build.build(wanted)
    folder = tmp_path / "set.partial" / "shards"
    assert sorted(path.name for path in folder.iterdir()) == [
        "000000.npz",
        "000001.npz",
    ]
    # One of them was damaged meanwhile.
    whole = (folder / "000001.npz").read_bytes()
    (folder / "000001.npz").write_bytes(whole[:-30])

    def count(self, number):
        made.append(number)
        return make(self, number)

    monkeypatch.setattr(shards.Shards, "make", count)
    build.build(wanted)
    assert made == [1, 2]
    assert_as_expected(tmp_path / "set", expected)


@pytest.mark.parametrize("place", [100, 5000, -40])
def test_flipped_shard_is_made_again(folders, expected, tmp_path, place):
    wanted = plan(folders, tmp_path / "set")
    begun, _ = preparation.prepare(wanted)
    build._make_all(begun, 1)
    path = begun.path(0)
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)
    try:
        assert begun.read(0) is None or (begun.read(0)["mask"] <= 1).all()
    except zipfile.BadZipFile:
        pytest.fail("a damaged shard is one that is not there")
    build.build(wanted)
    assert_as_expected(tmp_path / "set", expected)


def test_another_plan_or_other_sources_are_refused(folders, tmp_path):
    preparation.prepare(plan(folders, tmp_path / "set"))
    other = plan(folders, tmp_path / "set", rows=40)
    message = "set.partial: a build of another plan is under way there, see build.yaml"
    with pytest.raises(errors.StateError, match=message):
        build.build(other)
    sources = tmp_path / "set.partial" / "sources.json"
    sources.write_text("{}")
    message = "sources.json: the build was begun with other cut-outs, rooms or another"
    with pytest.raises(errors.StateError, match=message):
        build.build(plan(folders, tmp_path / "set"))
    assert build.build(other, force=True)["counts"]["rows"] == 40
    with pytest.raises(errors.UsageError, match="--output must not exist"):
        build.build(other)


def test_teacher_that_is_upside_down(folders, tmp_path, monkeypatch):
    upright = FloorTeacher.predict
    monkeypatch.setattr(FloorTeacher, "predict", lambda *a: 12 - upright(*a))
    with pytest.raises(errors.DataError, match="the teacher's depth is upside down"):
        build.build(plan(folders, tmp_path / "set"))
    assert not (tmp_path / "set").exists()


def test_command(folders, expected, tmp_path, capsys):
    config = tmp_path / "build.yaml"
    config.write_text(
        f"foregrounds: {folders / 'cutouts'}\nbackgrounds: {folders / 'rooms'}\n"
        f"teacher: {folders / 'net.tflite'}\noutput: {tmp_path / 'set'}\n"
        f"recipe: {json.dumps(RECIPE)}\nrows: {NUM_ROWS}\nshard_rows: 20\n"
    )
    argv = ["build", "--config", str(config), "--set", "image_size=16"]
    assert cli.run(dataset.main, [*argv, "--dry-run", "--workers", "3"]) == 0
    out = capsys.readouterr().out
    assert "rows     50 in 3 shards\n" in out
    assert "with 3 processes" in out
    assert not (tmp_path / "set.partial").exists()
    assert cli.run(dataset.main, argv) == 0
    *_, done, step = capsys.readouterr().out.splitlines()
    assert done == f"50 rows packed in {tmp_path}/set, 0.1 MB"
    assert "--set data.image_size=16 --set data.test_fraction=0.3" in step
    assert_as_expected(tmp_path / "set", expected)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", "0"], "--workers must be 1 or more. Received: 0"),
        (["--set", "row=3"], "unknown configuration key: row. The nearest is: rows"),
        (
            ["--set", "preset=real"],
            "preset must be one of reference, realistic. Received: real",
        ),
        (["--set", "preset=[a]"], "preset must be one of reference, realistic."),
        (["--set", "rows=0"], "rows must be 1 or more. Received: 0"),
        (["--set", "depth_quality=99"], "depth_quality must be 1 to 95. Received: 99"),
        (["--set", "test_fraction=1"], "test_fraction must be between 0 and 1."),
        (["--set", "recipe.quality=0"], "--quality must be 1 to 100. Received: 0"),
        (["--exchange", "a"], "--exchange goes with --beam. Received: a"),
        (
            ["--beam"],
            "--beam needs the package apache-beam, which fits only in an environment",
        ),
    ],
)
def test_refused(capsys, monkeypatch, flags, message):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert cli.run(dataset.main, ["build", *flags]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "folder"),
    [([], "set.partial/exchange"), (["--exchange", "gs://a/b"], "gs://a/b")],
)
def test_flags_of_beam(folders, expected, tmp_path, monkeypatch, flags, folder):
    def connect(*given):
        assert given == (["--runner=Any", "--force", "x"], folder)
        return lambda shards: [shards.make(n) for n in range(shards.count)]

    monkeypatch.setattr(beam, "connect", connect)
    monkeypatch.chdir(tmp_path)
    wanted = plan(folders, "set")
    Path("plan.yaml").write_text(yaml.safe_dump(schema.to_dict(wanted)))
    argv = ["build", "--config", "plan.yaml", *flags, "--beam"]
    assert cli.run(dataset.main, [*argv, "--runner=Any", "--force", "x"]) == 0
    assert_as_expected(tmp_path / "set", expected)


def test_the_documented_plan_is_the_default():
    text = (ROOT / "docs" / "data_format.md").read_text()
    (documented,) = re.findall(r"```yaml\n(foregrounds:.*?)```", text, re.DOTALL)
    assert yaml.safe_load(documented) == schema.to_dict(shards.Build())
