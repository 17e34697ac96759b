import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskdepth_tf import __version__, cli, export, files, predict
from maskdepth_tf.errors import DiskFullError, StateError, UsageError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.images.pictures import Picture
from maskdepth_tf.inference import graph, loading
from maskdepth_tf.inference.scoring import load_scorable
from maskdepth_tf.network import answers, metrics, model
from maskdepth_tf.training import checkpoints
from tests.support.exported import BG, FG_BG, OF_ONE_SIZE, SIZE, graph_of, inputs


@pytest.fixture(scope="module")
def loaded(exported):
    return loading.load_saved_model(exported[1])


@pytest.fixture(scope="module")
def predictor(exported):
    """Answers of the network's size to encoded pictures."""
    found = graph.of_model(checkpoints.load_model(exported[0]))

    def predict(bg_bytes, fg_bg_bytes):
        outputs = found.pictures(tf.constant(bg_bytes), tf.constant(fg_bg_bytes))
        return {name: value.numpy() for name, value in outputs.items()}

    return predict


def ask(loaded, signature, **changed):
    values = inputs(signature) | changed
    outputs = loaded.signatures[signature](
        **{name: tf.constant(value) for name, value in values.items()}
    )
    return {name: value.numpy() for name, value in outputs.items()}


def assert_bit_equal(outputs, expected):
    assert set(outputs) == {"mask", "depth", "background_mismatch"}
    for name in outputs:
        assert outputs[name].dtype == np.float32
        np.testing.assert_array_equal(outputs[name], expected[name])


def open_png(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_expected_is_no_constant(predictor):
    # What the comparisons below are worth.
    expected = predictor(BG, FG_BG)
    for name in ("mask", "depth"):
        assert expected[name].shape == (3, SIZE, SIZE, 1)
        assert np.std(expected[name], axis=(1, 2, 3)).min() > 0.01
        assert len(np.unique(expected[name][:, 5, 5])) == 3


@pytest.mark.parametrize(
    "signature", ["serving_default", "serving_arrays", "serving_uint8"]
)
def test_signature_equals_prediction(loaded, predictor, signature):
    assert_bit_equal(ask(loaded, signature), predictor(BG, FG_BG))


def test_evaluation_equals_serving(exported, loaded):
    found = inputs("serving_uint8")
    outputs = load_scorable(exported[0]).outputs(
        {name: tf.constant(value, tf.float32) for name, value in found.items()}
    )
    expected = ask(loaded, "serving_uint8")
    assert_bit_equal(
        {
            "mask": tf.sigmoid(outputs["mask"]).numpy(),
            "depth": outputs["depth"].numpy(),
            "background_mismatch": outputs["background_mismatch"].numpy(),
        },
        expected,
    )
    served = load_scorable(exported[1]).outputs(found)
    np.testing.assert_array_equal(
        served["mask"], metrics.to_logits(tf.constant(expected["mask"]))
    )
    np.testing.assert_array_equal(served["depth"], expected["depth"])


def test_full_size_is_what_predict_has(exported, loaded):
    answer = loading.load_predictor(exported[0]).answer
    for bg, fg_bg in zip(BG, OF_ONE_SIZE, strict=True):
        one = {"bg_bytes": [bg], "fg_bg_bytes": [fg_bg]}
        outputs = ask(loaded, "serving_full_size", **one)
        assert set(outputs) == {"mask", "depth", "foreground", "background_mismatch"}
        pixels = (preprocessing.decode_rgb(data).numpy() for data in (bg, fg_bg))
        expected = answer(*map(Picture, (bg, fg_bg), pixels))
        assert expected.mask.shape == (60, 40, 1)
        assert expected.foreground.shape == (60, 40, 3)
        for name in ("mask", "depth", "foreground"):
            found = outputs[name][0]
            assert found.dtype == getattr(expected, name).dtype
            np.testing.assert_array_equal(found, getattr(expected, name))


def test_depth_of_full_size_is_stretched(loaded, predictor):
    small = predictor(BG, OF_ONE_SIZE)["depth"]
    found = ask(loaded, "serving_full_size")["depth"]
    np.testing.assert_array_equal(found, answers.stretch(small, 60, 40))


def test_full_size_refuses_a_mix_of_sizes(loaded):
    message = "serving_full_size: all fg_bg of a batch must have one size"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(loaded, "serving_full_size", fg_bg_bytes=FG_BG)


def test_pngs_of_a_mix_of_sizes(loaded):
    outputs = ask(loaded, "serving_png")
    for i, (height, width) in enumerate([(40, 50), (31, 30), (60, 40)]):
        one = {"bg_bytes": BG[i : i + 1], "fg_bg_bytes": FG_BG[i : i + 1]}
        full = ask(loaded, "serving_full_size", **one)
        mask = open_png(outputs["mask_png_bytes"][i])
        depth = open_png(outputs["depth_png_bytes"][i])
        # The network's sums differ by rounding in batches of other sizes.
        assert np.abs(mask - 255 * full["mask"][0, ..., 0]).max() <= 1.5
        assert np.abs(depth - 65535 * full["depth"][0, ..., 0]).max() <= 1.5
        cutout = open_png(outputs["cutout_png_bytes"][i])
        assert cutout.shape == (height, width, 4)
        colours = full["foreground"][0].astype(int)
        assert np.abs(cutout[..., :3] - colours).max() <= 1
        np.testing.assert_array_equal(cutout[..., 3], mask)


@pytest.mark.parametrize("i", [0, 1, 2], ids=["JPEG", "PNG", "turned JPEG"])
def test_pngs_equal_the_files_of_predict(exported, loaded, i, tmp_path):
    outputs = ask(
        loaded, "serving_png", bg_bytes=BG[i : i + 1], fg_bg_bytes=FG_BG[i : i + 1]
    )
    for name, data in (("bg", BG[i]), ("fg_bg", FG_BG[i])):
        (tmp_path / name).write_bytes(data)
    argv = ["--model", str(exported[0]), "--output", str(tmp_path / "out")]
    argv += ["--bg", str(tmp_path / "bg"), "--fg-bg", str(tmp_path / "fg_bg")]
    assert cli.run(predict.main, argv) == 0
    for name in ("mask", "depth", "cutout"):
        written = (tmp_path / "out" / f"fg_bg_{name}.png").read_bytes()
        served = outputs[f"{name}_png_bytes"][0]
        np.testing.assert_array_equal(open_png(served), open_png(written))
        assert served[24:26] == written[24:26]  # bits of a channel, kind of colour


def test_graph_has_no_python(exported):
    saved = graph_of(exported[1]).graph_def
    nodes = [*saved.node, *(n for f in saved.library.function for n in f.node_def)]
    operations = {node.op for node in nodes}
    assert "DecodeImage" in operations  # decoding is in the graph
    assert not {op for op in operations if "PyFunc" in op}


def test_note(exported, loaded):
    text = (Path(exported[1]) / export.NOTE).read_bytes()
    note = json.loads(text)
    assert note["image_size"] == SIZE
    assert note["maskdepth_tf"] == __version__
    assert "1 farthest" in note["depth"]
    assert Path(os.fsdecode(loaded.note.asset_path.numpy())).read_bytes() == text


def test_manifest_is_of_all_other_files(exported):
    folder = Path(exported[1])
    manifest = json.loads((folder / files.MANIFEST).read_bytes())["files"]
    found = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and path.name != files.MANIFEST
    }
    assert list(manifest) == sorted(found)
    assert {"saved_model.pb", "MODEL_CARD.md", "maskdepth.json"} < set(found)
    for name, path in found.items():
        entry = {"bytes": path.stat().st_size, "sha256": files.sha256_of(path)}
        assert manifest[name] == entry


