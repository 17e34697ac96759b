"""Places of figures in rooms."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import people, rooms, shapes, stage
from maskdepth_tf.scenes.shapes import vector
from tests.support.rendered_rooms import make_views


@pytest.fixture(scope="module")
def views():
    """Rooms and what their cameras see."""
    return make_views(6)


def test_places_show_enough_of_the_figure(views):
    scores, pasted, shadows = [], 0, 0
    for number, (room, view) in enumerate(views):
        for k in range(6):
            figure = shapes.compact(people.figure(generator(5, k)))
            placed = stage.place(figure, room, view, generator(4, number, k))
            scores.append(stage.visibility(placed.scene, view))
            pasted += placed.is_pasted
            shadows += placed.has_shadow
            assert not (placed.is_pasted and placed.has_shadow)
    assert np.mean(np.array(scores) >= 1) > 0.9
    assert min(scores) > 0.2
    assert 7 <= pasted <= 26
    assert shadows >= 9


def test_a_figure_stands_beside_furniture(views):
    room, _ = views[0]
    obstacle = np.array([1.0, 1.0]), np.array([2.0, 2.0])
    room = rooms.Room(**{**vars(room), "obstacles": [obstacle]})
    low, high = vector(-0.3, -0.3, 0), vector(0.3, 0.3, 1.7)
    turn = shapes.turn_z(30)
    assert stage.collides(low, high, vector(1.5, 1.5, 0), turn, room)
    assert not stage.collides(low, high, vector(2.5, 1.5, 0), turn, room)


def test_a_room_and_a_figure_decide_the_example():
    figure = shapes.compact(people.person(generator(0)))
    first, second = (
        stage.Stage(1, 2, 24).example(figure, generator(3)) for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    other = stage.Stage(1, 3, 24).example(figure, generator(3))
    assert (other.fg_bg != first.fg_bg).any()
