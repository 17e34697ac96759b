"""Triangles, by their areas, normals and bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.scenes import shapes
from maskdepth_tf.scenes.shapes import Material, vector

GREY = Material([(0.5, 0.5, 0.5)] * 2)
X, Y, Z = np.eye(3)


def area(part):
    a, b, c = part.vertices.swapaxes(0, 1)
    return shapes.length(shapes.cross(b - a, c - a)).sum() / 2


def outward(part, centre):
    """Cosine between each triangle's normal and its direction from a point."""
    way = shapes.unit(part.vertices.mean(1) - centre)
    return shapes.dot(part.normals.mean(1), way)


def windings(part):
    a, b, c = part.vertices.swapaxes(0, 1)
    return shapes.unit(shapes.cross(b - a, c - a))


@settings(deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=6, max_size=6))
def test_vector_products_are_numpys(numbers):
    a, b = np.array(numbers).reshape(2, 3)
    np.testing.assert_allclose(shapes.dot(a, b), np.dot(a, b), atol=1e-9)
    np.testing.assert_allclose(shapes.cross(a, b), np.cross(a, b), atol=1e-9)
    np.testing.assert_allclose(shapes.length(a), np.linalg.norm(a), atol=1e-9)


def test_unit_keeps_zeros():
    np.testing.assert_array_equal(shapes.unit(np.zeros(3)), np.zeros(3))
    np.testing.assert_allclose(shapes.unit(vector(0, 3, 4)), [0, 0.6, 0.8])


def test_quad():
    part = shapes.quad(vector(1, 1, 0), 2 * X, 3 * Y, GREY)
    assert part.vertices.shape == (2, 3, 3)
    assert area(part) == pytest.approx(6)
    np.testing.assert_allclose(part.normals, np.broadcast_to(Z, (2, 3, 3)))
    np.testing.assert_allclose(windings(part), np.broadcast_to(Z, (2, 3)))
    # The texture is measured in metres from the corner.
    np.testing.assert_allclose(part.uv, part.vertices[..., :2] - 1)


def test_quad_in_cells_has_the_same_area():
    # 2 m and 3 m in cells of at most 0.7 m: 3 x 5 cells of two triangles.
    part = shapes.quad(vector(0, 0, 0), 2 * X, 3 * Y, GREY, step=0.7)
    assert len(part.vertices) == 30
    assert area(part) == pytest.approx(6)


def test_quad_that_fits_its_texture():
    part = shapes.quad(vector(0, 0, 0), 2 * X, 3 * Y, GREY, fit=True)
    assert part.uv.min() == 0
    assert part.uv.max() == 1


def test_box():
    (part,) = shapes.box((0, 0, 0), (1, 2, 3), GREY)
    assert area(part) == pytest.approx(2 * (2 + 3 + 6))
    assert (outward(part, [0.5, 1, 1.5]) > 0).all()
    np.testing.assert_allclose(windings(part), part.normals[:, 0], atol=1e-12)


def test_grain_runs_up_boxes():
    (part,) = shapes.box((0, 0, 0), (1, 2, 3), GREY)
    upright = np.abs(part.normals[:, 0, 2]) < 0.5
    heights, v = part.vertices[upright][..., 2], part.uv[upright][..., 1]
    np.testing.assert_allclose(v, heights)


def test_loft_of_a_cylinder():
    (part,) = shapes.loft([(0, 0, 0), (0, 0, 2)], [1, 1], GREY, 200)
    # Side 2 pi r h, two caps pi r^2.
    assert area(part) == pytest.approx(4 * np.pi + 2 * np.pi, rel=1e-3)
    assert (outward(part, [0, 0, 1]) > 0).all()


def test_loft_starts_its_texture_at_x():
    skin = shapes.loft([(0, 0, 0), (0, 0, 2)], [1, 1e-4], GREY, 8, fit=True)[0]
    points, uv = skin.vertices.reshape(-1, 3), skin.uv.reshape(-1, 2)
    front = np.argmax(points[:, 1])
    np.testing.assert_allclose(points[front], [0, 1, 0], atol=1e-9)
    assert uv[front, 0] == pytest.approx(0.25)


def test_ellipsoid():
    (part,) = shapes.ellipsoid((1, 2, 3), (0.5, 0.5, 0.5), GREY, 60)
    assert area(part) == pytest.approx(4 * np.pi * 0.25, rel=0.01)
    assert (outward(part, [1, 2, 3]) > 0.9).all()


def test_limb_ends_round():
    low, high = shapes.bounds(shapes.limb([(0, 0, 1), (0, 0, 2)], [0.1, 0.2], GREY))
    assert low[2] == pytest.approx(0.9)
    assert high[2] == pytest.approx(2.2)


def test_turns():
    np.testing.assert_allclose(shapes.turn_z(90) @ X, Y, atol=1e-12)
    np.testing.assert_allclose(shapes.turn_x(90) @ Y, Z, atol=1e-12)


def test_moved_scales_then_turns_then_shifts():
    model = [shapes.quad(vector(1, 0, 0), X, Z, GREY)]
    (part,) = shapes.moved(model, (0, 0, 5), shapes.turn_z(90), 2.0)
    low, high = shapes.bounds([part])
    np.testing.assert_allclose(low, [0, 2, 5], atol=1e-12)
    np.testing.assert_allclose(high, [0, 4, 7], atol=1e-12)
    np.testing.assert_allclose(part.normals[0, 0], X, atol=1e-12)


def test_compact_keeps_all_triangles():
    other = Material([(1, 0, 0)] * 2)
    model = shapes.box((0, 0, 0), (1, 1, 1), GREY)
    model += shapes.box((2, 0, 0), (3, 1, 1), other)
    model += shapes.box((4, 0, 0), (5, 1, 1), GREY)
    compact = shapes.compact(model)
    assert [part.material for part in compact] == [GREY, other]
    assert [len(part.vertices) for part in compact] == [24, 12]
    assert compact[0].vertices.dtype == np.float32
    np.testing.assert_allclose(shapes.bounds(compact), [[0, 0, 0], [5, 1, 1]])


def test_solids_stand_where_they_should():
    low, high = shapes.bounds(shapes.block((1, 2, 3), (0.4, 0.6, 0.8), GREY))
    np.testing.assert_allclose(low, [0.8, 1.7, 3])
    np.testing.assert_allclose(high, [1.2, 2.3, 3.8])
    low, high = shapes.bounds(shapes.cushion((0, 0, 1), (0.4, 0.6, 0.2), GREY))
    np.testing.assert_allclose([low, high], [[-0.2, -0.3, 1], [0.2, 0.3, 1.2]])
