import io
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.threads import thread_pool
from maskdepth_tf import cli, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import stats as stats_module
from maskdepth_tf.dataset.checking import counting
from maskdepth_tf.dataset.checking.counting import Sums, measure
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import labels
from tests.support.labelled_sets import make_labelled_set


def stats(path, folder, num_workers=1):
    """The figures of a set in a folder."""
    return stats_module.stats(path, Folder(folder), num_workers)


def run(*arguments):
    return cli.run(dataset.main, ["stats", "--workers", "1", *map(str, arguments)])


def grey(folder, name, values):
    """A picture of one line of pixels."""
    encoding.write_image(folder / name, np.array([values]))


@pytest.fixture
def by_hand(tmp_path):
    """Two rows of two pixels."""
    for name, pixels in [
        ("bg.png", [[0, 51, 255], [255, 51, 255]]),
        ("bg@1.png", [[255, 51, 255], [255, 51, 255]]),
        ("a.png", [[0, 0, 0], [0, 0, 0]]),
        ("b.png", [[0, 0, 0], [0, 0, 102]]),
    ]:
        grey(tmp_path, name, np.array(pixels, "u1"))
    grey(tmp_path, "mask_a.png", np.array([127, 128], "u1"))
    grey(tmp_path, "mask_b.png", np.array([255, 255], "u1"))
    grey(tmp_path, "depth_a.png", np.array([0, 65535], "u2"))
    grey(tmp_path, "depth_b.png", np.array([6553, 6554], "u2"))
    rows = [
        labels.Row("bg.png", "no.png", "a.png", "mask_a.png", "depth_a.png"),
        labels.Row("bg@1.png", "no.png", "b.png", "mask_b.png", "depth_b.png"),
    ]
    labels.write(tmp_path / "labels.txt", rows)
    return tmp_path


def test_by_hand(by_hand):
    found = stats(by_hand / "labels.txt", by_hand)
    counts = {key: found[key] for key in ("rows", "backgrounds", "views")}
    assert counts == {"rows": 2, "backgrounds": 1, "views": 1}
    assert found["foregrounds"] == 1
    rows = labels.read(by_hand / "labels.txt")
    unknown = [row._replace(fg=row.bg) for row in rows]
    assert counting.count_pictures([*rows, *unknown])["foregrounds"] == 1
    assert counting.count_pictures(unknown)["foregrounds"] == 0
    # Red: 0, 1, 1, 1.
    assert found["bg"]["mean"] == [0.75, 0.2, 1.0]
    assert found["bg"]["deviation"] == pytest.approx([0.1875**0.5, 0, 0], abs=1e-12)
    # Blue: 0, 0, 0, 0.4.
    assert found["fg_bg"]["mean"] == pytest.approx([0, 0, 0.1])
    assert found["fg_bg"]["deviation"] == pytest.approx([0, 0, 0.03**0.5])
    assert found["mask"]["mean"] == [0.75]
    assert found["mask_area"] == [0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0.5]
    assert found["depth"]["mean"] == pytest.approx([(1 + 0.2) / 4], abs=1e-5)
    # 6553 of 65535 is just below a tenth, 6554 above.
    assert found["depth_histogram"] == [0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0.25]


def test_table_and_json(by_hand, capsys):
    path = by_hand / "labels.txt"
    assert run("--labels", path, "--json", by_hand / "a.json") == 0
    assert json.loads((by_hand / "a.json").read_text()) == stats(path, by_hand)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 2 rows, 1 backgrounds, 1 views, 1 foregrounds"
    assert lines[3] == (
        "bg        0.750000 0.200000 1.000000 0.433013 0.000000 0.000000"
    )
    assert lines[5] == "mask      0.750000                   0.433013"
    assert lines[9] == "0.0         0.0 %                     50.0 % ########"
    assert lines[14] == "0.5        50.0 % ########             0.0 %"
    assert len(lines) == 19


