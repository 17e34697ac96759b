import numpy as np
import pytest

from maskdepth_tf import draws
from maskdepth_tf.disturbing.effects import scene
from maskdepth_tf.disturbing.pairs import Pair
from tests.support.pictures import natural_rgb

SIDE = 100


def standing():
    """A grey wall, and a white box of 20 by 40 whose foot is row 79."""
    wall = np.full((SIDE, SIDE, 3), 100, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[40:80, 40:60] = 255
    return Pair(wall, np.where(mask[..., None] > 0, np.uint8(200), wall), mask)


def test_a_shadow_falls_on_wall_and_floor_away_from_the_light():
    dark = scene.shadow(standing().truth, 1)
    # The wall's is 0.15 * 40 = 6 pixels to the right.
    assert dark[50, 63] > 0.8
    assert dark[50, 36] < 0.05
    # The floor's ends 0.3 * 40 = 12 pixels above the foot, 24 to the right.
    assert dark[70, 70] > 0.8
    assert dark[60, 85] < 0.1
    np.testing.assert_allclose(
        scene.shadow(standing().truth[:, ::-1], -1), dark[:, ::-1], atol=1e-5
    )


def test_nobody_casts_no_shadow():
    assert not scene.shadow(np.zeros((9, 9), bool), 1).any()


def test_a_cast_shadow_darkens_the_room_and_not_the_figure():
    pair = standing()
    shaded = scene.cast_shadow(pair, 0.45, 1)
    assert (shaded[pair.truth] == 200).all()
    assert shaded[50, 63, 0] == pytest.approx(100 * 0.55, abs=5)
    assert (shaded[:30] == 100).all()


def test_a_thing_moves_to_where_another_piece_was():
    room = np.full((SIDE, SIDE, 3), 100, np.uint8)
    room[10:30, 10:30] = 250
    nothing = np.zeros((SIDE, SIDE), bool)
    moved = scene.move_thing(room, nothing, 16, draws.generator(3))
    changed = (moved != room).any(axis=-1)
    # Two discs of 16 pixels at most.
    assert 0 < changed.sum() <= 2 * np.pi * 8**2
    assert moved.sum(dtype=int) == pytest.approx(room.sum(dtype=int), rel=1e-3)
    again = scene.move_thing(room, nothing, 16, draws.generator(3))
    np.testing.assert_array_equal(again, moved)


def test_a_room_of_one_colour_has_nothing_to_move():
    room = np.full((SIDE, SIDE, 3), 100, np.uint8)
    hidden = np.zeros((SIDE, SIDE), bool)
    np.testing.assert_array_equal(
        scene.move_thing(room, hidden, 16, draws.generator(3)), room
    )


def test_colours_are_pulled_to_the_wall():
    pair = standing()
    pulled = scene.pull_colour(pair, 0.6)
    assert (pulled[pair.truth] == 140).all()
    assert (pulled[~pair.truth] == 100).all()


def test_a_figure_is_pasted_at_its_own_place():
    room = natural_rgb(0, 50, 50)
    both = scene.add_figure(room, standing())
    assert (both[22:38, 22:28] == 200).all()
    np.testing.assert_array_equal(both[:18], room[:18])
