"""Folders whose pictures Apache Beam has predicted; run in `.venv-beam`."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.threads import thread_pool
from maskdepth_tf import cli, predict, workers
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.errors import DataError, StateError, UsageError
from maskdepth_tf.inference import beam, predicting
from maskdepth_tf.machines import exchange, launching, piecework
from maskdepth_tf.network import model

IN_PROCESS = ["--runner=FnApiRunner"]
TWO_PROCESSES = [
    *IN_PROCESS,
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
]
RESULTS = ["cutout", "depth", "mask", "overview"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A network, a room, six pictures: good, odd, bad, with a name that is no text."""
    root = tmp_path_factory.mktemp("scene")
    model.resnet_unet(16, (4, 8)).save(root / "net.keras")
    room = np.full((18, 24, 3), 90, np.uint8)
    room[:, ::6] = 140
    Image.fromarray(room).save(root / "room.png")
    (root / "frames").mkdir()
    for number in range(4):
        frame = room.copy()
        frame[4:16, 2 + 4 * number : 10 + 4 * number] = (230, 30, 20 * number)
        Image.fromarray(frame).save(root / "frames" / f"{number}.png")
    first, last = (Image.fromarray(frame[:, ::turn]) for turn in (1, -1))
    first.save(root / "frames" / "film.gif", save_all=True, append_images=[last])
    (root / "frames" / "text.png").write_bytes(b"hello")
    os.rename(root / "frames" / "3.png", os.fsencode(root / "frames") + b"/3\xff.png")
    return root


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Three pieces, and threads in place of processes."""
    monkeypatch.setattr(beam, "LENGTH", 2)
    monkeypatch.setattr(workers, "pool", thread_pool)


def run(scene, output, *flags, bg="room.png"):
    """The command as it is called; its exit code."""
    argv = ["--model", str(scene / "net.keras"), "--bg", str(scene / bg)]
    argv += ["--fg-bg", str(scene / "frames"), "--output", str(output)]
    return cli.run(predict.main, [*argv, *flags])


@pytest.fixture
def expected(scene, tmp_path, capsys):
    """What this machine makes, and says in JSON."""
    assert run(scene, tmp_path / "expected", "--json") == DataError.exit_code
    return tmp_path / "expected", told(capsys)


def told(capsys):
    """Lines of JSON, without what depends on clocks and on the output's name."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        for name in ("seconds", "rate", "path"):
            line.pop(name, None)
    return lines


def page(folder):
    """The summary, without its rate."""
    text = (folder / "summary.html").read_text()
    return re.sub(r"(\d+ earlier, )?[\d.]+ a second", "", text)


def assert_same(output, expected):
    names = sorted(os.listdir(expected))
    assert sorted(os.listdir(output)) == names
    assert page(output) == page(expected)
    for name in names:
        if name.endswith(".png"):
            assert (output / name).read_bytes() == (expected / name).read_bytes(), name
    assert not output.with_name(f"{output.name}.partial").exists()


def test_same_as_this_machine(scene, tmp_path, expected, capsys):
    folder, lines = expected
    assert len(os.listdir(folder)) == 4 * 5 + 2
    output = tmp_path / "out"
    assert run(scene, output, "--json", "--beam", *TWO_PROCESSES) == 3
    assert told(capsys) == lines
    assert_same(output, folder)


def test_a_background_for_each_and_an_exchange(scene, tmp_path, capsys):
    (scene / "rooms").mkdir(exist_ok=True)
    for picture in (scene / "frames").iterdir():
        data = (scene / "room.png").read_bytes()
        (scene / "rooms" / picture.name).write_bytes(data)
    run(scene, tmp_path / "expected", "--json", bg="rooms")
    lines = told(capsys)
    between = tmp_path / "between"
    flags = ["--json", "--exchange", str(between), "--beam", *IN_PROCESS]
    assert run(scene, tmp_path / "out", *flags, bg="rooms") == 3
    assert told(capsys) == lines
    assert_same(tmp_path / "out", tmp_path / "expected")
    assert os.listdir(between) == []


def ends(folder):
    """How the files in an exchange end."""
    return sorted(path.name[64:] for path in folder.iterdir())


def test_goes_on_where_it_ended(scene, tmp_path, expected, monkeypatch, capsys):
    output, between = tmp_path / "out", tmp_path / "between"
    flags = ["--exchange", str(between), "--beam", *IN_PROCESS]
    predicted, predict_one = [], predicting.predict

    def die_at_fourth(pair, *rest):
        if len(predicted) == 3:
            raise OSError("no more memory")
        predicted.append(pair.fg_bg)
        return predict_one(pair, *rest)

    monkeypatch.setattr(predicting, "predict", die_at_fourth)
    assert run(scene, output, *flags) == StateError.exit_code
    assert "error: the pipeline failed: no more memory" in capsys.readouterr().err
    (made,) = between.glob("*.made")
    assert ".given" in "".join(ends(between))
    number = int(made.name[65:-5])

    def count(pair, *rest):
        predicted.append(pair.fg_bg)
        return predict_one(pair, *rest)

    predicted.clear()
    monkeypatch.setattr(predicting, "predict", count)
    assert run(scene, output, "--resume", *flags) == DataError.exit_code
    names = sorted(os.listdir(scene / "frames"))
    kept = names[2 * number : 2 * number + 2]
    assert sorted(map(os.path.basename, predicted)) == sorted(set(names) - set(kept))
    assert_same(output, expected[0])
    assert ends(between) == []
    # Of what is there nothing is made again; what is gone is.
    predicted.clear()
    (output / "1_depth.png").unlink()
    assert run(scene, output, "--resume", *flags) == DataError.exit_code
    assert sorted(map(os.path.basename, predicted)) == ["1.png", "text.png"]


