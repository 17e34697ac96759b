import cv2
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import registration as benchmark
from maskdepth_tf.registration import warps
from tests.support.made_rooms import made_room

STILL = [warps.STILL]


def test_movement_by_hand():
    # 3 : 4 of area 1 is 0.866 wide. A turn is told in the picture's own sides.
    width = tf.constant([0.75**0.5])
    turn, tilt = (-0.02 / 0.75, 0.02 * 0.75), (0.06, 0.04)
    warp = np.float32([[1.0, turn[0], 0.1, turn[1], 1.0, -0.1, *tilt]])
    movement = [0, 0.02, 0, 0, 0.1 * 0.75**0.5, -0.1 / 0.75**0.5]
    movement = [[*movement, 0.06 / 0.75**0.5, 0.04 * 0.75**0.5]]
    np.testing.assert_allclose(warps.movement(warp, width), movement, atol=1e-7)
    found = warps.of_movement(tf.constant(movement, tf.float32), width)
    np.testing.assert_allclose(found, warp, atol=1e-7)


def test_shifts_come_before_the_warp():
    turned = tf.constant([[[0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]])
    found = warps.after_shifts(turned, tf.constant([[[0.25, 0.5]]]))
    np.testing.assert_allclose(found, [[[0, -1, -0.25, 1, 0, 0.5, 0, 0]]])


def test_chained_with_its_own_inverse_it_is_still():
    warp = tf.constant([[1.1, -0.2, 0.3, 0.25, 0.9, -0.1, 0.2, -0.3]])
    np.testing.assert_allclose(warps.chain_inverse(warp, warp), STILL, atol=1e-6)


def test_resampling_by_hand():
    image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    right = [[1.0, 0.0, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0]]  # by a quarter of 4 pixels
    expected = [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15]]
    np.testing.assert_allclose(warps.resample(image, right)[0, ..., 0], expected)
    mirrored = warps.resample(image, right, border="REFLECT")
    np.testing.assert_allclose(mirrored[0, 0, :, 0], [1, 2, 3, 3])
    half = warps.resample(image, STILL, side=2)
    np.testing.assert_allclose(half[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])


def test_tilted_places_by_hand():
    # Twice as far at the right end: half as far from the middle.
    warp = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0]
    x, y = np.float32([[0.5, 0.0, -0.25], [0.5, 0.25, 0.1]])
    found = warps.at(warp, x, y)
    np.testing.assert_allclose(found, [[0.25, 0, -0.5], [0.25, 0.25, 0.2]], rtol=1e-6)
    # What would be behind the camera is far away, and no number is lost.
    np.testing.assert_allclose(warps.at(warp, np.float32(-0.5), y[0])[0], -5)


@pytest.mark.parametrize("side", [64, 32, 24])
def test_tilted_resampling_is_that_of_opencv(side):
    room = made_room(9).astype(np.float32)[:64, :64]
    warp = np.float32([[1.02, -0.03, 0.04, 0.02, 0.98, -0.03, 0.2, -0.1]])
    found = warps.resample(room[np.newaxis], warp, side=side)[0]

    matrix = (
        np.linalg.inv(benchmark.points_of(64, 64))
        @ np.append(warp, 1).reshape(3, 3)
        @ benchmark.points_of(side, side)
    )
    expected = cv2.warpPerspective(
        room,
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # OpenCV's places are multiples of 1/32 of a pixel.
    assert np.abs(found - expected).mean() < 0.5


def test_sharp_resampling_loses_less():
    room = made_room(9).astype(np.float32)[np.newaxis, :64, :64]
    half = 0.5 / 64
    there = [[1.0, 0.0, half, 0.0, 1.0, 0.0, 0.0, 0.0]]
    back = [[1.0, 0.0, -half, 0.0, 1.0, 0.0, 0.0, 0.0]]
    inner = (slice(None), slice(4, 60), slice(4, 60))

    def lost(resample):
        found = resample(resample(room, there), back)
        return float(tf.reduce_mean(tf.abs(found - room)[inner]))

    assert lost(warps.resample_sharply) < 0.75 * lost(warps.resample)
    np.testing.assert_array_equal(warps.resample_sharply(room, STILL), room)


@pytest.mark.parametrize(
    ("warp", "margin", "expected"),
    [
        (STILL, 0.0, ["1111"] * 4),
        (STILL, 1.0, ["0000", "0110", "0110", "0000"]),
        ([[1, 0, 0.25, 0, 1, 0, 0, 0]], 0.0, ["1110"] * 4),
        ([[1, 0, 0, 0, 1, -0.3, 0, 0]], 0.0, ["0000", "0000", "1111", "1111"]),
        ([[1.5, 0, 0, 0, 1.5, 0, 0, 0]], 0.0, ["0000", "0110", "0110", "0000"]),
        ([[0, -1, 0.25, 1, 0, 0, 0, 0]], 0.0, ["0000", "1111", "1111", "1111"]),
        # To the right all is further from the middle, by up to a sixth.
        ([[1, 0, 0, 0, 1, 0, -0.4, 0]], 0.0, ["1100", "1110", "1110", "1100"]),
    ],
)
def test_inside_is_where_the_background_is(warp, margin, expected):
    found = np.reshape(warps.is_inside(np.float32(warp), 4, margin), (4, 4))
    assert ["".join(str(int(x)) for x in row) for row in found] == expected


def test_grid_by_hand():
    x, y = warps.grid(2)
    np.testing.assert_array_equal(x, [-0.25, 0.25, -0.25, 0.25])
    np.testing.assert_array_equal(y, [-0.25, -0.25, 0.25, 0.25])
