"""Colours, texture tiles and how they are read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.scenes import materials

LIBRARY = materials.library()


def read(tile, u, v, footprint=0.0):
    uv = np.array([[u, v]], np.float64)
    return LIBRARY.sample(np.array([tile]), uv, np.array([footprint]))[0]


@pytest.mark.parametrize(
    "make", [materials.any_colour, materials.neutral, materials.wall]
)
def test_colours_are_colours(make):
    draws = np.random.default_rng(0)
    colours = np.array([make(draws) for _ in range(200)])
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert len(np.unique(colours, axis=0)) > 150


def test_colours_by_hand():
    np.testing.assert_allclose(materials.hsv(0, 1, 1), [1, 0, 0])
    np.testing.assert_allclose(materials.ramp(np.ones(3), 0.5)[0], 0.5)
    np.testing.assert_allclose(materials.WOODS[0] * 255, [0xCC, 0xA3, 0x73])


@pytest.mark.parametrize("name", materials.NAMES)
def test_tiles_vary_within_0_and_1(name):
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 50)] * 2), -1).reshape(-1, 2)
    for variant in range(8):
        tile = np.full(2500, LIBRARY.tile(name, variant))
        values = LIBRARY.sample(tile, grid, np.zeros(2500))
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0.001


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(-5, 5))
def test_tiles_repeat(u, v, turns):
    tile = LIBRARY.tile("noise", 0)
    assert read(tile, u, v) == pytest.approx(read(tile, u + turns, v), abs=0.01)
    assert read(tile, u, v) == pytest.approx(read(tile, u, v + turns), abs=0.01)


def test_reading_halfway_between_texels_gives_their_mean():
    tile, side = LIBRARY.tile("wood", 1), materials.SIZE
    left = read(tile, 10.5 / side, 3.5 / side)
    right = read(tile, 11.5 / side, 3.5 / side)
    middle = read(tile, 11 / side, 3.5 / side)
    assert left != right
    assert middle == pytest.approx((left + right) / 2, abs=1e-6)


def test_far_away_a_tile_is_its_mean():
    tile = LIBRARY.tile("ceiling", 0)
    near = [read(tile, u, v) for u in np.arange(0, 1, 0.01) for v in (0.01, 0.3)]
    assert np.std(near) > 0.2
    far = [read(tile, u, v, footprint=3.0) for u in (0.1, 0.3) for v in (0.2, 0.7)]
    assert np.ptp(far) == 0
    # Two panels each way in 128 texels, after rails of 3: 61 / 64 of each side is
    # panel, of value 0.6 and noise of mean 0.5 times 0.4.
    assert far[0] == pytest.approx((61 / 64) ** 2 * 0.8, abs=0.01)


def test_tiles_are_the_same_in_every_process():
    uv = np.random.default_rng(0).random((500, 2))
    again = materials.Library()
    for name in materials.NAMES:
        tile = np.full(500, LIBRARY.tile(name, 0))
        np.testing.assert_array_equal(
            again.sample(tile, uv, np.zeros(500)),
            LIBRARY.sample(tile, uv, np.zeros(500)),
        )


@pytest.mark.parametrize(("exponent", "rough"), [(0.0, True), (2.0, False)])
def test_noise_is_smoother_for_larger_exponents(exponent, rough):
    field = materials.power_noise(np.random.default_rng(0), exponent)
    steps = np.abs(np.diff(field, axis=0)).mean() / field.std()
    assert (steps > 0.7) == rough
    assert field.mean() == pytest.approx(0.5, abs=0.01)


def test_stretched_noise_runs_along_columns():
    field = materials.power_noise(np.random.default_rng(0), 1.0, stretch=10)
    along, across = (np.abs(np.diff(field, axis=a)).mean() for a in (0, 1))
    assert along < 0.5 * across
