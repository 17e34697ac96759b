"""From light to pixels."""

import numpy as np
import pytest

from maskdepth_tf.scenes import film
from maskdepth_tf.scenes.film import Film


def plain(**changes):
    values = {
        "exposure": 1.0,
        "balance": np.ones(3),
        "contrast": 0.0,
        "saturation": 1.0,
        "vignette": 0.0,
        "blur": 0.0,
        "noise": 0.0,
    }
    return Film(**(values | changes))


def develop(film_, value, noise=None):
    light = np.broadcast_to(np.asarray(value, float), (9, 9, 3))
    return film_.develop(light, np.zeros((9, 9, 3)) if noise is None else noise)


def test_black_stays_black_and_white_is_reached():
    assert develop(plain(), 0.0).max() == 0
    assert develop(plain(), film.WHITE).min() == 255
    assert develop(plain(), 100.0).min() == 255


def test_the_curve_by_hand():
    # x = 1: (1 + 1/9) / 2 = 0.5556, to the power 1 / 2.2: 0.7655.
    assert plain().curve(np.ones(3)) == pytest.approx(0.7655, abs=1e-4)
    np.testing.assert_array_equal(develop(plain(), 1.0), 195)


def test_exposure_and_balance_multiply_light():
    exposed = plain(exposure=2.0, balance=np.array([1, 0.5, 0.25]))
    shown = exposed.curve(np.ones(3))
    np.testing.assert_allclose(shown, plain().curve(np.array([2, 1, 0.5])))


def test_without_saturation_pictures_are_grey():
    shown = plain(saturation=0.0).curve(np.array([0.1, 0.5, 0.9]))
    assert np.ptp(shown) == pytest.approx(0, abs=1e-12)


def test_contrast_keeps_black_middle_and_white():
    shown = np.array([0, 0.25, 0.5, 0.75, 1])
    light = np.linspace(0, 3, 2001)[:, None] * np.ones(3)
    before, after = plain().curve(light)[:, 0], plain(contrast=0.8).curve(light)[:, 0]
    at = np.interp(shown, before, after)
    np.testing.assert_allclose(at[[0, 2, 4]], [0, 0.5, 1], atol=1e-3)
    assert at[1] < 0.25
    assert at[3] > 0.75


def test_corners_darken():
    picture = develop(plain(vignette=0.5), 0.5)
    assert picture[0, 0, 0] < picture[4, 4, 0]
    assert picture[4, 4, 0] == develop(plain(), 0.5)[0, 0, 0]


def test_blur_spreads_a_point_and_keeps_even_light():
    point = np.zeros((9, 9, 3))
    point[4, 4] = 1
    spread = film.blurred(point, 0.1)[..., 0]
    assert spread[4, 4] == pytest.approx(0.64)
    assert spread[4, 5] == pytest.approx(0.08)
    assert spread[3, 5] == pytest.approx(0.01)
    assert spread.sum() == pytest.approx(1)
    np.testing.assert_allclose(film.blurred(np.full((9, 9, 3), 0.3), 0.1), 0.3)


def test_noise_is_what_is_given():
    noise = np.random.default_rng(0).standard_normal((9, 9, 3))
    noisy = develop(plain(noise=0.02), 0.5, noise).astype(int)
    clean = develop(plain(), 0.5).astype(int)
    shift = (noisy - clean) / 255
    expected = 0.02 * np.sqrt(0.2 + plain().curve(np.full(3, 0.5))[0]) * noise
    np.testing.assert_allclose(shift, expected, atol=1.1 / 255)


@pytest.mark.parametrize("brightness", [0.35, 0.6, 0.8])
def test_exposed_for_a_brightness(brightness):
    draws = np.random.default_rng(1)
    light = draws.random((32, 32, 3)) ** 2 * 0.01
    chosen = film.choose(light, brightness, draws)
    assert chosen.curve(light).mean() == pytest.approx(brightness, abs=0.02)
