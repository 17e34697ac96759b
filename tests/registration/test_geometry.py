import functools

import cv2
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import registration as benchmark
from maskdepth_tf.registration import geometry, warps
from tests.support.made_rooms import made_pairs, made_room

STILL = [warps.STILL]


@functools.cache
def estimated(size):
    both = benchmark.resized(made_pairs(), size)
    estimate = tf.function(geometry.estimate, autograph=False)
    parts = [estimate(*(x[i : i + 20] for x in both))[0] for i in range(0, 200, 20)]
    return np.concatenate(parts)


@pytest.mark.parametrize(("size", "most"), [(64, 0.3), (128, 0.15), (192, 0.15)])
def test_accuracy(size, most):
    """Of 200 warps within the ranges, in pixels of 224."""
    pairs = made_pairs()
    errors = [
        benchmark.error_of(warp, pair)
        for warp, pair in zip(estimated(size), pairs, strict=True)
    ]
    assert np.percentile(errors, 90) < most
    # A figure that hides half of the room can be taken for it.
    assert np.sum(np.array(errors) > 1) <= 4
    # The cameras did move.
    assert min(benchmark.error_of(np.eye(2, 3), pair) for pair in pairs) > 1


@pytest.mark.parametrize("aspect", [1.0, 16 / 9])
def test_accuracy_of_tilted_cameras(aspect):
    pairs = made_pairs(60, aspect, 0.05)
    bg, fg_bg = benchmark.resized(pairs, 128)
    estimate = tf.function(geometry.estimate, autograph=False)
    found = estimate(bg, fg_bg, None, tf.fill([60], aspect))[0].numpy()
    errors = list(map(benchmark.error_of, found, pairs))
    without = list(map(benchmark.error_of, found[:, :6], pairs))
    assert np.median(errors) < 0.2
    assert np.median(without) > 1


def test_a_shift_by_hand():
    room = made_room(3).astype(np.float32)
    # What is at column 20 of the picture is at column 16 of the background: 4 of 128.
    bg, fg_bg = room[20:148, 24:152], room[20:148, 20:148]
    warp, agreement = geometry.estimate(bg[np.newaxis], fg_bg[np.newaxis])
    np.testing.assert_allclose(warp, [[1, 0, -4 / 128, 0, 1, 0, 0, 0]], atol=2e-4)
    assert agreement.shape == (1, 32, 32, 1)
    assert float(tf.reduce_mean(agreement)) > 0.2


@pytest.mark.parametrize(("width", "height"), [(320, 180), (180, 320), (320, 107)])
def test_a_turn_of_a_picture_that_is_no_square(width, height):
    room = made_room(3, side=480).astype(np.float32)
    turn = cv2.getRotationMatrix2D((240, 240), 3, 1)
    top, left = (480 - height) // 2, (480 - width) // 2
    bg, fg_bg = (
        cv2.resize(
            picture[top : top + height, left : left + width],
            (128, 128),
            interpolation=cv2.INTER_AREA,
        )[np.newaxis]
        for picture in (room, cv2.warpAffine(room, turn, (480, 480)))
    )
    aspect = width / height
    warp, _ = geometry.estimate(bg, fg_bg, aspect=tf.constant([aspect]))
    warp, shift = np.split(np.reshape(warp[0, :6], (2, 3)), [2], axis=1)
    cosine, sine = np.cos(np.radians(3)), np.sin(np.radians(3))
    expected = [[cosine, -sine / aspect], [sine * aspect, cosine]]
    np.testing.assert_allclose(warp, expected, atol=0.3 / 128)
    np.testing.assert_allclose(shift, 0, atol=0.5 / 128)


def test_a_still_camera_stays_still():
    room = made_room(4).astype(np.float32)[np.newaxis, :128, :128]
    other = np.clip(room + np.random.default_rng(0).normal(0, 4, room.shape), 0, 255)
    warp, _ = geometry.estimate(room, other.astype(np.float32))
    np.testing.assert_array_equal(warp, STILL)


@pytest.mark.parametrize("pair", ["flat", "flat and room"])
def test_what_tells_nothing_counts_as_still(pair):
    room = made_room(5).astype(np.float32)[np.newaxis, :64, :64]
    flat = np.full_like(room, 120)
    bg, fg_bg = {
        "flat": (flat, flat),
        "flat and room": (flat, room),
    }[pair]
    warp, _ = geometry.estimate(bg, fg_bg)
    np.testing.assert_array_equal(warp, STILL)


@pytest.mark.parametrize("size", [8, 16, 30])
def test_small_pictures_count_as_still(size):
    room = made_room(7).astype(np.float32)
    bg, fg_bg = room[np.newaxis, :size, :size], room[np.newaxis, 2 : size + 2, :size]
    warp, agreement = geometry.estimate(bg, fg_bg)
    np.testing.assert_array_equal(warp, STILL)
    np.testing.assert_array_equal(agreement, tf.ones([1, size, size, 1]))


@pytest.mark.parametrize("size", [32, 33, 80, 130, 131, 160, 256])
def test_every_size(size):
    room = cv2.resize(made_room(8), (size + 10, size + 10)).astype(np.float32)
    bg, fg_bg = room[5 : size + 5, 6 : size + 6], room[5 : size + 5, 5 : size + 5]
    warp, _ = geometry.estimate(bg[np.newaxis], fg_bg[np.newaxis])
    np.testing.assert_allclose(
        warp, [[1, 0, -1 / size, 0, 1, 0, 0, 0]], atol=0.2 / size
    )


def test_a_row_does_not_depend_on_the_others():
    both = benchmark.resized(made_pairs()[:6], 64)
    together, _ = geometry.estimate(*both)
    alone, _ = geometry.estimate(*(x[3:4] for x in both))
    np.testing.assert_allclose(together[3:4], alone, atol=1e-4)


def test_graphs_estimate_what_is_estimated_without():
    # An optimizer of graphs once took one picture for the other in the search.
    both = benchmark.resized(made_pairs()[:2], 64)
    graph = tf.function(geometry.estimate, autograph=False)
    for found, expected in zip(graph(*both), geometry.estimate(*both), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_pool_and_enlarge_by_hand():
    image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    pooled = geometry.pool(image, 2)
    np.testing.assert_array_equal(pooled[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])
    large = geometry.enlarge(pooled, 4)
    np.testing.assert_array_equal(large[0, 0, :, 0], [2.5, 2.5, 4.5, 4.5])
    np.testing.assert_array_equal(geometry.pool(large, 2), pooled)