def small_model():
    return model.resnet_unet(8, widths=(2,), patch_size=1)


def test_versions_count_up_from_any_number(tmp_path):
    # Numbers count as such, not as text; what is no number does not count.
    for name in ("9", "10", "x11", "²", ".export-old", ".export-new"):
        (tmp_path / name).mkdir()
    new = tmp_path / ".export-new"
    assert export._publish(new, tmp_path) == str(tmp_path / "11")
    names = {"9", "10", "11", "x11", "²", ".export-old"}
    assert set(os.listdir(tmp_path)) == names
    assert os.stat(tmp_path / "11").st_mode & 0o777 == 0o755


def test_two_exports_at_once_take_two_numbers(tmp_path, monkeypatch):
    temporary = tmp_path / ".export-a"
    temporary.mkdir()
    rename, taken = os.rename, []

    def rename_late(source, target):
        if not taken:
            taken.append(target)
            os.mkdir(target)
            (Path(target) / "saved_model.pb").write_text("the other's")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_late)
    assert export._publish(temporary, tmp_path) == str(tmp_path / "2")
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "the other's"


def test_nothing_is_left_of_a_failed_export(tmp_path, monkeypatch):
    def save(archive, folder, **options):
        (Path(folder) / "saved_model.pb").write_text("half")
        raise tf.errors.ResourceExhaustedError(None, None, "no space")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(DiskFullError, match=f"{tmp_path}: no room left"):
        export.export_model(small_model(), tmp_path)
    assert os.listdir(tmp_path) == []


def test_output_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--output must be a folder that can be writ"):
        export.export_model(small_model(), tmp_path / "file")


def test_run_must_have_a_model(tmp_path):
    with pytest.raises(StateError, match="best.keras: a trained model must be there"):
        export.export_run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(tmp_path, capsys, monkeypatch):
    small_model().save(tmp_path / "best.keras")
    argv = ["--workdir", str(tmp_path), "--output", str(tmp_path / "models")]
    assert cli.run(export.main, argv) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'models' / '1'}\n"
    names = {"1", "models.config", "batching.config"}
    assert set(os.listdir(tmp_path / "models")) == names
    assert (tmp_path / "models" / "1" / "saved_model.pb").is_file()


def test_a_terminal_is_told_the_next_step(capsys, monkeypatch):
    monkeypatch.setattr(export, "export_run", lambda *_: "models/a/1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert export.main(["--workdir", "run", "--output", "models/a"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "models/a/1",
        "next     maskdepth serve --models models/a",
    ]
