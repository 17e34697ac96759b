import json
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from benchmarks.threads import thread_pool
from maskdepth_tf import cli, errors, files, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import verify as verify_module
from maskdepth_tf.dataset.checking import inspection
from maskdepth_tf.dataset.verify import Bad
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import labels
from tests.support import labelled_rooms

NUM_ROWS = 100


def verify(path, folder, num_workers=1):
    """The report on a set in a folder."""
    return verify_module.verify(path, Folder(folder), num_workers)


@pytest.fixture(scope="module")
def rooms():
    """Ten rooms, one's twin in other light, and its mirror."""
    rng = np.random.default_rng(3)
    found = [labelled_rooms.room(rng) for _ in range(10)]
    twin = found[0].astype(np.int16)
    twin[:, : labelled_rooms.SIDE // 2] += 5
    return [*found, np.clip(twin, 0, 255).astype("u1"), found[0][:, ::-1].copy()]


@pytest.fixture(scope="module")
def good_set(tmp_path_factory, rooms):
    """A set without a fault, and its rows; for reading only."""
    folder = tmp_path_factory.mktemp("good")
    return folder, labelled_rooms.write(folder, rooms, NUM_ROWS)


@pytest.fixture
def copy(good_set, tmp_path):
    """Hard links to the good set, whose files may be replaced by others."""
    folder, rows = good_set
    for path in sorted(folder.rglob("*.*")):
        target = tmp_path / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        os.link(path, target)
    (tmp_path / "labels.txt").unlink()
    labels.write(tmp_path / "labels.txt", rows)
    return tmp_path


def run(*arguments):
    return cli.run(dataset.main, ["verify", "--workers", "1", *map(str, arguments)])


def kinds(report):
    return {item.row: item.fault for item in report.bad}


def replace(path, pixels):
    path.unlink()
    encoding.write_image(path, pixels)


def test_good_rows_are_good(good_set, capsys):
    folder, rows = good_set
    report = verify(folder / "labels.txt", folder)
    assert report == (NUM_ROWS, [], rows)
    assert run("--labels", folder / "labels.txt") == 0
    done, step = capsys.readouterr().out.splitlines()
    assert done == f"{folder}/labels.txt: 100 rows, 0 bad"
    assert step.startswith("next     maskdepth train ")


@pytest.mark.parametrize("is_there", [True, False], ids=["other", "stranger"])
def test_100_of_100_swapped_backgrounds_are_caught(copy, rooms, is_there):
    rows = labels.read(copy / "labels.txt")
    rng = np.random.default_rng(1)
    swapped = []
    for number, row in enumerate(rows):
        # The first rows of rooms 0, 10 and 11 name their twin or mirror.
        place = number % len(rooms)
        wrong = {0: 10, 10: 0, 11: 0}.get(place, int(rng.integers(1, len(rooms))))
        wrong = wrong if wrong != place else place - 1
        if not is_there:
            encoding.write_image(copy / f"bg/{wrong}_.png", labelled_rooms.room(rng))
        swapped.append(row._replace(bg=f"bg/{wrong}{'' if is_there else '_'}.png"))
    labels.write(copy / "labels.txt", swapped)
    report = verify(copy / "labels.txt", copy)
    assert report.bad == [
        Bad(number, "wrong_background", report.bad[number - 1].detail)
        for number in range(1, NUM_ROWS + 1)
    ]


def test_a_twin_is_named(copy):
    rows = labels.read(copy / "labels.txt")
    assert rows[12].bg == "bg/0.png"
    rows[12] = rows[12]._replace(bg="bg/10.png")
    labels.write(copy / "labels.txt", rows)
    text = "bg/0.png fits better than bg/10.png"
    found = verify(copy / "labels.txt", copy).bad
    assert found == [Bad(13, "wrong_background", text)]


def test_very_many_rooms_are_not_compared(copy, monkeypatch):
    rows = labels.read(copy / "labels.txt")
    rows[12] = rows[12]._replace(bg="bg/10.png")
    labels.write(copy / "labels.txt", rows)
    monkeypatch.setattr(inspection.Inspector, "inspect_rooms", None)
    monkeypatch.setattr(verify_module.consensus, "MOST_ROOMS", 11)
    assert verify(copy / "labels.txt", copy).bad == []


def test_faults_of_single_rows(copy):
    rows = labels.read(copy / "labels.txt")
    mask = preprocessing.read_mask(copy / rows[0].mask)[..., 0]
    replace(copy / rows[0].mask, np.ascontiguousarray(mask.T))
    depth = np.rint(65535 * preprocessing.read_depth(copy / rows[1].depth)).astype("u2")
    replace(copy / rows[1].depth, 65535 - depth)
    replace(copy / rows[2].depth, np.full_like(depth, 77))
    replace(copy / rows[3].mask, np.full_like(mask, 7))
    replace(copy / rows[4].mask, np.full_like(mask, 255))
    replace(copy / rows[5].mask, mask[:48])
    (copy / rows[6].mask).unlink()
    data = (copy / rows[7].fg_bg).read_bytes()
    (copy / rows[7].fg_bg).unlink()
    (copy / rows[7].fg_bg).write_bytes(data[: len(data) // 2])
    (copy / rows[8].depth).unlink()
    (copy / rows[8].depth).symlink_to("/etc/hostname")
    (copy / rows[9].fg_bg).unlink()
    os.link(copy / rows[21].fg_bg, copy / rows[9].fg_bg)
    os.unlink(copy / rows[9].mask)
    os.link(copy / rows[21].mask, copy / rows[9].mask)
    replace(copy / rows[10].mask, (depth / 257).astype("u1"))
    report = verify(copy / "labels.txt", copy)
    assert kinds(report) == {
        1: "transposed",
        2: "inverted_depth",
        3: "constant_depth",
        4: "empty_mask",
        5: "full_mask",
        6: "wrong_size",
        7: "missing",
        8: "unreadable",
        9: "missing",  # a link that leads out
        11: "grey_mask",
        22: "duplicate",
    }
    assert len(report.bad) == NUM_ROWS - len(report.good) == 11
    assert report.bad[3].detail == "expected a figure, 255, received 7 to 7 of 255"
    assert "an fg_bg of its own, received line 10's" in report.bad[-1].detail


def test_a_depth_that_is_not_known_is_one_value_and_says_so(copy):
    rows = labels.read(copy / "labels.txt")
    path = copy / "depth/3@unknown.png"
    encoding.write_image(path, np.full((96, 96), 77, np.uint16))
    rows[2] = rows[2]._replace(depth="depth/3@unknown.png")
    labels.write(copy / "labels.txt", rows)
    assert verify(copy / "labels.txt", copy).bad == []
    ramp = np.linspace(0, 65535, 96).astype(np.uint16) * np.ones((96, 1), np.uint16)
    replace(path, ramp)
    (fault,) = verify(copy / "labels.txt", copy).bad
    text = "expected one depth all over, received 0.000 to 1.000"
    assert fault == Bad(3, "constant_depth", text)


def test_every_row_of_a_missing_background_is_bad(copy):
    (copy / "bg/3.png").unlink()
    report = verify(copy / "labels.txt", copy)
    assert kinds(report) == {line: "missing" for line in range(4, NUM_ROWS + 1, 12)}


def test_transposed_sizes(tmp_path):
    names = ("bg.png", "fg.png", "whole.png", "mask.png", "depth.png")
    rng = np.random.default_rng(0)
    for name, size in zip(names, [(30, 20)] * 3 + [(20, 30)] * 2, strict=True):
        pixels = rng.integers(0, 256, (*size, 3), "u1")
        Image.fromarray(pixels).save(tmp_path / name)
    labels.write(tmp_path / "labels.txt", [labels.Row(*names)])
    found = verify(tmp_path / "labels.txt", tmp_path).bad
    assert [(item.row, item.fault) for item in found] == [(1, "transposed")] * 2
    assert "20x30, received 30x20: mask.png" in found[1].detail


def test_a_strange_room_is_not_a_transposed_mask(copy):
    rows = labels.read(copy / "labels.txt")
    mask = preprocessing.read_mask(copy / rows[2].mask)[..., 0]
    room = preprocessing.read_rgb(copy / rows[2].bg) // 2
    encoding.write_image(copy / "bg/dark.png", room)
    rows[2] = rows[2]._replace(bg="bg/dark.png")
    labels.write(copy / "labels.txt", rows)
    # What differs most lies where the transposed mask is, but all of it differs.
    replace(copy / rows[2].fg_bg, np.where(mask.T[..., None] > 0, 255, room + 20))
    assert kinds(verify(copy / "labels.txt", copy)) == {3: "wrong_background"}


def test_a_smaller_square_is_not_transposed(copy):
    rows = labels.read(copy / "labels.txt")
    replace(copy / rows[2].mask, np.zeros((48, 48), "u1"))
    assert kinds(verify(copy / "labels.txt", copy)) == {3: "wrong_size"}


def test_inverted_masks_are_called_that(copy):
    rows = labels.read(copy / "labels.txt")
    for row in rows[::7]:
        mask = preprocessing.read_mask(copy / row.mask)[..., 0]
        replace(copy / row.mask, 255 - mask)
    report = verify(copy / "labels.txt", copy)
    expected = dict.fromkeys(range(1, NUM_ROWS + 1, 7), "inverted_mask")
    assert kinds(report) == expected
    assert "the inverted mask fits better what differs: IoU +" in report.bad[0].detail


@pytest.mark.parametrize("kind", ["inverted_depth", "transposed"])
def test_a_set_that_is_wrong_as_a_whole(copy, kind):
    rows = labels.read(copy / "labels.txt")
    for row in rows:
        depth = np.rint(65535 * preprocessing.read_depth(copy / row.depth)[..., 0])
        wrong = 65535 - depth if kind == "inverted_depth" else depth.T
        replace(copy / row.depth, np.ascontiguousarray(wrong).astype("u2"))
    report = verify(copy / "labels.txt", copy)
    assert kinds(report) == dict.fromkeys(range(1, NUM_ROWS + 1), kind)
    assert report.bad[0].detail.startswith("in most rows ")


def test_lines(copy):
    path = copy / "labels.txt"
    lines = path.read_text().splitlines()[:3]
    path.write_text("\n".join([lines[0], "", "a\tb", lines[1], lines[0], lines[2]]))
    report = verify(path, copy)
    assert report.num_rows == 5
    assert [item[:2] for item in report.bad] == [(3, "bad_line"), (5, "duplicate")]
    assert report.bad[0].detail == "expected 5 tab-separated fields, received 2"
    assert "row of line 1" in report.bad[1].detail


def test_only_bad_lines(copy, capsys):
    (copy / "labels.txt").write_text("a\nb\n")
    arguments = ["--labels", copy / "labels.txt", "--drop-bad", copy / "clean.txt"]
    assert run(*arguments) == 3
    text = f"{copy}/clean.txt: expected a good row to write, received none"
    assert capsys.readouterr().err == f"error: {text}\n"
    assert not (copy / "clean.txt").exists()


def test_the_report_does_not_depend_on_the_workers(copy, monkeypatch):
    (copy / "bg/3.png").unlink()
    rows = labels.read(copy / "labels.txt")
    more = [row._replace(depth=rows[i - 1].depth) for i, row in enumerate(rows)]
    labels.write(copy / "labels.txt", [*rows, *more])
    alone = verify(copy / "labels.txt", copy)
    monkeypatch.setattr(workers, "pool", thread_pool)
    monkeypatch.setattr(workers, "CHUNK", 7)
    assert verify(copy / "labels.txt", copy, 3) == alone
    assert alone.bad


def test_what_processes_hand_on_can_be_pickled(good_set):
    folder, rows = good_set
    inspector = inspection.Inspector(Folder(folder))
    found = pickle.loads(pickle.dumps(inspector.inspect_rows(rows[:2])))
    assert [(item.faults, len(item.digest)) for item in found] == [([], 32)] * 2
    assert found[0].surroundings.side == labelled_rooms.SIDE


def test_nothing_is_remembered(copy, rooms):
    path = copy / "bg/3.png"
    path.unlink()
    assert len(verify(copy / "labels.txt", copy).bad) == 9
    encoding.write_image(path, rooms[3])
    assert verify(copy / "labels.txt", copy).bad == []


def test_json_table_and_clean_labels(copy, capsys):
    (copy / "mask/4.png").unlink()
    path, clean = copy / "labels.txt", copy / "clean.txt"
    rows = labels.read(path)
    code = run("--labels", path, "--json", copy / "a.json", "--drop-bad", clean)
    assert code == errors.DataError.exit_code == 3
    detail = f"{copy}/mask/4.png: No such file or directory"
    assert json.loads((copy / "a.json").read_text()) == {
        "rows": 100,
        "bad": [{"row": 5, "fault": "missing", "detail": detail}],
    }
    assert labels.read(clean) == rows[:4] + rows[5:]
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: 100 rows, 1 bad",
        "",
        "fault                  rows  lines",
        "missing                   1  5",
        "",
        f"{path}:5: missing: {detail}",
        f"wrote 99 rows to {clean}",
        f"next     maskdepth train --config fast --set data.labels={clean} --workdir "
        "runs/mine",
    ]
    assert run("--labels", clean) == 0


def test_long_reports_are_cut():
    bad = [Bad(line, "missing", "x") for line in range(1, 6)]
    lines = verify_module.table(verify_module.Report(5000, bad, []), "L").splitlines()
    assert lines[0] == "L: 5,000 rows, 5,000 bad"
    assert lines[3] == "missing                   5  1, 2, 3, ..."
    assert lines[5:] == [f"L:{line}: missing: x" for line in (1, 2, 3)]


def test_where_depth_is_missing_that_is_suggested(copy, capsys):
    for path in (copy / "depth").iterdir():
        path.unlink()
    path = copy / "labels.txt"
    assert run("--labels", path) == 3
    out = capsys.readouterr().out
    assert f"next     maskdepth dataset depth --data {copy} --teacher " in out
    assert "--drop-bad" not in out
    for command in ("stats", "pack"):
        more = ["--output", str(copy / "packed")] if command == "pack" else []
        words = [command, "--labels", str(path), "--workers", "1", *more]
        assert cli.run(dataset.main, words) == 3
        told = capsys.readouterr().err.splitlines()
        (line,) = [line for line in told if "depth" in line]
        assert line.startswith(f"error: {path}: expected a depth map for each row, r")
        assert f"`maskdepth dataset depth --data {copy} --teacher NAME`" in line


def test_where_no_row_is_good_none_is_to_be_dropped(copy, capsys):
    for path in (copy / "mask").iterdir():
        path.unlink()
    assert run("--labels", copy / "labels.txt") == 3
    assert "next " not in capsys.readouterr().out


def test_clean_labels_elsewhere_need_a_root(copy, tmp_path_factory, capsys):
    other = tmp_path_factory.mktemp("other") / "clean.txt"
    arguments = ["--labels", copy / "labels.txt", "--drop-bad", other]
    assert run(*arguments) == 2
    assert "--drop-bad must be in the folder of --labels" in capsys.readouterr().err
    assert run(*arguments, "--root", copy) == 0
    assert labels.read(other) == labels.read(copy / "labels.txt")


def test_what_is_refused_before_any_work(copy, monkeypatch, capsys):
    monkeypatch.setattr(verify_module, "verify", None)
    path, link = copy / "labels.txt", copy / "link.txt"
    link.symlink_to(path)
    text = path.read_bytes()
    for arguments, message in [
        (["--drop-bad", path], "--drop-bad would replace what is read. Received: "),
        (["--drop-bad", link], "--drop-bad would replace what is read. Received: "),
        (["--json", path], "--json would replace what is read. Received: "),
        (["--json", copy / "no/a.json"], "the folder of --json must be there"),
        (["--drop-bad", copy / "bg"], "--drop-bad must be a file"),
        (["--workers", 0], "--workers must be 1 or more. Received: 0"),
    ]:
        assert run("--labels", path, *arguments) == 2
        assert message in capsys.readouterr().err
    assert path.read_bytes() == text


def test_no_labels(tmp_path, capsys):
    files.write_atomically(tmp_path / "empty.txt", b"\n")
    for name, message in [
        ("empty.txt", "empty.txt: expected at least one row, received none"),
        ("none.txt", "none.txt: No such file or directory"),
    ]:
        assert run("--labels", tmp_path / name) == 3
        assert message in capsys.readouterr().err
    assert run("--labels", tmp_path / "empty.txt", "--root", tmp_path / "no") == 3
    assert "no: No such file or directory" in capsys.readouterr().err
