"""Depth maps for a data set, by a made-up teacher."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.threads import thread_pool
from maskdepth_tf import cli, errors, files, workers
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import depth, index
from maskdepth_tf.dataset.teachers import plausibility, ranges
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.images.headers import Header
from maskdepth_tf.input import labels
from tests.support.red_teacher import RedTeacher, content_of, make


def test_maps_ranges_and_manifest(data, network):
    assert make(data, num_workers=2, quality=95) == 20
    stored = preprocessing.read_depth(data / "depth" / "15.jpg")
    assert stored.shape == (16, 16, 1)
    expected = np.linspace(0, 150, 16).round() / 150 * np.ones((16, 1))
    np.testing.assert_allclose(stored[..., 0], expected, atol=0.02)
    # Row 0 is one red all over: no NaN, all nearest.
    assert preprocessing.read_depth(data / "depth" / "0.jpg").max() == 0
    lines = (data / "depth_range.csv").read_text().splitlines()
    assert lines[0] == "depth,near_m,far_m"
    assert lines[1] == "depth/0.jpg,2,2"
    assert lines[16] == "depth/15.jpg,2,4.94118"  # 2 + 150 / 51
    assert len(lines) == 21
    manifest = json.loads((data / "manifest.json").read_text())
    assert manifest["recipe"] == 1
    entry = manifest["depth"]
    assert entry["ranges"] == "depth_range.csv"
    assert entry["teacher"]["name"] == "net.tflite"
    assert entry["convention"] == "metric"
    assert entry["complete"] is True
    assert (entry["input_size"], entry["normalize"], entry["bits"]) == (16, "none", 8)
    network = {"values": "metric", "large_is": "far", "units": "m", "scale": 1.0}
    maps = {"values": "relative", "large_is": "far", "units": None, "scale": 1 / 255}
    assert (entry["network"], entry["maps"]) == (network, maps)
    assert entry["check"]["rows"] == 20
    assert entry["check"]["figure_nearer"] > 0
    assert not (data / "depth_range.partial.csv").exists()


def test_same_bytes_for_any_number_of_workers(data, network, monkeypatch):
    make(data, num_workers=1)
    first = content_of(data)
    make(data, num_workers=3, force=True)
    assert content_of(data) == first
    monkeypatch.undo()  # processes at last
    mapper = depth.Mapper(data, RedTeacher(), bits=8, quality=75)
    with workers.pool(1, mapper, workers.with_tensorflow) as pool:
        again = labels.read(data / "labels.txt")[3]._replace(depth="depth/again.jpg")
        jobs = {((again,),): 1}
        assert pool.run(depth.Mapper.write_maps, jobs, "depth", "maps") == [1]
    assert (data / "depth/again.jpg").read_bytes() == first[data / "depth/3.jpg"]


def test_maps_that_exist_are_skipped(data, network):
    make(data)
    old = (data / "depth" / "3.jpg").stat().st_mtime_ns
    (data / "depth" / "4.jpg").unlink()
    assert network.seen == 20 + 20  # looked at first
    assert make(data) == 1
    assert network.seen == 20 + 20 + 1
    assert (data / "depth" / "3.jpg").stat().st_mtime_ns == old
    assert len(ranges.read(data / "depth_range.csv")) == 20
    assert make(data) == 0
    assert make(data, force=True) == 20


def stop_at_13(monkeypatch):
    """Has one map end the command; what would write it."""
    write = encoding.write_image

    def write_or_stop(path, *args, **kwargs):
        if str(path).endswith("13.jpg"):
            raise KeyboardInterrupt
        write(path, *args, **kwargs)

    monkeypatch.setattr(encoding, "write_image", write_or_stop)
    return write


def test_run_that_was_cut_off_goes_on(data, network, monkeypatch):
    write = stop_at_13(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        make(data)
    manifest = json.loads((data / "manifest.json").read_text())
    assert manifest["depth"]["complete"] is False
    # As if the process had died in the middle of a line.
    with (data / "depth_range.partial.csv").open("a") as file:
        file.write("depth/14.jpg,2.")
    left = 20 - len(list((data / "depth").iterdir()))
    assert 0 < left < 20
    monkeypatch.setattr(encoding, "write_image", write)
    assert make(data) == left
    resumed = (data / "depth_range.csv").read_bytes()
    assert make(data, force=True) == 20
    assert (data / "depth_range.csv").read_bytes() == resumed


def test_maps_of_the_user_are_left_alone(data, network):
    (data / "depth").mkdir()
    (data / "depth" / "5.jpg").write_bytes(b"mine")
    assert make(data) == 19
    assert (data / "depth" / "5.jpg").read_bytes() == b"mine"
    known = ranges.read(data / "depth_range.csv")
    assert "depth/5.jpg" not in known
    assert len(known) == 19


def test_two_teachers_are_not_mixed(data, network):
    make(data)
    (data / "depth" / "4.jpg").unlink()
    others = {"convention": "relative_far", "quality": 50}
    others |= {"normalize": "imagenet", "input_size": 8, "bits": 16}
    for change, value in others.items():
        message = f"begun with another {change}; --force"
        with pytest.raises(errors.StateError, match=message):
            make(data, **{change: value})
    (data.parent / "net.tflite").write_bytes(b"another")
    with pytest.raises(errors.StateError, match="begun with another teacher; --force"):
        make(data)
    assert make(data, force=True) == 20
    assert make(data, force=True, **others) == 20
    assert make(data, **others) == 0


def test_depth_that_is_not_finite(data, network):
    network.predict = lambda batch: np.full(batch.shape[:3], np.nan)
    with pytest.raises(errors.DataError, match=r"fg_bg/\d+.png: the teacher's depth"):
        make(data)
    assert list((data / "depth").glob("*") if (data / "depth").exists() else []) == []


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_written_of_an_upside_down_teacher(force, data, network):
    if force:
        make(data)
    before = content_of(data)
    red = network.predict
    network.predict = lambda batch: 10 - red(batch)
    message = "upside down: .* of 20 pictures .*-0.16"
    with pytest.raises(errors.DataError, match=message):
        make(data, force=force)
    assert content_of(data) == before


def test_maps_of_16_bits(data, network):
    (data / "manifest.json").write_text('{"files": {"labels.txt": "old", "a": "b"}}')
    assert make(data, bits=16, convention="relative_far") == 20
    rows = labels.read(data / "labels.txt")
    assert [row.depth for row in rows] == [f"depth/{n}.png" for n in range(20)]
    assert not list((data / "depth").glob("*.jpg"))
    stored = preprocessing.read_depth(data / "depth" / "15.png")
    expected = np.linspace(0, 150, 16).round() / 150 * np.ones((16, 1))
    np.testing.assert_allclose(stored[..., 0], expected, atol=0.51 / 65535)
    with Image.open(data / "depth" / "15.png") as picture:
        assert picture.mode == "I;16"
    ranges = (data / "depth_range.csv").read_text().splitlines()
    assert ranges[0] == "depth,near,far"
    assert ranges[16] == "depth/15.png,2,4.94118"
    manifest = json.loads((data / "manifest.json").read_text())
    assert manifest["depth"]["maps"]["scale"] == 1 / 65535
    sha256 = files.sha256_of(data / "labels.txt")
    assert manifest["files"] == {"labels.txt": sha256, "a": "b"}
    assert make(data, bits=16, convention="relative_far") == 0


@pytest.mark.parametrize(
    "stop", ["encoding.write_image", "labels.write", "files.write_json"]
)
def test_16_bits_go_on_where_they_were_cut_off(stop, data, network, monkeypatch):
    manifest = {"files": {"labels.txt": "old"}}
    (data / "manifest.json").write_text(json.dumps(manifest))
    module_name, name = stop.split(".")
    module = {"encoding": encoding, "labels": labels, "files": files}[module_name]
    real, calls = getattr(module, name), []

    def stop_at_last(*args, **kwargs):
        calls.append(args)
        wanted = {"write_image": 13, "write": 1, "write_json": 2}[name]
        if len(calls) == wanted:
            raise KeyboardInterrupt
        real(*args, **kwargs)

    monkeypatch.setattr(module, name, stop_at_last)
    with pytest.raises(KeyboardInterrupt):
        make(data, bits=16)
    monkeypatch.setattr(module, name, real)
    assert make(data, bits=16) == (8 if name == "write_image" else 0)
    resumed = content_of(data)
    assert labels.read(data / "labels.txt")[7].depth == "depth/7.png"
    assert not (data / "depth_range.partial.csv").exists()
    assert make(data, bits=16, force=True) == 20
    assert content_of(data) == resumed


def test_names_that_differ_in_their_suffix_alone(data, network):
    rows = labels.read(data / "labels.txt")
    rows[3] = rows[3]._replace(depth="depth/2.jpeg")
    labels.write(data / "labels.txt", rows)
    assert make(data) == 20
    with pytest.raises(errors.DataError, match="labels.txt: maps of 16 bits are PNG"):
        make(data, bits=16, force=True)


def test_set_of_an_older_version_goes_on(data, network):
    make(data)
    (data / "depth" / "4.jpg").unlink()
    manifest = json.loads((data / "manifest.json").read_text())
    for key in ("normalize", "input_size", "bits", "check"):
        del manifest["depth"][key]
    (data / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(errors.StateError, match="begun with another bits; --force"):
        make(data, bits=16)
    assert make(data) == 1


@pytest.mark.parametrize(("is_one_core", "started"), [(True, []), (False, [1])])
def test_teachers_of_many_cores_get_processes(
    is_one_core, started, data, network, monkeypatch
):
    seen = []

    def pool(num_workers, *arguments):
        seen.append(num_workers)
        return thread_pool(num_workers, *arguments)

    monkeypatch.setattr(workers, "pool", pool)
    network.is_one_core = is_one_core
    assert make(data) == 20
    assert seen == started


def test_missing_picture_is_named(data, network):
    (data / "fg_bg" / "7.png").unlink()
    with pytest.raises(errors.DataError, match=r"fg_bg/7.png: No such file"):
        make(data)


def test_damaged_manifest(data, network):
    (data / "manifest.json").write_text("{")
    with pytest.raises(errors.DataError, match=r"manifest\.json: must be a JSON obj"):
        make(data)


def test_pictures_are_resized_for_the_teacher(data, network):
    Image.fromarray(np.full((40, 30, 3), 51, np.uint8)).save(data / "fg_bg" / "2.png")
    make(data)
    # Of the picture's shape, which the rows of a set must have: 16 * 30 / 40.
    assert preprocessing.read_depth(data / "depth" / "2.jpg").shape == (16, 12, 1)
    assert ranges.read(data / "depth_range.csv")["depth/2.jpg"] == (3.0, 3.0)


def test_maps_that_index_names_are_written(data, network):
    for name in ("labels.txt", "manifest.json"):
        (data / name).unlink()
    for folder, count in (("bg", 1), ("mask", 20)):
        (data / folder).mkdir()
        for number in range(count):
            shutil.copy(data / "m.png", data / folder / f"{number}.png")
    (data / "bg/0.png").rename(data / "bg/room.png")
    _, rows = index.index(data)
    labels.write(data / "labels.txt", rows)
    assert make(data) == 20
    labels.check_files(rows, data, data / "labels.txt")
    assert index.index(data)[1] == rows


@given(height=st.integers(1, 5000), width=st.integers(1, 5000))
def test_map_has_the_shape_of_its_picture(height, width):
    shaped = depth.to_shape(np.zeros((16, 16), np.float32), height, width)
    assert max(shaped.shape) == 16
    made = Header("PNG", shaped.shape[1], shaped.shape[0], animated=False)
    assert labels.have_same_shape(made, Header("PNG", width, height, animated=False))


def test_map_of_a_wide_picture_by_hand():
    distance = np.float32([[1, 2, 3, 4], [3, 4, 5, 6], [0, 0, 0, 0], [2, 2, 2, 2]])
    expected = [[2, 3, 4, 5], [1, 1, 1, 1]]
    np.testing.assert_array_equal(depth.to_shape(distance, 300, 600), expected)
    np.testing.assert_array_equal(depth.to_shape(distance, 7, 7), distance)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--workers", "0"], "--workers must be 1 or more. Received: 0"),
        (["--input-size", "0"], "--input-size must be 1 or more. Received: 0"),
        (["--quality", "96"], "--quality must be 1 to 95. Received: 96"),
        (["--teacher", "net.pth"], "end in .tflite, .onnx, .keras, .h5, be a folder"),
    ],
)
def test_command_line_refuses(flags, text, data, capsys):
    path = str(data.parent / "net.tflite")
    argv = ["depth", "--data", str(data), "--teacher", path, *flags]
    assert cli.run(dataset.main, argv) == 2
    assert text in capsys.readouterr().err


def test_command_line(data, network, capsys):
    path = str(data.parent / "net.tflite")
    argv = ["depth", "--data", str(data), "--teacher", path, "--workers", "1"]
    assert cli.run(dataset.main, argv) == 0
    shown = capsys.readouterr()
    assert shown.out == (
        f"20 depth maps written in {data}\n"
        f"next     maskdepth dataset verify --labels {data}/labels.txt\n"
    )
    assert "depth: 20 of 20 maps" in shown.err


def test_force_that_was_killed_mixes_no_teachers(data, network, monkeypatch):
    make(data)
    (data.parent / "net.tflite").write_bytes(b"another")
    monkeypatch.setattr(network, "predict", lambda batch: 6 - batch[..., 1] / 99)
    write = stop_at_13(monkeypatch)
    monkeypatch.setattr(plausibility, "check_teacher", lambda *args: {"rows": 20})
    with pytest.raises(KeyboardInterrupt):
        make(data, force=True)
    monkeypatch.setattr(encoding, "write_image", write)
    assert make(data) == 7
    resumed = content_of(data)
    make(data, force=True)
    assert content_of(data) == resumed