def test_holes_count_nowhere(by_hand, capsys):
    path = by_hand / "labels.txt"
    held = np.array([[-1 - 6553, 6554]], np.int32)
    (by_hand / "depth_b.png").write_bytes(encoding.encode_png(held))
    found = stats(path, by_hand)
    assert found["depth_known"] == 0.75
    assert found["depth"]["mean"] == pytest.approx([(0 + 1 + 0.1) / 3], abs=1e-5)
    third = pytest.approx(1 / 3)
    assert found["depth_histogram"] == [third, third, 0, 0, 0, 0, 0, 0, 0, third]
    assert run("--labels", path) == 0
    last = "depth is known of 75.0 % of the pixels, and counted there"
    assert capsys.readouterr().out.splitlines()[-1] == last
    for name in ("depth_a.png", "depth_b.png"):
        nothing = np.array([[-1, -1]], np.int32)
        (by_hand / name).write_bytes(encoding.encode_png(nothing))
    found = stats(path, by_hand)
    assert (found["depth_known"], found["depth"]["mean"]) == (0, [0])


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_sums_are_those_of_the_numbers(values):
    sums = measure(np.array(values, "u2").reshape(1, -1, 1), has_bins=True)
    assert (sums.pixels, sums.totals, sums.squares) == (
        len(values),
        (sum(values),),
        (sum(value**2 for value in values),),
    )
    places = [min(value * 10 // 65535, 9) for value in values]
    assert sums.bins == tuple(places.count(place) for place in range(10))


def test_bytes_are_counted_in_parts(monkeypatch):
    monkeypatch.setattr(counting, "_COUNTED", 7)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), "u1")
    squares = np.square(pixels.astype(int)).sum(axis=(0, 1))
    assert measure(pixels) == Sums(
        20, tuple(pixels.sum(axis=(0, 1), dtype=int)), tuple(squares)
    )


def test_nothing_is_remembered(by_hand):
    before = stats(by_hand / "labels.txt", by_hand)
    grey(by_hand, "bg.png", np.array([[0, 0, 0], [0, 0, 0]], "u1"))
    after = stats(by_hand / "labels.txt", by_hand)
    assert (before["bg"]["mean"][0], after["bg"]["mean"][0]) == (0.75, 0.5)


def test_sums_do_not_overflow():
    total = Sums()
    bright = Sums(10**18, (65535 * 10**18,), (65535**2 * 10**18,))
    for _ in range(10):
        total += bright
    assert total.moments(65535) == {"mean": [1.0], "deviation": [0.0]}


def test_the_figures_are_those_of_numpy(labels_file):
    found = stats(labels_file, labels_file.parent)
    rows = labels.read(labels_file)
    for column in ("bg", "fg_bg"):
        paths = (labels_file.parent / getattr(row, column) for row in rows)
        pixels = np.concatenate([preprocessing.read_rgb(path) for path in paths]) / 255
        expected = {"mean": pixels.mean(axis=(0, 1)), "deviation": pixels.std((0, 1))}
        for key, values in expected.items():
            assert found[column][key] == pytest.approx(values.tolist())


def test_the_figures_do_not_depend_on_the_workers(labels_file, monkeypatch):
    alone = stats(labels_file, labels_file.parent)
    monkeypatch.setattr(workers, "pool", thread_pool)
    monkeypatch.setattr(workers, "CHUNK", 3)
    assert stats(labels_file, labels_file.parent, 3) == alone


def test_a_picture_of_very_many_scans_is_not_decoded(by_hand, capsys):
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 1000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    data = data[:last] + 900 * data[last:-2] + data[-2:]
    (by_hand / "a.png").write_bytes(data)
    for name in ("mask_a.png", "depth_a.png", "bg.png"):
        encoding.write_image(by_hand / name, np.zeros((100, 200), "u1"))
    encoding.write_image(by_hand / "mask_a.png", np.zeros((1000, 2000), "u1"))
    assert run("--labels", by_hand / "labels.txt") == 3
    assert "a.png: expected at most 816 scans, received 9" in capsys.readouterr().err


def test_errors(tmp_path, capsys):
    path = make_labelled_set(tmp_path / "set", rows=2)
    assert run("--labels", path, "--workers", 0) == 2
    assert "--workers must be 1 or more. Received: 0" in capsys.readouterr().err
    assert run("--labels", path, "--json", path) == 2
    assert "--json would replace what is read" in capsys.readouterr().err
    data = (tmp_path / "set/fg_bg/1.png").read_bytes()
    (tmp_path / "set/fg_bg/1.png").write_bytes(data[:-40])
    assert run("--labels", path) == 3
    assert "fg_bg/1.png: cannot be decoded" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "set/fg_bg")
    assert run("--labels", path) == 3
    assert "labels.txt:1: " in capsys.readouterr().err
