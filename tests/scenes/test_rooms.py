"""Rooms, their walls and furniture, over many seeds."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import materials, rooms, shapes
from tests.support.rendered_rooms import make_views


@pytest.fixture(scope="module")
def views():
    """Rooms and what their cameras see."""
    return make_views(8)


def test_rooms_are_closed(views):
    for room, view in views:
        ways = shapes.unit(generator(0).standard_normal((500, 3))).astype(np.float32)
        hits = view.scene.cast(room.camera.position, ways)
        assert (hits.triangle >= 0).all()
        assert hits.depth.max() < np.linalg.norm(room.size) + 1


def test_cameras_stand_clear(views):
    for room, _ in views:
        assert (room.camera.position > 0).all()
        assert (room.camera.position < room.size).all()
        eye = room.camera.position[:2]
        for low, high in room.obstacles:
            nearest = np.clip(eye, low, high)
            assert np.linalg.norm(nearest - eye) >= rooms.EYE_SPACE


def test_furniture_stands_apart_and_inside():
    num_pieces = 0
    for number in range(30):
        room = rooms.make_room(generator(4, 1, number))
        num_pieces += len(room.obstacles)
        for k, (low, high) in enumerate(room.obstacles):
            assert (low > 0).all()
            assert (high < room.size[:2]).all()
            for other_low, other_high in room.obstacles[:k]:
                assert (high <= other_low).any() or (low >= other_high).any()
    assert num_pieces > 15


def test_rooms_are_lit_and_differ(views):
    means = []
    for _, view in views:
        radiance = view.radiance()
        assert np.isfinite(radiance).all()
        assert radiance.min() >= 0
        assert radiance.mean() > 0.001
        means.append(view.depth.mean())
    assert np.std(means) > 0.5


def surface(model):
    triangles = np.concatenate([part.vertices for part in model])
    a, b, c = triangles.swapaxes(0, 1)
    return shapes.length(shapes.cross(b - a, c - a)).sum() / 2


SKY = shapes.Material([(0.5, 0.6, 0.9)] * 2, "skyline", emission=2.0, is_pane=True)


@pytest.mark.parametrize("sky", [None, SKY])
def test_a_wall_and_its_windows_make_up_a_rectangle(sky):
    coat = materials.paint(np.full(3, 0.9))
    for seed in range(10):
        model = rooms.make_wall(generator(seed), 4.0, 2.5, coat, sky, 0.75)
        wall = [part for part in model if part.material is coat]
        panes = [part for part in model if part.material is sky]
        assert bool(panes) == (sky is not None)
        assert surface(wall + panes) == pytest.approx(10)
        for part in wall + panes:
            np.testing.assert_allclose(part.normals, [[[0, -1, 0]] * 3] * len(part.uv))
            np.testing.assert_allclose(part.vertices[..., 1], 0)
        low, high = shapes.bounds(model)
        assert (low >= [-1e-9, -0.1, -1e-9]).all()
        assert (high <= [4 + 1e-9, 0, 2.5 + 1e-9]).all()


def test_windows_shine_into_the_room():
    size = np.array([4.0, 5.0, 2.5])
    corner, across, up = np.array([[1.0, 5, 1], [1, 0, 0], [0, 0, 1]])
    pane = shapes.quad(corner, across, up, SKY)
    lights = rooms.daylight(generator(0), [pane], SKY, size)
    np.testing.assert_allclose(lights[0].corners, [[1, 5, 1]])
    np.testing.assert_allclose(lights[0].edges_u, [[1, 0, 0]])
    np.testing.assert_allclose(lights[0].edges_v, [[0, 0, 1]])
    np.testing.assert_allclose(lights[0].facing, [[0, -1, 0]])


def test_pictures_hang_beside_each_other():
    taken, coat = [(0.0, 3.0)], materials.paint(np.full(3, 0.9))
    assert rooms.hang(generator(0), taken, 4.0, 1.2, 1.0, 2.0, coat) == []
    assert rooms.hang(generator(0), taken, 30.0, 1.2, 1.0, 2.0, coat)
    (left, right), (a, b) = taken
    assert a > right
    assert b - a == pytest.approx(1.4)
