"""Light by hand: lamps, furnaces, shadows and smoothing."""

import numpy as np
import pytest

from maskdepth_tf.scenes import light, shapes
from maskdepth_tf.scenes.light import Lights
from maskdepth_tf.scenes.raycast import Scene, linear
from maskdepth_tf.scenes.shapes import Material, vector

X, Y, Z = np.eye(3)
UP = np.array([Z], np.float32)


def draws():
    return np.random.default_rng(0)


def mean_weight(lights, point, normal=Z, count=2000):
    points = np.repeat(np.array([point], np.float32), count, 0)
    normals = np.repeat(np.array([normal], np.float32), count, 0)
    return lights.sample(points, normals, draws().random((count, 3)))[1].mean()


def test_a_panel_lights_what_is_under_it():
    # Area 0.01 m2, 2 m above: 0.01 / (pi * 2^2).
    panel = Lights.of([(vector(-0.05, -0.05, 2), 0.1 * Y, 0.1 * X)], np.ones(3))
    assert mean_weight(panel, (0, 0, 0)) == pytest.approx(0.01 / np.pi / 4, rel=0.01)


def test_a_panel_seen_aslant_gives_less():
    # 45 degrees at both ends, distance 2 sqrt 2: 0.01 / pi * (1/2) / 8.
    panel = Lights.of([(vector(1.95, -0.05, 2), 0.1 * Y, 0.1 * X)], np.ones(3))
    expected = 0.01 / np.pi * 0.5 / 8
    assert mean_weight(panel, (0, 0, 0)) == pytest.approx(expected, rel=0.02)


def test_panels_shine_on_one_side():
    panel = Lights.of([(vector(0, 0, 2), Y, X)], np.ones(3))
    assert mean_weight(panel, (0.5, 0.5, 3), -Z) == 0
    assert mean_weight(panel, (0.5, 0.5, 1), -Z) == 0


def test_bulbs_shine_all_ways():
    bulb = Lights.bulbs([(0, 0, 2)], np.ones(3), radius=0.1)
    # Colour grows as the bulb shrinks: 1/0.01 * area 0.01 = 1.
    assert bulb.colour[0] == pytest.approx(100)
    below, above = mean_weight(bulb, (0, 0, 0)), mean_weight(bulb, (0, 0, 4), -Z)
    assert below == pytest.approx(0.01 / np.pi / 4, rel=0.01)
    assert above == pytest.approx(below, rel=0.01)


def test_two_lamps_share_samples_by_area():
    quads = [
        (vector(-5, 0, 2), 0.1 * Y, 0.3 * X),
        (vector(5, 0, 2), 0.1 * Y, 0.1 * X),
    ]
    lamps = Lights.of(quads, np.ones(3))
    points = np.zeros((4000, 3), np.float32)
    normals = np.repeat(UP, 4000, 0)
    targets, _ = lamps.sample(points, normals, draws().random((4000, 3)))
    assert (targets[:, 0] < 0).mean() == pytest.approx(0.75, abs=0.03)


def test_light_near_a_lamp_is_bounded():
    lamp = Lights.of([(vector(-1, -1, 0.01), 2 * Y, 2 * X)], np.ones(3), bound=2.0)
    assert mean_weight(lamp, (0, 0, 0)) <= 2.0


def test_the_sun_is_as_strong_as_it_says():
    sun = Lights.sun(vector(0, 1, 1), vector(0, 0, 0), vector(3, 3, 3))
    weight = mean_weight(sun, (0, 0, 0))
    # A floor under a sun 45 degrees up gets 3 cos 45.
    assert weight * sun.colour[0] == pytest.approx(3 * np.sqrt(0.5), rel=0.01)


def test_hemisphere_is_denser_near_the_normal():
    # The mean cosine of a cosine distribution is 2/3.
    normals = np.repeat(np.array([[0.6, 0, 0.8]], np.float32), 20000, 0)
    ways = light.hemisphere(normals, draws().random((20000, 2)))
    np.testing.assert_allclose(shapes.length(ways), 1, rtol=1e-5)
    cosines = shapes.dot(ways, normals)
    assert cosines.min() > 0
    assert cosines.mean() == pytest.approx(2 / 3, abs=0.005)


def test_stratified_numbers_cover_their_first_axis():
    numbers = light.stratified(draws(), (7, 2), 4)
    assert numbers.shape == (4, 7, 2)
    np.testing.assert_array_equal(
        np.floor(numbers[..., 0] * 4), np.arange(4)[:, None] + np.zeros(7)
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_interleaved_numbers_cover_every_4_by_4_pixels(dims):
    numbers = light.interleaved(draws(), 8, 4, dims).reshape(4, 8, 8, dims)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    block = numbers[:, 2:6, 3:7].reshape(64, dims)
    for axis in range(dims):
        counts = np.bincount((block[:, axis] * 8).astype(int), minlength=8)
        # 64 random numbers would leave bins from 3 to 14.
        assert counts.min() >= 5
        assert counts.max() <= 10


def furnace(emission):
    material = Material([(0.5, 0.5, 0.5)] * 2, emission=emission)
    corners = [vector(0, 0, 0), vector(2, 2, 2)]
    low, high = corners
    x, y, z = 2 * X, 2 * Y, 2 * Z
    inward = [(low, x, y), (high, -y, -x), (low, y, z), (high, -z, -y)]
    inward += [(low, z, x), (high, -x, -z)]
    return Scene([shapes.quad(*side, material, step=1.0) for side in inward])


def test_a_furnace_is_equally_bright_all_over():
    # All walls give off c = 0.5^2.2 and send on that share: after two bounces every
    # wall receives c + c^2.
    c = linear(0.5)
    received = light.radiosity(furnace(1.0), [], draws())
    np.testing.assert_allclose(received, c + c * c, rtol=1e-4)


def test_a_dark_room_stays_dark():
    assert not light.radiosity(furnace(0.0), [], draws()).any()


def test_gather_gives_nothing_where_nothing_is():
    scene = Scene(
        [shapes.quad(vector(-1, -1, 0), 2 * X, 2 * Y, Material([(1, 1, 1)] * 2))]
    )
    starts = np.array([[0, 0, 1], [0, 0, 1]], np.float32)
    ways = np.array([[0, 0, -1], [0, 0, 1]], np.float32)
    got = light.gather(scene, starts, ways, np.full((2, 3), 0.7, np.float32))
    np.testing.assert_allclose(got, [[0.7] * 3, [0] * 3], rtol=1e-6)


def flat(size=16):
    """Positions, normals and depths of a floor seen from above, and its side."""
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    positions = np.stack([columns, rows, np.zeros_like(rows)], -1).reshape(-1, 3) * 0.02
    normals = np.broadcast_to(Z, positions.shape)
    return positions, normals, np.full(size * size, 2.0), size


def test_smoothing_keeps_even_light_and_lowers_noise():
    smooth = light.Smoother(*flat())
    np.testing.assert_allclose(smooth(np.full((256, 2), 0.3)), 0.3, rtol=1e-5)
    noise = draws().random((256, 1))
    assert smooth(noise).std() < 0.25 * noise.std()


@pytest.mark.parametrize("edge", ["step", "corner"])
def test_smoothing_stops_at_edges(edge):
    positions, normals, depth, side = flat()
    normals, right = normals.copy(), np.arange(256) % side >= 8
    if edge == "step":
        positions[right, 2] = 0.5  # 0.5 m high
    else:
        normals[right] = X
    values = right[:, None].astype(float)
    smooth = light.Smoother(positions, normals, depth, side)
    np.testing.assert_allclose(smooth(values), values, atol=1e-5)
