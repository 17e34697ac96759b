"""Rooms, walls, furniture, figures and their places, over many seeds."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import (
    colours,
    furniture,
    people,
    placement,
    render,
    rooms,
    seats,
    shapes,
    walls,
)
from maskdepth_tf.scenes.raycast import Scene
from maskdepth_tf.scenes.shapes import vector

PIECES = {
    *furniture.AGAINST_WALLS,
    *furniture.IN_THE_MIDDLE,
    *furniture.FIGURES,
    seats.sofa,
    people.person,
    people.seated,
    people.pair,
    people.cleaner,
    people.animal,
}
SIZE = 24


@pytest.fixture(scope="module")
def made():
    """Rooms and what their cameras see."""
    pairs = []
    for number in range(8):
        draws = generator(3, 1, number)
        room = rooms.make_room(draws)
        scene = Scene(shapes.compact(room.model))
        view = render.render_room(scene, room.camera, room.lights, SIZE, draws)
        pairs.append((room, view))
    return pairs


@pytest.mark.parametrize("make", sorted(PIECES, key=lambda f: f.__name__))
def test_pieces_stand_on_the_floor(make):
    for seed in range(6):
        model = make(generator(seed))
        low, high = shapes.bounds(model)
        assert low[2] == pytest.approx(0, abs=0.02)
        assert 0.15 < high[2] < 2.4
        assert (high - low < 4.5).all()
        assert (low[:2] < 0).all()
        assert (high[:2] > 0).all()
        for part in model:
            assert np.isfinite(part.vertices).all()
            assert np.isfinite(part.uv).all()
            np.testing.assert_allclose(shapes.length(part.normals), 1, atol=1e-6)


def test_people_have_people_s_proportions():
    heights = []
    for seed in range(30):
        low, high = shapes.bounds(people.person(generator(seed)))
        heights.append(high[2] - low[2])
    assert 1.6 < np.median(heights) < 1.85


def test_figures_vary_and_follow_their_seed():
    bounds = [shapes.bounds(people.figure(generator(k))) for k in range(8)]
    assert len({tuple(high) for _, high in bounds}) == 8
    again = shapes.bounds(people.figure(generator(0)))
    np.testing.assert_array_equal(bounds[0], again)


def test_some_figures_are_noisy_and_their_skin_is_not():
    models = [people.figure(generator(1, k)) for k in range(40)]
    noisy = [m for m in models if any(p.material.noise for p in m)]
    assert 3 <= len(noisy) <= 16
    for model in noisy:
        skins = [p.material for p in model if p.material.texture in ("skin", "face")]
        assert not any(skin.noise for skin in skins)


def test_colours_are_colours():
    draws = generator(0)
    makers = (colours.any_colour, colours.neutral, colours.wall)
    for make in makers:
        drawn = np.array([make(draws) for _ in range(200)])
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        assert len(np.unique(drawn, axis=0)) > 150
    np.testing.assert_allclose(colours.hsv(0, 1, 1), [1, 0, 0])
    np.testing.assert_allclose(colours.ramp(vector(1, 1, 1), 0.5)[0], 0.5)


def test_rooms_are_closed(made):
    for room, view in made:
        ways = shapes.unit(generator(0).standard_normal((500, 3))).astype(np.float32)
        trace = view.scene.trace(room.camera.position, ways)
        assert (trace.triangle >= 0).all()
        assert trace.depth.max() < np.linalg.norm(room.size) + 1


def test_cameras_stand_clear(made):
    for room, _ in made:
        assert (room.camera.position > 0).all()
        assert (room.camera.position < room.size).all()
        eye = room.camera.position[:2]
        for low, high in room.obstacles:
            nearest = np.clip(eye, low, high)
            assert np.linalg.norm(nearest - eye) >= rooms.EYE_SPACE


def test_furniture_stands_apart(made):
    for room, _ in made:
        for k, (low, high) in enumerate(room.obstacles):
            for other_low, other_high in room.obstacles[:k]:
                assert (high <= other_low).any() or (low >= other_high).any()


def test_rooms_are_lit_and_differ(made):
    means = []
    for _, view in made:
        assert np.isfinite(view.radiance).all()
        assert view.radiance.min() >= 0
        assert view.radiance.mean() > 0.001
        means.append(view.depth.mean())
    assert np.std(means) > 0.5


def wall():
    coat = colours.paint(vector(0.9, 0.9, 0.9))
    return walls.Wall(vector(0, 5, 0), vector(1, 0, 0), 4.0, 2.5, coat)


def surface(model):
    triangles = np.concatenate([part.vertices for part in model])
    a, b, c = triangles.swapaxes(0, 1)
    return shapes.length(shapes.cross(b - a, c - a)).sum() / 2


def test_a_walls_coordinates():
    far = wall()
    np.testing.assert_allclose(far.inward, [0, -1, 0])
    np.testing.assert_allclose(far.at(1, 2, 0.5), [1, 4.5, 2])
    np.testing.assert_allclose(far.turned() @ [0, 1, 0], far.inward, atol=1e-12)


def test_openings_are_left_out_of_a_wall():
    far = wall()
    assert surface(far.surface()) == pytest.approx(10)
    far.openings.append((1.0, 2.0, 0.8, 2.0))
    assert surface(far.surface()) == pytest.approx(10 - 1.2)


def test_windows_open_the_wall_and_let_light_in():
    far, draws = wall(), generator(0)
    look = walls.glazing(draws, False)
    model = far.add_windows(draws, look)
    assert len(far.panes) == len(far.openings) >= 1
    panes = [part for part in model if part.material.is_pane]
    assert len(panes) == len(far.panes)
    for corner, across, up in far.panes:
        np.testing.assert_allclose(shapes.unit(shapes.cross(across, up)), far.inward)
        assert corner[1] > 5
    assert not far.is_free((far.openings[0][0], far.openings[0][1]))


def test_a_full_wall_gets_no_door():
    far = wall()
    far.taken.append((0.0, 4.0))
    assert far.add_door(generator(0)) == []
    assert far.add_pictures(generator(0), 5) == []


def test_places_show_enough_of_the_figure(made):
    covered, pasted, shadows = [], 0, 0
    for number, (room, view) in enumerate(made):
        for k in range(5):
            draws = generator(4, number, k)
            figure = shapes.compact(people.figure(generator(5, k)))
            placed = placement.place(figure, room, view, draws)
            score = placement._score(placed.scene, view)
            covered.append(score)
            pasted += placed.is_pasted
            shadows += placed.has_shadow
            assert not (placed.is_pasted and placed.has_shadow)
    assert np.mean(np.array(covered) >= 1) > 0.9
    assert min(covered) > 0.2
    assert 8 <= pasted <= 28
    assert shadows >= 10


def test_a_figure_stands_beside_furniture():
    room = rooms.make_room(generator(0))
    obstacle = np.array([1.0, 1.0]), np.array([2.0, 2.0])
    room.obstacles[:] = [obstacle]
    low, high = vector(-0.3, -0.3, 0), vector(0.3, 0.3, 1.7)
    turn = shapes.turn_z(30)
    assert placement._collides(low, high, vector(1.5, 1.5, 0), turn, room)
    assert not placement._collides(low, high, vector(2.5, 1.5, 0), turn, room)
