"""Builds whose shards Apache Beam has made; run in `.venv-beam`, see the Makefile.

No test asks for the runner `DirectRunner`: where it can, it downloads another one.
"""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks.made_sets import write_sources
from benchmarks.threads import thread_pool
from maskdepth_tf import cli, errors, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import build
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.dataset.packing import beam, beam_worker, preparation, shards
from maskdepth_tf.input import packed
from maskdepth_tf.machines import exchange, launching, piecework

IN_PROCESS = ["--runner=FnApiRunner"]
TWO_PROCESSES = [
    *IN_PROCESS,
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three cut-outs, three rooms and a teacher whose metres fall with the row."""
    root = tmp_path_factory.mktemp("sources")
    write_sources(root, 3)
    falling = tf.linspace(9.0, 3.0, 16)[:, tf.newaxis]
    spec = tf.TensorSpec((1, 16, 16, 3), tf.float32)
    module = tf.Module()
    module.serve = tf.function(lambda image: falling - image[..., 0], [spec])
    tf.saved_model.save(module, root / "net", {"serving_default": module.serve})
    return root


def plan(folders, output, teacher="net", **more):
    values = {"rows": 36, "shard_rows": 12, "image_size": 16}
    return shards.Build(
        foregrounds=str(folders / "cutouts"),
        backgrounds=str(folders / "rooms"),
        teacher=teacher if ":" in teacher else str(folders / teacher),
        output=str(output),
        recipe=Recipe(image_size=32, scale=(0.4, 0.8), views=2),
        **values | more,
    )


@pytest.fixture(scope="module")
def expected(folders, tmp_path_factory):
    """What two processes of this machine make."""
    output = tmp_path_factory.mktemp("expected") / "set"
    build.build(plan(folders, output), num_workers=2)
    return output


@pytest.fixture
def threads(monkeypatch):
    """Threads instead of processes."""
    monkeypatch.setattr(workers, "pool", thread_pool)


def assert_same(output, expected):
    names = {path.name for path in output.iterdir()}
    assert names == {*packed.FILES, "manifest.json", "build.yaml", "depth_range.csv"}
    for name in (*packed.FILES, "depth_range.csv"):
        received = (output / name).read_bytes()
        assert received == (expected / name).read_bytes(), name
    manifests = [
        json.loads((folder / "manifest.json").read_bytes())
        for folder in (output, expected)
    ]
    for manifest in manifests:
        # What the output is called, and the sums that this changes.
        del manifest["build"]["output"]
        del manifest["files"]["build.yaml"], manifest["sha256"]
    assert manifests[0] == manifests[1]
    assert not output.with_name(f"{output.name}.partial").exists()


def run(folders, output, *flags, exchange=None):
    """The command as it is called; its exit code."""
    config = output.with_name(f"{output.name}.yaml")
    config.write_text(
        f"foregrounds: {folders / 'cutouts'}\nbackgrounds: {folders / 'rooms'}\n"
        f"teacher: {folders / 'net'}\noutput: {output}\nrows: 36\nshard_rows: 12\n"
        "image_size: 16\nrecipe: {image_size: 32, scale: [0.4, 0.8], views: 2}\n"
    )
    more = [] if exchange is None else ["--exchange", str(exchange)]
    argv = ["build", "--config", str(config), "--workers", "1", *more, "--beam", *flags]
    return cli.run(dataset.main, argv)


def test_same_as_two_processes_of_beam(folders, expected, tmp_path, threads):
    # Theirs are processes of processes: the threads are here alone.
    assert run(folders, tmp_path / "set", *TWO_PROCESSES) == 0
    assert_same(tmp_path / "set", expected)


def test_same_as_one_local_worker(folders, expected, tmp_path, threads):
    build.build(plan(folders, tmp_path / "set"), num_workers=1)
    assert_same(tmp_path / "set", expected)


def launch(wanted, folder):
    make = beam.connect(IN_PROCESS, str(folder))
    return build.build(wanted, make_shards=make)


def ends(folder):
    """How the files in an exchange end."""
    return sorted(path.name[64:] for path in folder.iterdir())


def test_killed_build_goes_on(folders, expected, tmp_path, monkeypatch, threads):
    wanted, folder = plan(folders, tmp_path / "set"), tmp_path / "exchange"
    make, made = shards.Shards.make, []

    def die_at_third(self, number):
        if len(made) == 2:
            raise OSError("no more memory")
        made.append(number)
        return make(self, number)

    monkeypatch.setattr(shards.Shards, "make", die_at_third)
    with pytest.raises(errors.StateError, match="the pipeline failed: no more memory"):
        launch(wanted, folder)
    names = [exchange.made(number) for number in made]
    assert ends(folder) == [*sorted(names), ".zip"]
    # One was damaged, one was being written, and the archive is no longer whole.
    (damaged,) = folder.glob(f"*{names[0]}")
    damaged.write_bytes(damaged.read_bytes()[:-30])
    damaged.with_name(f"{damaged.name}.0123456789abcdef").write_bytes(b"a part")
    (archive,) = folder.glob("*.zip")
    archive.write_bytes(b"")

    again = []
    monkeypatch.setattr(
        shards.Shards, "make", lambda *a: again.append(a[1]) or make(*a)
    )
    launch(wanted, folder)
    assert sorted(again) == sorted({0, 1, 2} - {made[1]})
    assert_same(tmp_path / "set", expected)
    assert ends(folder) == [f"{names[0]}.0123456789abcdef"]


def test_launcher_that_was_killed_after_the_pipeline(
    folders, expected, tmp_path, monkeypatch, threads
):
    wanted, folder = plan(folders, tmp_path / "set"), tmp_path / "exchange"
    with monkeypatch.context() as patch:
        patch.setattr(launching, "_raise_fault", lambda place: 1 / 0)
        with pytest.raises(errors.StateError, match="exchange: division by zero"):
            launch(wanted, folder)
    assert len(ends(folder)) == 4
    monkeypatch.setattr(launching.Machines, "make", lambda *a: pytest.fail("none"))
    launch(wanted, folder)
    assert_same(tmp_path / "set", expected)
    assert ends(folder) == []


def test_another_build_in_the_same_folder(folders, expected, tmp_path, threads):
    folder = tmp_path / "exchange"
    other = beam.connect(IN_PROCESS, str(folder))
    begun, _ = preparation.prepare(plan(folders, tmp_path / "other", depth_quality=20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "_fetch", lambda place, shards, numbers, _: list(numbers))
        with pytest.raises(errors.StateError, match="damaged or missing"):
            other(begun)
    theirs = ends(folder)
    assert theirs == [exchange.made(number) for number in range(3)]
    launch(plan(folders, tmp_path / "set"), folder)
    assert_same(tmp_path / "set", expected)
    assert ends(folder) == theirs


def test_exchange_that_cannot_be_written(folders, tmp_path, threads):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StateError, match="/file/a: .*Not a directory"):
        launch(plan(folders, tmp_path / "set"), tmp_path / "file" / "a")


def test_inputs_of_teachers_of_all_kinds(folders, tmp_path):
    def given(teacher):
        named = beam._inputs(plan(folders, tmp_path, teacher=teacher))
        return {n: p for n, p in named if n.startswith(beam_worker.TEACHER)}

    net = folders / "net" / "saved_model.pb"
    assert given("net/../net/")["teacher/net/saved_model.pb"] == net
    assert given(str(net)) == {"teacher/saved_model.pb": net}
    assert given("keras_hub:some_preset") == {}
    there = given(f"keras_hub:{folders}/net")
    assert there["teacher/net/saved_model.pb"] == net
    (tmp_path / "teacher" / "net").mkdir(parents=True)
    moved = beam_worker._moved(plan(folders, "x", teacher="keras_hub:a/net"), tmp_path)
    assert moved.teacher == f"keras_hub:{tmp_path}/teacher/net"


def damage_archive(patch):
    put = exchange.Exchange.put

    def put_damaged(self, suffix, file):
        put(self, suffix, file)
        if suffix == exchange.INPUTS:
            path = Path(self.path(suffix))
            path.write_bytes(path.read_bytes()[:-1])

    patch.setattr(exchange.Exchange, "put", put_damaged)


def damage_teacher(patch):
    inputs = beam._inputs

    def damaged(wanted):
        for name, path in inputs(wanted):
            is_net = path.name == "saved_model.pb"
            yield name, Path(wanted.foregrounds, "0.png") if is_net else path

    patch.setattr(beam, "_inputs", damaged)


def change_version(patch):
    versions = storing.versions()
    found = iter([versions, versions | {"numpy": "1.0"}])
    patch.setattr(storing, "versions", lambda: next(found))


def change_sources(patch):
    read = preparation.read_sources
    found = iter([read, lambda s: read(s) | {"teacher": "another"}])
    patch.setattr(preparation, "read_sources", lambda s: next(found)(s))


def lose_shards(patch):
    patch.setattr(piecework, "make_piece", lambda number, *args: number)


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (damage_archive, 3, "a worker failed: .*.zip: was damaged or replaced; start"),
        (damage_teacher, 3, "a worker failed: .*/net: not a SavedModel, or a damaged"),
        (change_version, 4, "a worker failed: must have numpy 2.* Received: 1.0"),
        (change_sources, 4, "a worker failed: sees other pictures or another teacher"),
        (lose_shards, 4, "-000000.made: damaged or missing after the pipeline; build"),
    ],
)
def test_one_line(folders, tmp_path, capfd, monkeypatch, threads, spoil, code, message):
    spoil(monkeypatch)
    assert run(folders, tmp_path / "set", *IN_PROCESS) == code
    said = capfd.readouterr().err
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert not (tmp_path / "set").exists()
