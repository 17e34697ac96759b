"""Texture tiles and how they are read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.scenes import textures

LIBRARY = textures.library()
NAMES = sorted(textures._MAKERS)


def read(tile, u, v, footprint=0.0):
    uv = np.array([[u, v]], np.float64)
    return LIBRARY.sample(np.array([tile]), uv, np.array([footprint]))[0]


@pytest.mark.parametrize("name", NAMES)
def test_tiles_vary_within_0_and_1(name):
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 50)] * 2), -1).reshape(-1, 2)
    for tile in LIBRARY.ids(name):
        values = LIBRARY.sample(np.full(2500, tile), grid, np.zeros(2500))
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0.001


@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(-5, 5))
def test_tiles_repeat(u, v, turns):
    tile = LIBRARY.ids("noise")[0]
    assert read(tile, u, v) == pytest.approx(read(tile, u + turns, v), abs=0.01)
    assert read(tile, u, v) == pytest.approx(read(tile, u, v + turns), abs=0.01)


def test_reading_halfway_between_texels_gives_their_mean():
    tile, side = LIBRARY.ids("wood")[1], textures.SIZE
    left, right = (
        read(tile, 10.5 / side, 3.5 / side),
        read(tile, 11.5 / side, 3.5 / side),
    )
    middle = read(tile, 11 / side, 3.5 / side)
    assert left != right
    assert middle == pytest.approx((left + right) / 2, abs=1e-6)


def test_far_away_a_tile_is_its_mean():
    tile = LIBRARY.ids("checks")[0]
    near = [read(tile, u, v) for u in np.arange(0, 1, 0.05) for v in (0.1, 0.4, 0.6)]
    assert np.std(near) > 0.2
    far = [read(tile, u, v, footprint=3.0) for u in (0.1, 0.3) for v in (0.2, 0.7)]
    assert np.ptp(far) == 0
    # Half of the checks are 0.1, half 0.8, with noise of mean 0.5 times 0.2.
    assert far[0] == pytest.approx(0.55, abs=0.02)


def test_tiles_are_the_same_in_every_process():
    again = textures.Library()
    np.testing.assert_array_equal(again._pool, LIBRARY._pool)


@pytest.mark.parametrize(("exponent", "rough"), [(0.0, True), (2.0, False)])
def test_noise_is_smoother_for_larger_exponents(exponent, rough):
    field = textures.power_noise(np.random.default_rng(0), exponent)
    steps = np.abs(np.diff(field, axis=0)).mean() / field.std()
    assert (steps > 0.7) == rough
    assert field.mean() == pytest.approx(0.5, abs=0.01)


def test_stretched_noise_runs_along_columns():
    field = textures.power_noise(np.random.default_rng(0), 1.0, stretch=10)
    along, across = (np.abs(np.diff(field, axis=a)).mean() for a in (0, 1))
    assert along < 0.5 * across
