import numpy as np
import pytest

from maskdepth_tf.disturbing import alignment
from maskdepth_tf.disturbing.effects import geometry, light
from tests.support.pictures import cornered_rgb

ROOM = cornered_rgb(1, 240, 320)


def aligned(bg, fg_bg):
    return alignment.align(bg, fg_bg, alignment.find_corners(bg))


def difference(a, b):
    return np.abs(a.astype(float) - b)[30:-30, 30:-30].mean()


@pytest.mark.parametrize(
    "matrix", [geometry.shift(9, -5), geometry.turn(ROOM.shape, 1.03, 2)]
)
def test_a_moved_background_comes_back(matrix):
    moved = geometry.warp(ROOM, matrix)
    assert difference(aligned(moved, ROOM), ROOM) < 0.3 * difference(moved, ROOM)


def test_outside_of_the_background_is_the_picture_itself():
    moved = geometry.warp(ROOM, geometry.shift(20, 0))
    picture = ROOM.copy()
    picture[:, -8:] = 7
    # The last 20 columns of the picture are not in the background.
    assert (aligned(moved, picture)[:, -8:] == 7).all()


@pytest.mark.parametrize("other", [np.full_like(ROOM, 90), cornered_rgb(2, 240, 320)])
def test_what_cannot_be_aligned_stays(other):
    np.testing.assert_array_equal(aligned(ROOM, other), ROOM)


def test_a_scale_that_no_tripod_makes_is_refused():
    large = geometry.warp(ROOM, geometry.turn(ROOM.shape, 1.25, 0))
    corners = [alignment.find_corners(picture) for picture in (ROOM, large)]
    assert alignment.motion(*corners) is None


def test_residual():
    bg = np.zeros((2, 2, 3), np.uint8)
    fg_bg = bg.copy()
    fg_bg[0, 0], fg_bg[0, 1] = (0, 10, 5), (200, 0, 0)
    where = np.array([[True, True], [True, False]])
    assert alignment.residual(bg, fg_bg, where) == pytest.approx((10 + 40 + 0) / 3)
    assert alignment.residual(bg, fg_bg, ~where | where) == pytest.approx(50 / 4)
    assert alignment.residual(bg, fg_bg, where & False) == np.inf


def test_match_gain():
    picture = light.gain(ROOM, 0.7)
    picture[:60, :60] = 255
    matched = alignment.match_gain(ROOM, picture)
    assert np.abs(matched.astype(float) - picture)[60:].max() <= 2


def test_match_tone_follows_a_curve_and_lets_the_foreground_go():
    picture = light.white_balance(light.gamma(ROOM, 0.7), 0.1)
    picture[:80, :80] = (250, 0, 120)
    matched = alignment.match_tone(ROOM, picture)
    before = np.abs(ROOM.astype(float) - picture)[80:].mean()
    assert np.abs(matched.astype(float) - picture)[80:].mean() < 0.2 * before


def test_a_picture_of_few_tones_stays():
    flat = np.full((16, 16, 3), 100, np.uint8)
    np.testing.assert_array_equal(alignment.match_tone(flat, flat + 50), flat)
