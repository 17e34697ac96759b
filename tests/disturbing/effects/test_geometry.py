import numpy as np
import pytest

from maskdepth_tf.disturbing.effects import geometry


def dots(*places, shape=(20, 30)):
    picture = np.zeros((*shape, 3), np.uint8)
    for row, column in places:
        picture[row, column] = 255
    return picture


def moved(matrix, x, y):
    point = matrix @ [x, y, 1]
    return point[:2] / point[2]


def test_a_shift_of_whole_pixels_moves_every_pixel():
    warped = geometry.warp(dots((5, 7)), geometry.shift(4, -2))
    np.testing.assert_array_equal(warped, dots((3, 11)))


def test_half_a_pixel_is_shared_by_two():
    warped = geometry.warp(dots((5, 7)), geometry.shift(0.5, 0))
    assert warped[5, 7:9, 0].tolist() == pytest.approx([127.5, 127.5], abs=1)


def test_what_comes_in_is_the_mirror_image():
    picture = np.arange(30, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    warped = geometry.warp(picture, geometry.shift(3, 0))
    assert warped[0, :6, 0].tolist() == [3, 2, 1, 0, 1, 2]


def test_turn_keeps_the_middle():
    matrix = geometry.turn((21, 31), 1.04, 3)
    assert moved(matrix, 15, 10) == pytest.approx([15, 10])
    # 4 % of 10 pixels; a quarter turn is clockwise, where y points down.
    assert moved(geometry.turn((21, 31), 1.04, 0), 25, 10) == pytest.approx([25.4, 10])
    assert moved(geometry.turn((21, 31), 1, 90), 25, 10) == pytest.approx([15, 20])


def test_tilt_moves_the_corners():
    moves = np.array([[1, 2], [-3, 4], [0, -1], [2, 0]])
    matrix = geometry.tilt((20, 30), moves)
    corners = np.array([[0, 0], [29, 0], [29, 19], [0, 19]])
    for corner, move in zip(corners, moves, strict=True):
        assert moved(matrix, *corner) == pytest.approx(corner + move, abs=1e-4)
