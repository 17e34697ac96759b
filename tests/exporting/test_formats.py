import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from maskdepth_tf import cli, export
from maskdepth_tf.dataset import synthesize
from maskdepth_tf.errors import StateError, UsageError
from maskdepth_tf.exporting import formats
from maskdepth_tf.inference import graph, loading
from maskdepth_tf.training import checkpoints
from tests.support.exported import SIZE, inputs
from tests.support.labelled_sets import make_labelled_set


@pytest.fixture(scope="module")
def model(exported):
    return checkpoints.load_model(exported[0])


@pytest.fixture
def made(monkeypatch):
    """The pixels of `tests.support.exported` in place of the sample, three a side."""
    pixels = {name: v.repeat(2, axis=0) for name, v in inputs("serving_arrays").items()}
    monkeypatch.setattr(formats, "sample", lambda run_dir, size: (pixels, "made ones"))
    return inputs("serving_arrays")


@pytest.mark.parametrize("name", formats.FORMATS)
def test_format(name, exported, model, made, tmp_path, capfd):
    kind = formats.FORMATS[name]
    for part in ("saved_model.pb", "variables", "assets"):
        (tmp_path / part).symlink_to(Path(exported[1]) / part)
    formats.write(model, tmp_path, [name], None)
    path = tmp_path / formats.FOLDER / kind.file
    report = json.loads(Path(f"{path}.json").read_bytes())
    assert report["pictures"] == "3 made ones"
    worst = max(report["largest_difference"].values())
    line = capfd.readouterr().out
    assert line.startswith(f"{kind.file}: differs by up to {worst:.1e} on 3 made ones;")
    # Any runtime differs a little, or the SavedModel was compared with itself.
    assert 0 < worst < (1e-4 if kind.is_exact else 0.5)
    assert report["depth_ssim"] > (0.9999 if kind.is_exact else 0.5)
    number = 1 if "litert" in name else 3
    pixels = {key: value[:number] for key, value in made.items()}
    expected, answers = (
        graph.of_model(model).registered(**pixels),
        kind.load(str(path))(pixels),
    )
    for key in ("mask", "depth"):
        assert answers[key].shape == expected[key].shape
        if kind.is_exact:
            np.testing.assert_allclose(answers[key], expected[key], atol=1e-4)


EMPTY = SimpleNamespace(inputs=[np.zeros((1, SIZE, SIZE, 3))])
"""What a format that is not written knows of the model."""


def fake(difference, is_exact=True):
    """A format whose masks are off."""

    def load(path):
        def run(pictures):
            zeros = np.zeros_like(pictures["bg"][..., :1])
            return {"mask": zeros + difference, "depth": zeros}

        return run

    def write(model, path, calibration):
        Path(path).write_text("x")

    return formats.Format("fake", ("numpy",), write, load, is_exact)


@pytest.mark.parametrize("difference", [2e-4, np.nan])
def test_wrong_answers_are_refused(difference, made, monkeypatch, tmp_path):
    monkeypatch.setitem(formats.FORMATS, "fake", fake(difference))
    monkeypatch.setattr(loading, "load_saved_model", lambda folder: Zeros)
    message = "fake: answers must equal the SavedModel's within 0.0001. Received: a"
    with pytest.raises(StateError, match=message):
        formats.write(EMPTY, tmp_path, ["fake"], None)
    assert os.listdir(tmp_path / formats.FOLDER) == ["fake"]


class Zeros:
    """A SavedModel that answers zeros."""

    signatures = {
        "serving_registered": lambda bg, fg_bg: dict.fromkeys(
            ("mask", "depth"), np.zeros_like(bg[..., :1])
        )
    }


def test_8_bits_may_differ(made, monkeypatch, tmp_path):
    monkeypatch.setitem(formats.FORMATS, "fake", fake(0.25, is_exact=False))
    monkeypatch.setattr(loading, "load_saved_model", lambda folder: Zeros)
    formats.write(EMPTY, tmp_path, ["fake"], None)
    report = json.loads((tmp_path / formats.FOLDER / "fake.json").read_bytes())
    assert report["largest_difference"] == {"mask": 0.25, "depth": 0.0}
    assert report["mean_difference"] == {"mask": 0.25, "depth": 0.0}


def test_compare_by_hand():
    mask = np.zeros((1, 16, 16, 1), np.float32)
    mask[:, :8] = 1
    half = np.zeros_like(mask)
    half[:, :4] = 1
    found = formats.compare(
        {"mask": mask, "depth": mask}, {"mask": half, "depth": mask}
    )
    # Of 128 and 64 pixels 64 are shared: 2 * 64 / 192.
    assert found["mask_dice_hard"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["depth_ssim"] == pytest.approx(1)
    assert found["mean_difference"]["mask"] == 0.25


def test_sample_is_of_test_rows(trained):
    pictures, source = formats.sample(trained, 16)
    assert source == "test rows"
    assert pictures["bg"].shape == pictures["fg_bg"].shape
    assert 2 <= len(pictures["bg"]) <= formats.NUM_PICTURES
    assert pictures["bg"].dtype == np.float32
    assert pictures["bg"].max() > 200


@pytest.mark.parametrize("has_run", [True, False])
def test_sample_without_data_is_rendered(has_run, monkeypatch, tmp_path):
    def make_set(folder, rows, image_size, rooms, figures):
        make_labelled_set(folder, rows=rows, side=image_size)

    monkeypatch.setattr(synthesize, "synthesize", make_set)
    (tmp_path / "config.yaml").write_text("data: {labels: gone.txt}\n")
    pictures, source = formats.sample(tmp_path if has_run else None, 16)
    assert source == "rendered rooms"
    assert pictures["fg_bg"].shape == (formats.NUM_PICTURES, 16, 16, 3)


def test_missing_packages_are_said_before_any_work(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else 1
    )
    with pytest.raises(UsageError, match="onnx needs the extra `formats`"):
        formats.check_installed(["litert", "onnx"])
    argv = ["--workdir", "r", "--output", str(tmp_path / "m"), "--format", "onnx"]
    assert cli.run(export.main, argv) == 2
    assert "Missing: onnx\n" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_command_takes_formats(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(formats, "check_installed", asked.append)
    monkeypatch.setattr(export, "export_run", lambda *args: asked.append(args))
    argv = ["--workdir", "r", "--output", "m"]
    for name in ("saved_model", "onnx", "litert", "onnx"):
        argv += ["--format", name]
    assert cli.run(export.main, argv) == 0
    assert asked == [["onnx", "litert"], ("r", "m", ["onnx", "litert"])]


def test_nothing_is_left_if_a_format_fails(monkeypatch, tmp_path):
    from maskdepth_tf.network import model

    def write(*arguments):
        raise StateError("differs")

    monkeypatch.setattr(formats, "write", write)
    monkeypatch.setattr(export, "_write", lambda *arguments: None)
    net = model.resnet_unet(8, widths=(2,))
    with pytest.raises(StateError, match="differs"):
        export.export_model(net, tmp_path, None, ["onnx"])
    assert os.listdir(tmp_path) == []
