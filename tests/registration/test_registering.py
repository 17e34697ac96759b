import cv2
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import registration as benchmark
from maskdepth_tf.registration import comparing, registering, warps
from tests.support.made_rooms import made_pairs, made_room

register = tf.function(registering.register, autograph=False)


def room(seed=0, size=64):
    return made_room(seed).astype(np.float32)[np.newaxis, :size, :size]


def test_equal_pictures_stay_as_they_are():
    found = register(room(), room())
    np.testing.assert_array_equal(found.bg, room())
    assert float(comparing.mismatch(found.bg, room())[0]) == 0


def test_a_background_that_fits_stays_as_it_is():
    picture = room(1)
    picture[:, 20:60, 10:40] = (200, 30, 40)
    found = register(room(1), picture)
    np.testing.assert_array_equal(found.bg, room(1))


@pytest.mark.parametrize("size", [64, 128])
def test_what_is_left_is_the_figure(size):
    pairs = made_pairs()[:40]
    bg, fg_bg = benchmark.resized(pairs, size)
    found = register(bg, fg_bg).bg
    (masks,) = benchmark.resized(
        [pair._replace(bg=pair.mask[..., None]) for pair in pairs], size
    )[:1]
    assert set(np.unique(found % 1)) == {0}
    is_figure = masks[..., 0] > 0
    raw, left = (np.abs(x - fg_bg).max(-1) > comparing.DIFFERENCE for x in (bg, found))
    assert raw[~is_figure].mean() > 0.3
    assert left[~is_figure].mean() < 0.01


def test_what_the_background_lacks_is_the_pictures_own():
    whole = made_room(2).astype(np.float32)
    bg, fg_bg = whole[np.newaxis, 20:84, 24:88], whole[np.newaxis, 20:84, 20:84]
    found = register(bg, fg_bg).bg.numpy()
    np.testing.assert_array_equal(found[:, :, :4], fg_bg[:, :, :4])
    assert np.abs(found - fg_bg)[:, :, 6:].mean() < 1.5


def test_clipped_highlights_go_as_far_as_the_pictures():
    truth = np.linspace(100, 400, 64, dtype=np.float32)[
        np.newaxis, np.newaxis, :, np.newaxis
    ]
    texture = room(3) / 4
    scene = truth + texture
    bg, picture = np.rint(np.clip(scene, 0, 255)), np.rint(0.6 * scene)
    found = register(bg, picture).bg.numpy()
    assert (bg == 255).mean() > 0.3
    assert np.abs(found - picture).max(-1).mean() < 3


def test_one_broken_pair_does_not_harm_the_others():
    bg, fg_bg = np.repeat(room(4), 3, axis=0), np.repeat(0.8 * room(4), 3, axis=0)
    good = register(bg, fg_bg)
    for value in (np.nan, np.inf, -np.inf, 1e30, -1e30):
        for broken in (bg, fg_bg):
            pair = [bg.copy(), fg_bg.copy()]
            pair[broken is fg_bg][1, 5:9, 3:50] = value
            found = register(*pair)
            for row in (0, 2):
                np.testing.assert_array_equal(found.bg[row], good.bg[row])


def test_a_moving_camera_is_followed_frame_by_frame():
    """From the frame before, in few steps, as well as by looking everywhere."""
    room = made_room(3, 300)
    bg = room[50:178, 50:178][np.newaxis].astype(np.float32)
    start = registering.register(bg, bg).warp
    for number in range(1, 9):
        top, left = 50 + number // 2, 50 + number
        frame = room[top : top + 128, left : left + 128].copy()
        frame[70:128, 40:80] = (200, 30, 60)
        fg_bg = frame[np.newaxis].astype(np.float32)
        start = registering.register(bg, fg_bg, start).warp
        moved = 128 * start[0].numpy()[[2, 5]]
        np.testing.assert_allclose(moved, (left - 50, top - 50), atol=0.3)
    still = registering.register(bg, fg_bg, start).warp
    np.testing.assert_allclose(still, start, atol=2e-3)


def test_a_camera_that_tilts_is_followed_frame_by_frame():
    room = made_room(3, 300).astype(np.float32)
    to_points = benchmark.points_of(300, 300)

    def taken(tilt):
        warp = np.array([[1, 0, 0], [0, 1, 0], [tilt, 0, 1]])
        matrix = np.linalg.inv(to_points) @ warp @ to_points
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = cv2.warpPerspective(room, matrix, (300, 300), flags=flags)
        return cv2.resize(picture[20:280, 20:280], (128, 128))[np.newaxis]

    bg, start = taken(0), tf.constant([warps.STILL])
    for number in range(1, 9):
        start = registering.register(bg, taken(0.01 * number), start).warp
        # Of the part of 260 pixels a side.
        tilt = 0.01 * number * 260 / 300
        np.testing.assert_allclose(start[0, 6:], [tilt, 0], atol=0.004)
    again = registering.register(bg, bg, start).warp
    np.testing.assert_allclose(again, [warps.STILL], atol=4e-3)
