import numpy as np
import pytest

from maskdepth_tf import draws
from maskdepth_tf.disturbing.effects import sensor
from tests.support.pictures import natural_rgb

GREY = np.full((100, 100, 3), 128, np.uint8)


def test_noise_has_its_deviation_and_differs_by_pixel_and_channel():
    noisy = sensor.noise(GREY, 8, draws.generator(0)).astype(float)
    assert noisy.std() == pytest.approx(8, rel=0.02)
    assert noisy.mean() == pytest.approx(128, abs=0.2)
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.05


def test_noise_ends_at_black_and_white():
    black = np.zeros((50, 50, 3), np.uint8)
    assert (sensor.noise(black, 20, draws.generator(0)) < 128).all()


def test_focus_blur_spreads_a_point_by_its_deviation():
    picture = np.zeros((41, 41, 3), np.uint8)
    picture[20, 20] = 255
    blurred = sensor.focus_blur(picture, 1.0)
    # 255 / (2 pi)
    assert blurred[20, 20, 0] == pytest.approx(40.6, abs=2)
    assert (sensor.focus_blur(GREY, 3) == 128).all()


def test_a_line_has_its_length_and_direction():
    kernel = sensor.line(10, 0)
    assert kernel.shape == (11, 11)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[5].sum() == pytest.approx(1)
    assert kernel[5, 5] == pytest.approx(1 / 10, rel=0.1)
    np.testing.assert_allclose(sensor.line(10, np.pi / 2), kernel.T, atol=1e-12)


def test_motion_blur_goes_along_its_direction_alone():
    picture = np.zeros((21, 21, 3), np.uint8)
    picture[10, 10] = 250
    blurred = sensor.motion_blur(picture, 4, 0)[..., 0]
    assert np.flatnonzero(blurred.any(axis=1)).tolist() == [10]
    assert np.flatnonzero(blurred.any(axis=0)).tolist() == [8, 9, 10, 11, 12]


def test_jpeg_loses_more_at_lower_quality():
    picture = natural_rgb(0, 64, 64)
    lost = [
        np.abs(sensor.jpeg(picture, q).astype(float) - picture).mean() for q in (60, 7)
    ]
    assert 0 < lost[0] < lost[1]
    assert sensor.jpeg(picture, 60).shape == picture.shape
