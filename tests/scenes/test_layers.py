"""Masks, depths and shadows of a ball in an empty box, by hand."""

import numpy as np
import pytest

from maskdepth_tf.scenes import layers, light, render, shapes
from maskdepth_tf.scenes.raycast import Camera, Scene
from maskdepth_tf.scenes.shapes import Material, vector

WHITE = Material([(0.9, 0.9, 0.9)] * 2)
RED = Material([(0.9, 0.1, 0.1)] * 2)
SIZE = 64
X, Y, Z = np.eye(3)


def draws(seed=0):
    return np.random.default_rng(seed)


def empty_box(extra=()):
    """A closed room of 4 x 6 x 3 m."""
    w, d, h = 4 * X, 6 * Y, 3 * Z
    zero, far = vector(0, 0, 0), vector(4, 6, 3)
    sides = [(zero, w, d), (far, -d, -w), (zero, d, h), (far, -h, -d)]
    sides += [(zero, h, w), (far, -w, -h)]
    return [shapes.quad(*side, WHITE, step=0.7) for side in sides] + list(extra)


def lit(extra=()):
    """The room under a panel in the ceiling, seen from its near end."""
    panel = (vector(1.5, 2.5, 2.98), 1 * Y, 1 * X)
    groups = [light.Lights.of([panel], np.full(3, 5.0))]
    camera = Camera.looking((2, 0.5, 1.5), 0, 0, 0, 60)
    return render.render_room(Scene(empty_box(extra)), camera, groups, SIZE, draws())


@pytest.fixture(scope="module")
def view():
    return lit()


def ball(centre=(2, 3.5, 1.5), radius=0.5, segments=64):
    return Scene(shapes.ellipsoid(centre, [radius] * 3, RED, segments))


def test_depth_of_the_far_wall(view):
    # It is 5.5 m ahead, 4 m wide: at 60 degrees the frame is 6.35 m wide there.
    middle = view.depth[SIZE // 2 - 5 : SIZE // 2 + 5, SIZE // 2 - 5 : SIZE // 2 + 5]
    np.testing.assert_allclose(middle, 5.5, rtol=1e-5)
    assert view.depth.max() == pytest.approx(5.5, rel=1e-5)


def test_a_lit_room_is_nowhere_black(view):
    assert view.radiance().shape == (SIZE, SIZE, 3)
    assert view.radiance().min() > 0
    # Without glow: all comes from the panel or off other surfaces.
    parts = [view.radiance(np.array(part)) for part in ([1.0, 0], [0, 1.0])]
    np.testing.assert_allclose(view.radiance(), sum(parts), rtol=1e-5)
    assert not view.own.any()


def test_the_floor_is_brightest_under_the_panel(view):
    # Almost under the panel, where the camera can see, and at the far end.
    spots = view.camera.project(np.array([[2, 3.4, 0], [2, 5.9, 0]]), SIZE)
    direct = view.radiance(np.array([1.0, 0.0]))
    near, far = (direct[int(y), int(x), 0] for x, y, _ in spots)
    # E of a panel of 1 m2 at 3 m, nearly 5 / (pi 9), times the white 0.9^2.2.
    assert near == pytest.approx(0.9**2.2 * 5 / np.pi / 9, rel=0.1)
    assert far < 0.6 * near


@pytest.mark.parametrize("radius", [0.15, 0.5, 0.9])
def test_mask_of_a_ball_is_its_silhouette(view, radius):
    # A ball 3 m ahead on the axis is seen as a circle of tangent r / sqrt(9 - r^2).
    layer = layers.render_figure(ball(radius=radius), view, True, draws())
    in_pixels = radius / np.sqrt(9 - radius**2) / view.camera.slope * SIZE / 2
    assert layer.mask.sum() == pytest.approx(np.pi * in_pixels**2, rel=0.01)
    assert layer.mask.max() == 1
    soft = (layer.mask > 0) & (layer.mask < 1)
    # The edge is one pixel wide, all around.
    assert 0 < soft.sum() < 3 * 2 * np.pi * in_pixels


def test_depth_of_a_ball(view):
    layer = layers.render_figure(ball(), view, True, draws())
    nearest = layer.depth[SIZE // 2, SIZE // 2]
    assert nearest == pytest.approx(2.5, abs=0.01)
    np.testing.assert_array_equal(layer.depth[layer.mask == 0], 0)


def test_what_is_hidden_is_not_in_the_mask():
    screen = shapes.box((0.1, 2.0, 0), (2.0, 2.1, 2.9), WHITE)
    hidden = layers.render_figure(ball(), lit(screen), True, draws()).mask
    assert hidden[:, : SIZE // 2 - 1].max() == 0
    assert hidden[:, SIZE // 2 + 1 :].sum() > 50


def test_a_figure_behind_the_wall_is_not_seen(view):
    layer = layers.render_figure(ball((2, 9, 1.5)), view, True, draws())
    assert not layer.mask.any()
    assert not layer.colour.any()


def test_a_figure_out_of_the_frame_is_not_seen(view):
    layer = layers.render_figure(ball((3.9, 0.6, 1.5), 0.05), view, True, draws())
    assert not layer.mask.any()


def test_a_figure_around_the_camera_is_cut_by_the_frame(view):
    figure = Scene(shapes.box((1.9, 0.7, 0), (2.3, 0.9, 3), RED))
    mask = layers.render_figure(figure, view, True, draws()).mask
    assert mask[0].any()
    assert mask[-1].any()


@pytest.mark.parametrize("studio", [True, False])
def test_a_red_ball_is_red(view, studio):
    layer = layers.render_figure(ball(), view, studio, draws())
    red, green, blue = layer.colour[layer.mask == 1].T
    assert (red > 3 * green).all()
    assert (red > 3 * blue).all()
    np.testing.assert_array_equal(layer.colour[layer.mask == 0], 0)


def test_the_room_lights_a_ball_from_above(view):
    layer = layers.render_figure(ball(), view, False, draws())
    column = layer.colour[:, SIZE // 2, 0][layer.mask[:, SIZE // 2] == 1]
    third = len(column) // 3
    assert column[:third].mean() > 1.5 * column[-third:].mean()


def test_a_shadow_lies_under_the_ball(view):
    dark = layers.shadowed(ball((2, 3.8, 0.5), 0.5), view)
    ratio = (dark / view.radiance()).mean(-1)
    assert ratio.max() <= 1 + 1e-5
    # Where the ball touches the floor, and the far wall's top, which it cannot darken.
    (x, y, _), (u, v, _) = view.camera.project(
        np.array([[2, 3.8, 0.0], [2, 5.99, 2.8]]), SIZE
    )
    assert ratio[int(y), int(x)] < 0.4
    assert ratio[int(v), int(u)] > 0.97


def test_nothing_casts_no_shadow(view):
    tiny = ball((2, 3, 2), 1e-4, 8)
    np.testing.assert_allclose(layers.shadowed(tiny, view), view.radiance(), rtol=1e-3)


def test_alone_a_ball_is_a_disc():
    camera = Camera.looking((0, -3, 0), 0, 0, 0, 60)
    mask, colour, _ = layers.render_alone(ball((0, 0, 0)), camera, SIZE, draws())
    in_pixels = 0.5 / np.sqrt(9 - 0.25) / camera.slope * SIZE / 2
    assert mask.sum() == pytest.approx(np.pi * in_pixels**2, rel=0.01)
    assert colour[mask == 0].max() == 0
    assert colour[..., 0].max() > 0.2
