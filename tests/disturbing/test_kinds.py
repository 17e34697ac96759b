import collections

import numpy as np
import pytest

from maskdepth_tf.disturbing.kinds import KINDS, disturb
from maskdepth_tf.disturbing.pairs import Pair
from tests.support.pictures import natural_rgb

BY_NAME = {kind.name: kind for kind in KINDS}
ON_BACKGROUND = {"shift", "zoom", "rotation", "perspective", "moved"}
ON_BOTH = {"noise", "jpeg", "all"}


def pair_of(height=160, width=320):
    bg = natural_rgb(0, height, width)
    mask = np.zeros((height, width), np.uint8)
    mask[40:140, 90:180] = 255
    return Pair(bg, np.where(mask[..., None] > 0, bg[::-1], bg), mask)


def change(pair, other, name):
    return np.abs(getattr(pair, name).astype(float) - getattr(other, name)).mean()


def test_names_differ_and_each_has_five_levels():
    assert len(BY_NAME) == len(KINDS)
    assert {len(kind.levels) for kind in KINDS} == {5}
    held_out = {kind.name for kind in KINDS if kind.held_out}
    assert held_out == {"perspective", "gradient", "motion_blur", "moved"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_kind_changes(kind):
    pair = pair_of()
    for number in (4, 5):
        mild, hard = (disturb(pair, kind, severity, number) for severity in (1, 5))
        again = disturb(pair, kind, 5, number)
        for name in ("bg", "fg_bg", "mask"):
            value = getattr(hard, name)
            assert value.dtype == np.uint8
            assert value.shape == getattr(pair, name).shape
            np.testing.assert_array_equal(value, getattr(again, name))
        assert hard.mask is pair.mask
        assert (hard.bg is pair.bg) == (kind.name not in ON_BACKGROUND | ON_BOTH)
        assert (hard.fg_bg is pair.fg_bg) == (kind.name in ON_BACKGROUND)
        name = "bg" if kind.name in ON_BACKGROUND else "fg_bg"
        assert 0 < change(mild, pair, name) < change(hard, pair, name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_where_nobody_is_some_do_nothing(kind):
    pair = pair_of()._replace(mask=np.zeros((160, 320), np.uint8))
    disturbed = disturb(pair, kind, 5, 0)
    is_same = not change(disturbed, pair, "bg") + change(disturbed, pair, "fg_bg")
    assert is_same == kind.needs_figure


def test_a_shift_of_9_per_mille_of_1000_pixels_is_9_pixels():
    bg = np.zeros((60, 1000, 3), np.uint8)
    bg[30, 500] = 255
    pair = Pair(bg, bg, bg[..., 0])
    for number in range(4):
        shifted = disturb(pair, BY_NAME["shift"], 3, number).bg[..., 0].astype(float)
        rows, columns = np.indices(shifted.shape)
        place = [(shifted * grid).sum() / shifted.sum() for grid in (rows, columns)]
        assert np.hypot(place[0] - 30, place[1] - 500) == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_either_direction_is_drawn_about_as_often(step):
    grey = np.full((8, 8, 3), 100, np.uint8)
    pair = Pair(grey, grey, grey[..., 0])

    def middles(name, severity):
        for number in range(0, 200 * step, step):
            disturbed = disturb(pair, BY_NAME[name], severity, number).fg_bg
            yield tuple(disturbed[4, 4].tolist())

    for name, severity, either in (
        ("gain", 3, {(80, 80, 80), (125, 125, 125)}),
        ("white_balance", 5, {(120, 100, 80), (80, 100, 120)}),
    ):
        counts = collections.Counter(middles(name, severity))
        assert set(counts) == either
        assert min(counts.values()) > 75


def test_noise_of_the_two_pictures_is_not_the_same():
    grey = np.full((64, 64, 3), 100, np.uint8)
    noisy = disturb(Pair(grey, grey, grey[..., 0]), BY_NAME["noise"], 5, 0)
    assert np.mean(noisy.bg == noisy.fg_bg) < 0.1