def test_a_damaged_piece_is_made_again(scene, tmp_path, expected, monkeypatch, capsys):
    output, between = tmp_path / "out", tmp_path / "between"
    flags = ["--exchange", str(between), "--beam", *IN_PROCESS]
    with monkeypatch.context() as patch:
        patch.setattr(launching, "_raise_fault", lambda place: 1 / 0)
        assert run(scene, output, *flags) == StateError.exit_code
    made = sorted(between.glob("*.made"))
    assert len(made) == 3
    damaged = bytearray(made[0].read_bytes())
    damaged[200] ^= 1
    made[0].write_bytes(damaged)
    made[1].write_bytes(made[1].read_bytes()[:-30])
    assert run(scene, output, "--resume", *flags) == DataError.exit_code
    assert_same(output, expected[0])
    assert ends(between) == []


def test_results_that_cannot_be_put_in_their_place(scene, tmp_path, capsys):
    # With "_mask.png" the name is too long for the disk.
    frames = tmp_path / "frames"
    frames.mkdir()
    for name in ("a", "x" * 248):
        data = (scene / "frames" / "0.png").read_bytes()
        (frames / f"{name}.png").write_bytes(data)
    argv = ["--model", str(scene / "net.keras"), "--bg", str(scene / "room.png")]
    argv += ["--fg-bg", str(frames), "--output", str(tmp_path / "out")]
    assert cli.run(predict.main, [*argv, "--beam", *IN_PROCESS]) == DataError.exit_code
    said = capsys.readouterr()
    assert "File name too long" in said.err
    assert "1 of 2 pictures in" in said.out
    names = [f"a_{kind}.png" for kind in RESULTS]
    assert sorted(os.listdir(tmp_path / "out")) == [
        *names,
        "outcomes.jsonl",
        "summary.html",
    ]


def test_pictures_that_cannot_be_read_here(scene, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "a.png").write_bytes((scene / "frames" / "0.png").read_bytes())
    os.mkfifo(frames / "b.png")
    argv = ["--model", str(scene / "net.keras"), "--bg", str(scene / "room.png")]
    argv += ["--fg-bg", str(frames), "--json", "--output"]
    lines = []
    for name, flags in (("here", []), ("there", ["--beam", *IN_PROCESS])):
        assert cli.run(predict.main, [*argv, str(tmp_path / name), *flags]) == 3
        lines.append(told(capsys))
    assert lines[0] == lines[1]
    assert "expected a file, received a folder or a device" in lines[0][1]["error"]


def change_version(patch):
    versions = storing.versions()
    found = iter([versions, versions | {"numpy": "1.0"}])
    patch.setattr(storing, "versions", lambda: next(found))


def damage_network(patch):
    files_of = beam._network_files
    patch.setattr(
        beam, "_network_files", lambda m: ((n, Path(__file__)) for n, _ in files_of(m))
    )


def lose_pieces(patch):
    patch.setattr(piecework, "make_piece", lambda number, *rest: number)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change_version, "a worker failed: must have numpy 2.* Received: 1.0"),
        (damage_network, "a worker failed: .*net.keras: "),
        (lose_pieces, "-000000.made: damaged or missing after the pipeline; start"),
    ],
)
def test_one_line(scene, tmp_path, capfd, monkeypatch, spoil, message):
    spoil(monkeypatch)
    code = run(scene, tmp_path / "out", "--beam", *IN_PROCESS)
    assert code == StateError.exit_code
    said = capfd.readouterr().err
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0])


def test_files_of_networks_of_all_kinds(tmp_path):
    def names(model):
        return [name for name, _ in beam._network_files(str(model))]

    network = {"config.json", "metadata.json", "model.weights.h5"}
    assert {f"fine/{name}" for name in network} <= set(names("fine"))
    (tmp_path / "a.keras").touch()
    assert names(tmp_path / "a.keras") == ["a.keras"]
    (tmp_path / "run" / "logs").mkdir(parents=True)
    assert names(tmp_path / "run") == ["run/best.keras"]
    (tmp_path / "export" / "2" / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (tmp_path / "export" / "2" / name).touch()
    found = ["2/saved_model.pb", "2/variables/variables.index"]
    assert names(tmp_path / "export") == found


def test_flags_are_told_before_a_folder_is_made(scene, tmp_path, capsys):
    assert run(scene, tmp_path / "out", "--beam", "--runer=x") == UsageError.exit_code
    assert "unknown flag of Beam: --runer. The near" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_in_an_exchange():
    assert exchange.made(7) == "-000007.made"
    assert exchange.given(7) == "-000007.given"
