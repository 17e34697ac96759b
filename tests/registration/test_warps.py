import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.registration import warps
from tests.support.made_rooms import made_room

STILL = [warps.STILL]


def test_movement_by_hand():
    # 3 : 4 of area 1 is 0.866 wide. A turn is told in the picture's own sides.
    width = tf.constant([0.75**0.5])
    warp = np.float32([[1.0, -0.02 / 0.75, 0.1, 0.02 * 0.75, 1.0, -0.1]])
    movement = [[0, 0.02, 0, 0, 0.1 * 0.75**0.5, -0.1 / 0.75**0.5]]
    np.testing.assert_allclose(warps.movement(warp, width), movement, atol=1e-7)
    found = warps.of_movement(tf.constant(movement, tf.float32), width)
    np.testing.assert_allclose(found, warp, atol=1e-7)


def test_shifts_come_before_the_warp():
    turned = tf.constant([[[0.0, -1.0, 0.0, 1.0, 0.0, 0.0]]])
    found = warps.after_shifts(turned, tf.constant([[[0.25, 0.5]]]))
    np.testing.assert_allclose(found, [[[0, -1, -0.25, 1, 0, 0.5]]])


def test_chained_with_its_own_inverse_it_is_still():
    warp = tf.constant([[1.1, -0.2, 0.3, 0.25, 0.9, -0.1]])
    np.testing.assert_allclose(warps.chain_inverse(warp, warp), STILL, atol=1e-6)


def test_resampling_by_hand():
    image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    right = [[1.0, 0.0, 0.25, 0.0, 1.0, 0.0]]  # by a quarter of 4 pixels
    expected = [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15]]
    np.testing.assert_allclose(warps.resample(image, right)[0, ..., 0], expected)
    mirrored = warps.resample(image, right, border="REFLECT")
    np.testing.assert_allclose(mirrored[0, 0, :, 0], [1, 2, 3, 3])
    half = warps.resample(image, STILL, side=2)
    np.testing.assert_allclose(half[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])


def test_sharp_resampling_loses_less():
    room = made_room(9).astype(np.float32)[np.newaxis, :64, :64]
    half = 0.5 / 64
    there = [[1.0, 0.0, half, 0.0, 1.0, 0.0]]
    back = [[1.0, 0.0, -half, 0.0, 1.0, 0.0]]
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
        ([[1, 0, 0.25, 0, 1, 0]], 0.0, ["1110"] * 4),
        ([[1, 0, 0, 0, 1, -0.3]], 0.0, ["0000", "0000", "1111", "1111"]),
        ([[1.5, 0, 0, 0, 1.5, 0]], 0.0, ["0000", "0110", "0110", "0000"]),
        ([[0, -1, 0.25, 1, 0, 0]], 0.0, ["0000", "1111", "1111", "1111"]),
    ],
)
def test_inside_is_where_the_background_is(warp, margin, expected):
    found = np.reshape(warps.is_inside(np.float32(warp), 4, margin), (4, 4))
    assert ["".join(str(int(x)) for x in row) for row in found] == expected


def test_grid_by_hand():
    x, y = warps.grid(2)
    np.testing.assert_array_equal(x, [-0.25, 0.25, -0.25, 0.25])
    np.testing.assert_array_equal(y, [-0.25, -0.25, 0.25, 0.25])
