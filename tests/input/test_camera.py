import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.draws import Column
from maskdepth_tf.input import augmentation, camera
from maskdepth_tf.registration import geometry
from tests.support.made_rooms import made_room

ALL = {
    "move_probability": 1.0,
    "light_probability": 1.0,
    "blur_probability": 1.0,
    "noise_probability": 1.0,
    "compression_probability": 1.0,
}


MOST_ROOMS = 8
"""More pictures show them again."""
room = functools.cache(made_room)


def rooms(count=2, size=64):
    found = [room(number % MOST_ROOMS)[:size, :size] for number in range(count)]
    return np.stack(found).astype(np.float32)


def batch_of(count=2, size=32):
    pictures = rooms(count, size).astype(np.uint8)
    mask = np.ones((count, size, size, 1), np.uint8)
    depth = np.full((count, size, size, 1), 7, np.uint16)
    arrays = {"bg": pictures, "fg_bg": pictures[::-1], "mask": mask, "depth": depth}
    return {name: tf.constant(array) for name, array in arrays.items()}


def draws_of(count=2, seed=0):
    shape = (count, Column.END)
    return tf.constant(np.random.default_rng(seed).uniform(size=shape), tf.float32)


def test_the_defaults_change_nothing():
    batch = batch_of()
    found = camera.make_disturbance()(batch, draws_of())
    for name, value in batch.items():
        np.testing.assert_array_equal(found[name], value)


def test_only_pictures_change():
    batch = batch_of()
    found = camera.make_disturbance(**ALL)(batch, draws_of())
    for name in ("mask", "depth"):
        np.testing.assert_array_equal(found[name], batch[name])
    for name in ("bg", "fg_bg"):
        assert found[name].dtype == tf.uint8
        assert (found[name].numpy() != batch[name].numpy()).any()


def test_a_graph_leaves_still_cameras_alone():
    """Rounded otherwise there, a movement of nothing would resample the picture."""
    batch, draws = batch_of(8), draws_of(8)
    disturb = tf.function(camera.make_disturbance(move_probability=0.5))
    found = disturb(batch, draws)["bg"].numpy()
    is_moved = (found != batch["bg"].numpy()).any(axis=(1, 2, 3))
    assert is_moved.tolist() == (draws[:, Column.IS_MOVED] < 0.5).numpy().tolist()
    assert 0 < sum(is_moved) < 8


def test_a_row_depends_on_its_own_draws_alone():
    batch, draws = batch_of(3), draws_of(3)
    disturb = camera.make_disturbance(**ALL)
    together = disturb(batch, draws)
    alone = disturb({k: v[1:2] for k, v in batch.items()}, draws[1:2])
    for name in ("bg", "fg_bg"):
        np.testing.assert_array_equal(together[name][1:2], alone[name])


@pytest.mark.parametrize("name", ALL)
def test_shares(name):
    count = 400
    batch = batch_of(1, 16)
    batch = {k: np.repeat(v, count, axis=0) for k, v in batch.items()}
    draws = draws_of(count)
    found = camera.make_disturbance(**{name: 0.3})(batch, draws)
    changed = [
        np.any(found[k].numpy() != batch[k], axis=(1, 2, 3)) for k in ("bg", "fg_bg")
    ]
    either = np.logical_or(*changed)
    assert 0.2 < either.mean() < 0.36
    if name == "move_probability":
        assert not changed[1].any()
    elif name in ("noise_probability", "compression_probability"):
        assert np.mean(changed[0] == changed[1]) > 0.9
    else:
        assert not np.logical_and(*changed).any()
        assert 0.3 < changed[0].sum() / either.sum() < 0.7


def test_moving_by_hand():
    image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    image = tf.repeat(image, 3, axis=3)
    square, none = tf.ones(1), tf.zeros(1)
    right = camera.move(image, tf.constant([[0.25, 0.0]]), none, none, square)
    # What was at column 0 is at column 1; within the cubic's error at the border.
    np.testing.assert_allclose(right[0, 1, 2:, 0], [5, 6], atol=0.2)
    still = camera.move(image, tf.zeros([1, 2]), none, none, square)
    np.testing.assert_array_equal(still, image)


@pytest.mark.parametrize("aspect", [1.0, 1.5])
@pytest.mark.parametrize(
    ("shift", "zoom", "turn"),
    [((0.03, -0.02), 0.0, 0.0), ((0.0, 0.0), 0.02, 0.0), ((0.01, 0.02), -0.02, 1.5)],
)
def test_registration_finds_what_was_moved(shift, zoom, turn, aspect):
    room = rooms(1, 128)
    turn = math.radians(turn)
    args = (tf.constant([shift]), tf.constant([zoom]), tf.constant([turn]))
    shape = tf.constant([aspect])
    moved = camera.move(room, *args, shape)
    warp, _ = geometry.estimate(moved, room, aspect=shape)
    cosine, sine = (1 + zoom) * math.cos(turn), (1 + zoom) * math.sin(turn)
    first = [cosine, -sine / aspect, shift[0]]
    expected = [[*first, sine * aspect, cosine, shift[1], 0, 0]]
    np.testing.assert_allclose(warp, expected, atol=1.5e-3)


