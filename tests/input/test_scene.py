import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.draws import Column
from maskdepth_tf.input import scene
from tests.support.made_rooms import made_room

ALL = {
    "shadow_probability": 1.0,
    "thing_probability": 1.0,
    "camouflage_probability": 1.0,
}
SIZE = 32
STILL = {
    "shear": 0.0,
    "length": 1.0,
    "aside": 0.0,
    "lift": 0.0,
    "softness": 0.0,
    "on_floor": 0.0,
    "on_wall": 0.0,
}


def mask_of(rows=slice(8, 24), columns=slice(12, 18), size=SIZE):
    mask = np.zeros((1, size, size, 1), np.float32)
    mask[:, rows, columns] = 1
    return mask


def batch_of(count=1):
    rooms = np.stack([made_room(seed)[:SIZE, :SIZE] for seed in range(count)])
    mask = np.repeat(mask_of(), count, axis=0)
    pictures = np.where(mask > 0, 255 - rooms, rooms).astype(np.uint8)
    depth = np.full(mask.shape, 7, np.uint16)
    streams = {"bg": rooms, "fg_bg": pictures, "mask": mask.astype(np.uint8)}
    return {k: tf.constant(v) for k, v in (streams | {"depth": depth}).items()}


def draws_of(count=1, seed=0):
    shape = (count, Column.END)
    return tf.constant(np.random.default_rng(seed).uniform(size=shape), tf.float32)


def cast(mask=None, **amounts):
    amounts = {k: tf.constant([v]) for k, v in (STILL | amounts).items()}
    mask = tf.constant(mask_of() if mask is None else mask)
    return scene.shadow(mask, **amounts)[0, ..., 0].numpy()


def test_the_defaults_change_nothing():
    batch = batch_of(2)
    found = scene.make_changes()(batch, draws_of(2))
    for name, value in batch.items():
        np.testing.assert_array_equal(found[name], value)


def test_only_pictures_change():
    batch = batch_of(4)
    found = scene.make_changes(**ALL)(batch, draws_of(4))
    for name in ("mask", "depth"):
        np.testing.assert_array_equal(found[name], batch[name])
    for name in ("bg", "fg_bg"):
        assert found[name].dtype == tf.uint8
        assert (found[name].numpy() != batch[name].numpy()).any()


def test_a_row_depends_on_its_own_draws_alone():
    batch, draws = batch_of(3), draws_of(3)
    change = scene.make_changes(**ALL)
    together = change(batch, draws)
    alone = change({k: v[1:2] for k, v in batch.items()}, draws[1:2])
    for name in ("bg", "fg_bg"):
        np.testing.assert_array_equal(together[name][1:2], alone[name])


@pytest.mark.parametrize("name", ALL)
def test_shares_and_which_picture(name):
    count = 300
    batch = {k: np.repeat(v, count, axis=0) for k, v in batch_of().items()}
    found = scene.make_changes(**{name: 0.3})(batch, draws_of(count))
    bg, fg_bg = (
        np.any(found[k].numpy() != batch[k], axis=(1, 2, 3)) for k in ("bg", "fg_bg")
    )
    changed, untouched = (bg, fg_bg) if name == "thing_probability" else (fg_bg, bg)
    assert 0.2 < changed.mean() < 0.4
    assert not untouched.any()


def test_who_is_not_there_casts_no_shadow():
    assert not cast(np.zeros((1, SIZE, SIZE, 1), np.float32), on_floor=1.0).any()


def test_shadow_on_the_wall_by_hand():
    # 16 pixels tall: an eighth of that is 2 pixels.
    found = cast(on_wall=0.5, aside=0.25, lift=0.125)
    expected = 0.5 * mask_of(slice(6, 22), slice(16, 22))[0, ..., 0]
    # A deviation of 0.3 pixels blurs hardly.
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_shadow_on_the_floor_by_hand():
    # Half as tall, standing on the same foot, below row 23.
    flat = cast(on_floor=1.0, length=0.5)
    inner = (slice(17, 23), slice(13, 17))
    assert flat[inner].min() > 0.98
    assert flat[:15].max() < 0.02
    assert flat[25:].max() < 0.02
    towards = cast(on_floor=1.0, length=-0.5)
    assert towards[25:31, 13:17].min() > 0.98
    assert towards[:22].max() < 0.02


def test_shadow_leans_with_its_height():
    found = cast(on_floor=1.0, shear=1.0)
    centers = [np.average(np.arange(SIZE), weights=found[row]) for row in (20, 16, 12)]
    # From the middle of the figure, 14.5, by one pixel to the right a row.
    np.testing.assert_allclose(centers, [18, 22, 26], atol=0.05)


def test_softness_is_a_deviation():
    wall = mask_of(slice(0, SIZE), slice(0, 16))
    found = cast(wall, on_wall=1.0, softness=0.0625)
    step = -np.diff(found[16])
    spread = np.sqrt(np.sum(step * (np.arange(SIZE - 1) - 15) ** 2) / step.sum())
    # Of 32 pixels: 2, and 0.3; the kernel is cut at 4 pixels.
    assert spread == pytest.approx(2.1, abs=0.2)


def test_shading_spares_the_figure():
    picture, mask = tf.fill([1, SIZE, SIZE, 3], 200.0), mask_of()
    fallen = tf.ones([1, SIZE, SIZE, 1])
    found = scene.shade(picture, mask, fallen, tf.constant([0.5]))[0, ..., 0].numpy()
    assert (found[9:23, 13:17] == 200).all()
    np.testing.assert_allclose(found[:7], 100)
    # One row of the three that the mean at the edge takes in is the wall.
    np.testing.assert_allclose(found[8, 14], 200 - 100 / 3, rtol=1e-5)


def test_pushing_by_hand():
    line = np.tile(np.arange(SIZE, dtype=np.float32), (SIZE, 1))
    room = tf.constant(np.repeat(line[np.newaxis, ..., np.newaxis], 3, axis=3))
    args = ([[0.0, 0.0]], [[0.2, 0.1]], [[0.125, 0.0]])
    found = scene.push(room, *(tf.constant(a) for a in args))[0, ..., 0].numpy()
    # What lay an eighth of the side to the right, 4 pixels, covers the middle.
    np.testing.assert_allclose(found[15, 13:19] - line[15, 13:19], 4, atol=1e-3)
    np.testing.assert_array_equal(found[:10], line[:10])
    np.testing.assert_array_equal(found[:, :7], line[:, :7])


def test_pulling_by_hand():
    room, person = tf.fill([1, SIZE, SIZE, 3], 100.0), tf.fill([1, SIZE, SIZE, 3], 20.0)
    mask = mask_of()
    share = tf.constant([0.75])
    found = scene.pull_colour(person, room, mask, share)[0, ..., 0].numpy()
    np.testing.assert_allclose(found[9:23, 13:17], 80, rtol=1e-6)
    np.testing.assert_array_equal(found[:7], 20)
    # Of the first row outside, a third of the mean around is the figure.
    np.testing.assert_allclose(found[7, 14], 20 + 60 / 3, rtol=1e-5)
