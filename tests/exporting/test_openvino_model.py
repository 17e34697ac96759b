"""The network in OpenVINO behind the signatures of an export."""

import dataclasses
import io
import shutil
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import files, serve
from maskdepth_tf.errors import StateError, UsageError
from maskdepth_tf.exporting import formats, openvino_model
from maskdepth_tf.exporting.openvino_model import OpenVinoModel
from maskdepth_tf.network import model
from maskdepth_tf.serving import server
from maskdepth_tf.serving.models import Spec
from maskdepth_tf.serving.saved_model import SavedModel
from maskdepth_tf.training import checkpoints
from tests.support import servers
from tests.support.exported import SIGNATURES, SIZE, inputs

FORMATS = ["openvino", "openvino_bfloat16"]


def write_formats(net, version):
    (version / formats.FOLDER).mkdir()
    for kind in FORMATS:
        path = version / formats.FOLDER / formats.FORMATS[kind].file
        formats.FORMATS[kind].write(net, str(path), {})


@pytest.fixture(scope="module")
def version(exported, tmp_path_factory):
    """The export with its network in both formats, and without warm-up requests."""
    run_dir, folder = exported
    copy = tmp_path_factory.mktemp("models") / "office" / "1"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "assets.extra")
    (copy / files.MANIFEST).unlink()
    write_formats(checkpoints.load_model(run_dir), copy)
    return copy


@pytest.fixture(scope="module")
def other_formats(tmp_path_factory):
    """Both formats of a network of the same shape, with other weights."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("other")
    write_formats(model.resnet_unet(SIZE, widths=(8, 8), patch_size=2), folder)
    return folder / formats.FOLDER


@pytest.fixture(scope="module")
def models(version):
    return SavedModel(str(version)), OpenVinoModel(str(version))


@pytest.mark.parametrize("signature", SIGNATURES)
def test_answers_are_the_saved_models(models, signature):
    arrays = {
        name: np.array(value, object) if isinstance(value, list) else value
        for name, value in inputs(signature).items()
    }
    expected, found = (one.run(signature, arrays) for one in models)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].shape, found[name].dtype) == (value.shape, value.dtype)
        if name.endswith("_bytes"):
            for one, other in zip(value, found[name], strict=True):
                assert abs(pixels(one) - pixels(other)).max() <= 1
        else:
            np.testing.assert_allclose(found[name], value, atol=1e-5)


def pixels(png):
    """Of 8 or 16 bits, as integers with a sign."""
    return np.asarray(Image.open(io.BytesIO(png))).astype(int)


def test_the_network_runs_in_openvino(version, monkeypatch):
    """Not in the SavedModel, whose answers are nearly the same."""

    def halves(path):
        def run(pictures):
            half = np.full_like(pictures["bg"][..., :1], 0.5)
            return {"mask": half, "depth": half}

        return run

    monkeypatch.setattr(openvino_model, "_error", lambda *_: 0.0)
    kind = formats.FORMATS["openvino"]
    replaced = dataclasses.replace(kind, load=halves)
    monkeypatch.setitem(formats.FORMATS, "openvino", replaced)
    found = OpenVinoModel(str(version)).run("serving_uint8", inputs("serving_uint8"))
    assert (found["mask"] == 0.5).all()
    assert (found["depth"] == 0.5).all()


def test_threads_ask_at_once(models):
    pictures = [
        {k: np.roll(v, shift, axis=2) for k, v in inputs("serving_uint8").items()}
        for shift in range(16)
    ]
    expected = [models[1].run("serving_uint8", one)["depth"] for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda one: models[1].run("serving_uint8", one), pictures)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(other["depth"], one)


def test_bfloat16_is_near(version, models):
    arrays = inputs("serving_uint8")
    expected = models[0].run("serving_uint8", arrays)
    found = OpenVinoModel(str(version), "openvino_bfloat16").run(
        "serving_uint8", arrays
    )
    for name in ("mask", "depth"):
        value = expected[name]
        assert 1e-5 < abs(found[name] - value).max() < 0.05


@pytest.mark.parametrize("kind", FORMATS)
def test_without_its_file(exported, kind):
    with pytest.raises(StateError, match=rf"is missing: export with --format {kind}$"):
        OpenVinoModel(exported[1], kind)


@pytest.mark.parametrize(
    ("kind", "most"), list(zip(FORMATS, ("0.0001", "0.02"), strict=True))
)
def test_another_networks_file(version, other_formats, tmp_path, kind, most):
    copy = shutil.copytree(version, tmp_path / "1")
    for path in other_formats.iterdir():
        shutil.copy(path, copy / formats.FOLDER)
    with pytest.raises(StateError, match=f"must equal the SavedModel's within {most}"):
        OpenVinoModel(str(copy), kind)


def test_served(version):
    with servers.running(version.parent, load=OpenVinoModel) as running:
        uint8 = {k: v.tolist() for k, v in inputs("serving_uint8").items()}
        body = {"signature_name": "serving_uint8", "inputs": uint8}
        status, reply = running.predict(body, "/v1/models/office:predict")
    assert status == 200
    assert np.shape(reply["outputs"]["mask"]) == (3, SIZE, SIZE, 1)


def test_the_flag(version, monkeypatch):
    kinds = []

    async def look_once(models, settings):
        models.poll()
        with models.pinned(Spec("office")) as (_, found):
            kinds.append(getattr(found, "_kind", "tensorflow"))

    monkeypatch.setattr(server, "serve", look_once)
    argv = ["--models", str(version.parent)]
    serve.main(argv)
    for kind in FORMATS:
        serve.main([*argv, "--backend", kind])
    assert kinds == ["tensorflow", *FORMATS]


def test_the_flag_without_the_package(version, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="openvino needs the extra `formats`"):
        serve.main(["--models", str(version.parent), "--backend", "openvino"])
