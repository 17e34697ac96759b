"""Depths, silhouettes and colours of scenes that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.scenes import materials, raycast, shapes
from maskdepth_tf.scenes.raycast import Camera, Scene
from maskdepth_tf.scenes.shapes import Material, vector

GREY = Material([(0.5, 0.5, 0.5)] * 2)
X, Y, Z = np.eye(3)
SIZE = 32


def wall(distance, material=GREY):
    """A wall square to +y, 40 m wide."""
    corner = vector(-20, distance, -20)
    return [shapes.quad(corner, 40 * X, 40 * Z, material)]


def see(scene, camera, size=SIZE):
    return scene.cast(camera.position, camera.grid((0, 0, size, size), 1, size))


def ahead(field_of_view=60.0):
    return Camera.looking((0, 0, 0), 0, 0, 0, field_of_view)


def test_a_wall_square_to_the_camera_has_one_depth():
    hits = see(Scene(wall(3.0)), ahead())
    np.testing.assert_allclose(hits.depth, 3.0, rtol=1e-5)
    np.testing.assert_allclose(hits.facet, np.broadcast_to(-Y, (SIZE**2, 3)), atol=1e-6)


def test_depth_of_a_floor_by_hand():
    # A camera 1.5 m above the floor, 90 degrees: the ray through the middle of the
    # lowest row of 32 falls by 31/32 a metre ahead, and meets it 1.5 * 32/31 m away.
    floor = [shapes.quad(vector(-50, -50, 0), 100 * X, 100 * Y, GREY)]
    camera = Camera.looking((0, 0, 1.5), 0, 0, 0, 90)
    depth = see(Scene(floor), camera).depth.reshape(SIZE, SIZE)
    np.testing.assert_allclose(depth[-1], 1.5 * 32 / 31, rtol=1e-5)
    assert (depth[: SIZE // 2] == raycast.FAR).all()


def test_depth_of_a_box_in_front_of_a_wall():
    box = shapes.box((-0.5, 2, -0.5), (0.5, 2.4, 0.5), GREY)
    depth = see(Scene(wall(5.0) + box), ahead(90)).depth.reshape(SIZE, SIZE)
    # 1 m at 2 m depth, where the frame is 4 m wide: 8 of 32 pixels.
    near = np.isclose(depth, 2.0, rtol=1e-5)
    assert near.sum() == 8 * 8
    assert near[12:20, 12:20].all()
    np.testing.assert_allclose(depth[~near], 5.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "forward", "right"),
    [
        (0, 0, 0, Y, X),
        (90, 0, 0, -X, Y),
        (0, 90, 0, Z, X),
        (180, 0, 0, -Y, -X),
        (0, 0, 90, Y, Z),
    ],
)
def test_angles(yaw, pitch, roll, forward, right):
    axes = Camera.looking((0, 0, 0), yaw, pitch, roll, 60).axes
    np.testing.assert_allclose(axes[2], forward, atol=1e-12)
    np.testing.assert_allclose(axes[0], right, atol=1e-12)


angles = st.floats(-60, 60)


@settings(max_examples=40, deadline=None)
@given(angles, angles, angles, st.integers(0, SIZE**2 - 1), st.floats(0.5, 9))
def test_projection_undoes_rays(yaw, pitch, roll, pixel, depth):
    camera = Camera.looking((1, 2, 3), yaw, pitch, roll, 70)
    way = camera.grid((0, 0, SIZE, SIZE), 1, SIZE)[pixel : pixel + 1]
    seen = camera.project(camera.position + depth * way, SIZE)
    row, column = divmod(pixel, SIZE)
    expected = [[column + 0.5, row + 0.5, depth]]
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-3)


def test_a_grid_of_a_box_is_part_of_the_whole_grid():
    camera = ahead()
    whole = camera.grid((0, 0, SIZE, SIZE), 2, SIZE).reshape(2 * SIZE, 2 * SIZE, 3)
    part = camera.grid((3, 5, 10, 9), 2, SIZE).reshape(8, 14, 3)
    np.testing.assert_array_equal(part, whole[10:18, 6:20])


def test_means_over_pixels():
    values = np.arange(16.0).reshape(16, 1)
    means = raycast.pixel_means(values, 2, 2, 2)[..., 0]
    np.testing.assert_array_equal(means, [[2.5, 4.5], [10.5, 12.5]])


def test_what_lies_between_two_points():
    scene = Scene(wall(3.0))
    starts = np.zeros((2, 3))
    ends = np.array([[0, 2.9, 0], [0, 3.5, 0]])
    assert scene.blocks(starts, ends).tolist() == [False, True]
    assert len(scene.blocks(starts[:0], ends[:0])) == 0


def test_panes_are_seen_and_cast_no_shadow():
    pane = Material([(1, 1, 1)] * 2, is_pane=True)
    scene = Scene(wall(3.0, pane))
    assert not scene.blocks(np.zeros((1, 3)), np.array([[0, 9.0, 0]])).any()
    np.testing.assert_allclose(see(scene, ahead()).depth, 3.0, rtol=1e-5)


def test_corners_bound_the_scene():
    corners = Scene(shapes.box((0, 1, 2), (3, 4, 5), GREY)).corners()
    assert len({tuple(corner) for corner in corners}) == 8
    np.testing.assert_array_equal(corners.min(0), [0, 1, 2])
    np.testing.assert_array_equal(corners.max(0), [3, 4, 5])


def test_colours_are_linear_light():
    # An even ramp: any texture value gives it. 0.5 ** 2.2 = 0.2176.
    scene = Scene(wall(3.0))
    hits = see(scene, ahead())
    colour = scene.colour(hits, np.full(len(hits.depth), 0.1))
    np.testing.assert_allclose(colour, 0.2176, atol=1e-4)


def test_a_ramp_runs_from_its_first_to_its_last_colour():
    scene = Scene(wall(3.0, Material([(1, 0, 0), (0, 0, 1)], "noise", scale=5)))
    hits = see(scene, ahead())
    colour = scene.colour(hits, np.full(len(hits.depth), 0.01)) ** (1 / 2.2)
    np.testing.assert_allclose(colour[:, 0] + colour[:, 2], 1, atol=1e-5)
    assert colour[:, 0].max() > 0.6
    assert colour[:, 2].max() > 0.6


def test_noise_changes_channels_apart():
    scene = Scene(wall(3.0, Material([(0.5, 0.5, 0.5)] * 2, noise=1.0)))
    hits = see(scene, ahead())
    colour = scene.colour(hits, np.full(len(hits.depth), 0.01))
    assert colour.std(0).min() > 0.02
    assert np.abs(colour[:, 0] - colour[:, 1]).max() > 0.02


def test_variants_choose_among_tiles_and_start_over():
    library = materials.library()
    first = library.tile("wood", 0)
    count = next(k for k in range(1, 99) if library.tile("wood", k) == first)
    pictures = []
    for variant in (0, 1, count):
        material = Material([(0, 0, 0), (1, 1, 1)], "wood", variant)
        scene = Scene(wall(3.0, material))
        hits = see(scene, ahead())
        pictures.append(scene.colour(hits, np.full(len(hits.depth), 0.01)))
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert (pictures[0] != pictures[1]).any()
