"""Other framings of a room."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.dataset import views
from maskdepth_tf.dataset.pairing import generator

seeds = st.integers(0, 10_000)


class Fixed:
    """Draws the middle of a range and the mean of a deviation."""

    def uniform(self, low, high, size=None):
        return np.full(size, (low + high) / 2) if size else (low + high) / 2

    def normal(self, mean, _deviation, size=None):
        return np.full(size, float(mean)) if size else float(mean)

    def random(self):
        return 0.9


def test_corners_by_hand():
    # Side 0.725 of 80 pixels, in the middle, upright: 40 - 29 to 40 + 29.
    expected = [[11, 11], [69, 11], [69, 69], [11, 69]]
    np.testing.assert_allclose(views.corners(80, Fixed()), expected)


@given(seeds)
def test_the_middle_of_a_part_lies_inside(seed):
    middle = views.corners(100, generator(seed)).mean(axis=0)
    assert (middle > 100 * (views.SHARE[0] / 2 - 4 * views.SHEAR)).all()
    assert (middle < 100 * (1 - views.SHARE[0] / 2 + 4 * views.SHEAR)).all()


def test_relight_by_hand():
    # Gain and gamma are 1; saturation is 0.95: a little towards the mean of 80.
    room = np.array([[[40, 80, 120]]], np.uint8)
    np.testing.assert_array_equal(views.relight(room, Fixed()), [[[42, 80, 118]]])


@given(seeds)
def test_grey_stays_near_grey(seed):
    grey = views.relight(np.full((2, 2, 3), 120, np.uint8), generator(seed))
    assert np.ptp(grey.astype(int), axis=-1).max() < 60
    assert np.ptp(grey, axis=(0, 1)).max() == 0


def test_a_view_is_the_part_enlarged():
    # Grey grows by 2 a column; the part has 0.725 of the columns.
    ramp = np.repeat(np.arange(80)[None, :, None] * 2, 80, 0)
    room = np.repeat(ramp, 3, 2).astype(np.uint8)
    shown = views.view(room, Fixed()).astype(float)
    assert shown.shape == (80, 80, 3)
    assert np.ptp(shown, axis=0).max() <= 1
    np.testing.assert_allclose(shown[0, [0, -1], 0], [22, 137], atol=2)


@given(seeds)
def test_views_are_functions_of_their_draws(seed):
    room = generator(1).integers(0, 256, (16, 16, 3), np.uint8)
    first, again = (views.view(room, generator(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert (first != views.view(room, generator(seed + 1))).any()
