import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.errors import StateError
from maskdepth_tf.images.pictures import Picture
from maskdepth_tf.inference import graph, loading
from maskdepth_tf.network import model


def test_equal_pictures_give_numbers(tmp_path):
    model.resnet_unet(8, widths=(2,)).save(tmp_path / "best.keras")
    pixels = np.full((9, 11, 3), 77, np.uint8)
    grey = Picture(tf.io.encode_png(pixels).numpy(), pixels)
    predictor = loading.load_predictor(tmp_path)
    assert predictor.image_size == 8
    answer = predictor.answer(grey, grey)
    np.testing.assert_array_equal(answer.foreground, pixels)
    for value in (answer.seen_bg, answer.seen, answer.registered):
        np.testing.assert_array_equal(value, pixels[:8, :8])
    np.testing.assert_array_equal(answer.warp, [1, 0, 0, 0, 1, 0, 0, 0])
    for value in (answer.mask, answer.depth):
        assert value.shape == (9, 11, 1)
        assert np.isfinite(value).all()
        assert value.min() >= 0.0
        assert value.max() <= 1.0


def test_linear_depth_is_clipped():
    keras.utils.set_random_seed(0)
    net = model.resnet_unet(8, widths=(2,), depth_activation="linear")
    kernel = net.get_layer("depth_head_conv2").kernel
    kernel.assign(1000.0 * kernel)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    raw = net({"bg": pixels, "fg_bg": pixels[::-1]})["depth"]
    assert np.max(np.abs(raw)) > 1.0
    depth = graph.of_model(net).arrays(pixels, pixels[::-1])["depth"]
    np.testing.assert_array_equal(depth, np.clip(raw, 0.0, 1.0))


def test_no_model(tmp_path):
    with pytest.raises(StateError, match="best.keras: a trained model must be there"):
        loading.load_predictor(tmp_path)


def test_damaged_saved_model(tmp_path):
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(StateError, match="3: cannot be loaded: "):
        loading.load_predictor(tmp_path)


def test_foreign_saved_model(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(StateError, match="it lacks the signatures serving_arrays, ser"):
        loading.load_predictor(tmp_path)


def test_newest_version_that_is_whole(tmp_path):
    for name in ("2", "10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()
    assert loading.find_saved_model(tmp_path) == str(tmp_path / "10")
    assert loading.find_saved_model(tmp_path / "2") == str(tmp_path / "2")
    assert loading.find_saved_model(tmp_path / "11") is None