def test_light_by_hand():
    grey = tf.fill([1, 2, 2, 3], 63.75)  # a quarter of white
    half = tf.constant([0.5])
    found = camera.light(grey, tf.constant([[1.0, 2.0, 0.5]]), half, tf.zeros(1))
    np.testing.assert_allclose(found[0, 0, 0], [127.5, 255, 63.75], rtol=1e-6)
    # The pixels lie half way to the corners: a quarter of the fall.
    dim = camera.light(grey, tf.ones([1, 3]), tf.ones(1), tf.constant([0.4]))
    np.testing.assert_allclose(dim, 0.9 * grey, rtol=1e-6)


def test_softening_by_hand():
    image = np.zeros((1, 5, 5, 3), np.float32)
    image[0, 2, 2] = 256
    line = np.float32([1, 4, 6, 4, 1])
    blurred = np.outer(line, line)
    found = camera.soften(tf.constant(image), tf.ones(1))
    np.testing.assert_allclose(found[0, ..., 0], blurred, rtol=1e-6)
    half = camera.soften(tf.constant(image), tf.constant([0.5]))
    np.testing.assert_allclose(half[0, 2, 2], [146, 146, 146])
    np.testing.assert_array_equal(camera.soften(tf.constant(image), tf.zeros(1)), image)


@pytest.mark.parametrize(("side", "variance"), [(32, 1), (64, 1), (128, 5), (256, 21)])
def test_blur_grows_with_the_picture(side, variance):
    """By 1 pixel, 1 and 2, and so on: a Gaussian's variances add up."""
    image = np.zeros((1, side, side, 3), np.float32)
    image[0, side // 2, side // 2] = 1000
    found = camera.soften(tf.constant(image), tf.ones(1)).numpy()[0, ..., 0]
    across = np.arange(side) - side // 2
    for axis in (0, 1):
        line = found.sum(axis=axis)
        assert line.sum() == pytest.approx(1000, rel=1e-4)
        assert (line * across**2).sum() / 1000 == pytest.approx(variance, rel=1e-3)


def test_noise_has_its_deviation():
    flat = tf.fill([2, 64, 64, 3], 100.0)
    draws = tf.constant([[0.3, 0.9], [0.7, 0.1]])
    first, second = camera.noise([flat, flat], tf.constant([5.0, 0.0]), draws)
    assert np.std(first[0]) == pytest.approx(5, rel=0.05)
    assert abs(np.mean(first[0]) - 100) < 0.3
    assert np.abs(np.corrcoef(np.ravel(first[0]), np.ravel(second[0]))[0, 1]) < 0.03
    np.testing.assert_array_equal(first[1], flat[1])


@pytest.mark.parametrize(("side", "count"), [(32, 2), (1024, 1)])
def test_noise_of_each_draw_is_another(side, count):
    """Also of the last, and of pictures of which the table holds not one whole."""
    flat = tf.zeros([4, side, side, 3])
    ends = tf.constant([[0.0, 0.9], [1 - 2**-24, 0.9], [0.0, 0.1], [0.5, 0.9]])
    noises = camera.noise([flat] * count, tf.ones(4), ends)
    for noise in noises:
        found = noise.numpy()
        np.testing.assert_array_equal(found[2], -found[0])
        likeness = np.corrcoef(found[[0, 1, 3]].reshape(3, -1))
        assert np.abs(likeness - np.eye(3)).max() < 0.1


def test_compression_is_that_of_a_jpeg():
    pictures = tf.constant(rooms(3, 32))
    found = camera.compress(pictures, tf.constant([0, 15, 80])).numpy()
    np.testing.assert_array_equal(found[0], pictures[0])
    for row, quality in ((1, 15), (2, 80)):
        pixels = tf.cast(pictures[row], tf.uint8)
        data = tf.io.encode_jpeg(pixels, quality=quality)
        np.testing.assert_array_equal(found[row], tf.io.decode_jpeg(data))
    worse, better = (np.abs(found[i] - pictures[i]).mean() for i in (1, 2))
    assert worse > 2 * better > 0


def test_qualities_are_in_their_range(monkeypatch):
    seen = []
    monkeypatch.setattr(camera, "compress", lambda x, quality: seen.append(quality))
    monkeypatch.setattr(camera, "to_uint8", lambda pixels: pixels)
    disturb = camera.make_disturbance(compression_probability=0.5, quality_minimum=40)
    disturb(batch_of(400, 16), draws_of(400))
    for quality in map(np.asarray, seen):
        assert set(np.unique(quality[quality < 40])) == {0}
        assert 0.35 < np.mean(quality > 0) < 0.65
        assert quality.max() in (93, 94)
        assert quality[quality > 0].min() in (40, 41)
    assert len(seen) == 2
    assert (seen[0].numpy() != seen[1].numpy()).any()


def test_the_columns_are_all_there():
    names = sorted(Column, key=int)
    assert names[-1] == Column.END
    assert Column.IS_MOVED == Column.HOLES + 4 * augmentation.MAX_HOLES
