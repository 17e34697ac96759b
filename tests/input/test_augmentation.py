"""Augmentations, each by hand; stateless; all four streams together."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf import streams
from maskdepth_tf.draws import Column
from maskdepth_tf.input import augmentation

SIDE = 8
ALL = {
    "flip_probability": 0.5,
    "zoom_minimum": 0.5,
    "zoom_probability": 0.8,
    "contrast_range": 0.4,
    "gain_range": 0.4,
    "grey_probability": 0.5,
    "cutout_holes": 2,
    "cutout_size": 4,
}


def batch_of(count=2, side=SIDE, seed=0):
    """A batch of the four streams, as in memory; depth spans its whole range."""
    rng = np.random.default_rng(seed)
    depth = rng.integers(0, 65536, (count, side, side, 1))
    depth[:, 0, 0], depth[:, -1, -1] = 0, 65535
    return {
        "bg": tf.constant(rng.integers(0, 256, (count, side, side, 3)), tf.uint8),
        "fg_bg": tf.constant(rng.integers(0, 256, (count, side, side, 3)), tf.uint8),
        "mask": tf.constant(rng.integers(0, 2, (count, side, side, 1)), tf.uint8),
        "depth": tf.constant(depth, tf.uint16),
    }


def draws_of(count=2, seed=0):
    shape = (count, Column.END)
    return tf.constant(np.random.default_rng(seed).uniform(size=shape), tf.float32)


def with_draws(**places):
    """Draws of one example, 0.5 but at the places given, as p4=1."""
    draws = np.full((1, Column.END), 0.5, "float32")
    for place, value in places.items():
        draws[0, int(place[1:])] = value
    return tf.constant(draws)


def assert_same(a, b):
    assert set(a) == set(b)
    for name in a:
        assert a[name].dtype == b[name].dtype
        np.testing.assert_array_equal(a[name], b[name], name)


def framed(batch, share=1.0, offset=(0.0, 0.0), mirrored=False):
    count = batch["bg"].shape[0]
    return augmentation.frame(
        batch,
        tf.fill([count], float(share)),
        tf.tile([[float(x) for x in offset]], [count, 1]),
        tf.fill([count], mirrored),
    )


def test_defaults_change_nothing():
    batch = batch_of()
    assert_same(augmentation.make_augmentation()(batch, draws_of()), batch)


def test_draws_depend_on_seed_epoch_and_index_alone():
    def draws(seed=1, epoch=2, index=3):
        indices = tf.constant([9, index], tf.int64)
        found = augmentation.example_draws(seed, tf.constant(epoch, tf.int64), indices)
        assert found.shape == (2, Column.END)
        return found.numpy()[1]

    assert draws().min() >= 0
    assert draws().max() < 1
    np.testing.assert_array_equal(draws(), draws())
    for other in (draws(seed=2), draws(epoch=3), draws(index=4)):
        assert not np.any(other == draws())
    # Numbers of examples are not added to those of epochs.
    assert not np.array_equal(draws(epoch=3, index=2), draws(epoch=2, index=3))


def test_draws_are_uniform():
    found = [
        augmentation.example_draws(
            0, tf.constant(epoch, tf.int64), tf.range(10, dtype=tf.int64)
        )
        for epoch in range(10)
    ]
    values = np.ravel(found)
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert values.var() == pytest.approx(1 / 12, abs=0.01)


def test_same_draws_same_result_in_any_batch():
    augment = augmentation.make_augmentation(**ALL)
    batch, draws = batch_of(4), draws_of(4)
    whole = augment(batch, draws)
    assert_same(augment(batch, draws), whole)
    for i in range(4):
        one = augment({k: v[i : i + 1] for k, v in batch.items()}, draws[i : i + 1])
        assert_same(one, {k: v[i : i + 1] for k, v in whole.items()})


def test_graph_and_eager_agree():
    augment = augmentation.make_augmentation(**ALL)
    batch, draws = batch_of(4), draws_of(4)
    assert_same(tf.function(augment)(batch, draws), augment(batch, draws))


def test_whole_frame_is_identity():
    assert_same(framed(batch_of()), batch_of())


def test_mirror_by_hand():
    batch = batch_of()
    expected = {name: image[:, :, ::-1] for name, image in batch.items()}
    assert_same(framed(batch, mirrored=True), expected)
    assert_same(framed(framed(batch, mirrored=True), mirrored=True), batch)


@pytest.mark.parametrize(("draw", "is_mirrored"), [(0.49, True), (0.5, False)])
def test_share_of_mirrored(draw, is_mirrored):
    batch = batch_of(1)
    augment = augmentation.make_augmentation(flip_probability=0.5)
    found = augment(batch, with_draws(p3=draw))
    assert_same(found, framed(batch, mirrored=is_mirrored))


def test_frame_by_hand():
    # A part of 3 of 5 pixels' distances: every other output pixel is an input one.
    batch = batch_of(1, side=5)
    ramp = np.arange(25, dtype="uint8").reshape(1, 5, 5, 1)
    batch["bg"] = tf.constant(np.repeat(ramp, 3, axis=-1))
    corner = framed(batch, 0.5, (0, 1))["bg"][0, :, :, 0]
    np.testing.assert_array_equal(corner[::2, ::2], ramp[0, :3, 2:, 0])
    np.testing.assert_array_equal(corner[0], [2, 2, 3, 4, 4])  # 2.5 and 3.5: to even


def test_mask_and_depth_follow_the_pictures():
    # All four streams show the same edge: they must still do after any framing.
    edge = np.zeros((1, 16, 16, 1))
    edge[:, 3:9, 5:11] = 1
    batch = {
        "bg": tf.constant(np.repeat(255 * edge, 3, -1), tf.uint8),
        "fg_bg": tf.constant(np.repeat(255 * edge, 3, -1), tf.uint8),
        "mask": tf.constant(edge, tf.uint8),
        "depth": tf.constant(65535 * edge, tf.uint16),
    }
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = framed(batch, rng.uniform(0.6, 1), rng.uniform(size=2), seed % 2 == 1)
        picture = found["bg"][..., :1].numpy() / 255
        np.testing.assert_array_equal(found["fg_bg"], found["bg"])
        np.testing.assert_allclose(found["depth"] / 65535, picture, atol=0.003)
        away = np.abs(picture - 0.5) > 0.003
        np.testing.assert_array_equal(
            found["mask"].numpy()[away], (picture > 0.5)[away]
        )
        assert found["mask"].numpy().sum() > 0


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 999),
    st.floats(0.125, 1, width=32),
    st.floats(0, 1, width=32),
    st.floats(0, 1, width=32),
    st.booleans(),
)
def test_frame_keeps_the_contract(seed, share, top, left, mirrored):
    batch = batch_of(1, seed=seed)
    # No value outside the picture may come in, which is 0 there.
    batch["bg"] = tf.maximum(batch["bg"], 100)
    found = framed(batch, share, (top, left), mirrored)
    for stream in streams.STREAMS:
        assert found[stream.name].dtype == stream.dtype
        assert found[stream.name].shape == (1, SIDE, SIDE, stream.channels)
    assert found["bg"].numpy().min() >= 100
    assert set(np.unique(found["mask"])) <= {0, 1}
    assert found["depth"].numpy().min() == 0
    assert found["depth"].numpy().max() == 65535


def holed(batch, *places):
    """The batch with holes at places of its first example."""
    depth = tf.cast(batch["depth"], tf.int32).numpy()
    for place in places:
        depth[0, *place] = -1 - depth[0, *place]
    return batch | {"depth": tf.constant(depth)}


def test_depth_without_holes_is_framed_the_same_beside_some_with_them():
    batch = batch_of()
    found = framed(holed(batch), 0.7, (0.3, 0.9), True)
    expected = framed(batch, 0.7, (0.3, 0.9), True)["depth"]
    assert found["depth"].dtype == tf.int32
    np.testing.assert_array_equal(found["depth"], tf.cast(expected, tf.int32))


def test_holes_move_with_their_map():
    batch = holed(batch_of(), (2, 1), (5, 5))
    assert_same(framed(batch), batch)
    found = framed(batch, mirrored=True)["depth"]
    np.testing.assert_array_equal(found, batch["depth"][:, :, ::-1])
    # Of a part of 3 by 3 of 5 pixels every other output pixel is an input one.
    batch = holed(batch_of(1, side=5), (1, 3))
    found = framed(batch, 0.5, (0, 1))["depth"][0, :, :, 0].numpy()
    # Between a hole and a pixel that is known, half is; between four a quarter is not.
    expected = np.zeros((5, 5), bool)
    expected[2, 2] = True
    np.testing.assert_array_equal(found < 0, expected)


def test_holes_are_neither_near_nor_far():
    row = [[-1 - 0, 1000, 3000, -1 - 65535]]
    batch = batch_of(1, side=4)
    depth = tf.constant(np.repeat(row, 4, 0).reshape(1, 4, 4, 1), tf.int32)
    found = framed(batch | {"depth": depth})["depth"][0, :, :, 0]
    # What stands for holes is cut off at the ends of what is known.
    expected = [[-1 - 0, 0, 65535, -1 - 65535]] * 4
    np.testing.assert_array_equal(found, expected)


def test_a_map_of_holes_alone_stays_one():
    batch = batch_of(1)
    depth = -1 - tf.cast(batch["depth"], tf.int32)
    found = framed(batch | {"depth": depth}, 0.5)["depth"]
    np.testing.assert_array_equal(found, tf.fill([1, SIDE, SIDE, 1], -1))


def test_flat_depth_stays_finite():
    batch = batch_of(1)
    batch["depth"] = tf.fill([1, SIDE, SIDE, 1], tf.constant(777, tf.uint16))
    np.testing.assert_array_equal(framed(batch, 0.5)["depth"], 0 * batch["depth"])


def test_zoom_takes_the_share_from_its_minimum_up():
    batch = batch_of(1)
    augment = augmentation.make_augmentation(zoom_minimum=0.5)
    found = augment(batch, with_draws(p0=0, p1=1, p2=0))
    assert_same(found, framed(batch, 0.5, (1, 0)))
    assert_same(augment(batch, with_draws(p0=1)), batch)


@pytest.mark.parametrize(
    ("offset", "expected"), [(0.0, (0, 30, 90)), (0.5, (0, 90, 30)), (1.0, (90, 0, 30))]
)
def test_zoom_out_by_hand(offset, expected):
    batch = batch_of(1, side=3)
    line = tf.constant([0, 90, 30], tf.uint8)
    batch["bg"] = tf.tile(line[tf.newaxis, tf.newaxis, :, tf.newaxis], [1, 3, 1, 3])
    # Every second pixel is shown, of 0 90 30 with 90 0 before and 30 90 behind.
    share, offset = tf.constant([2.0]), tf.constant([[0.5, offset]])
    found = augmentation.frame(batch, share, offset, tf.constant([False]), margin=3)
    np.testing.assert_array_equal(found["bg"][0, 1, :, 0], expected)


def test_zoom_takes_the_share_to_its_maximum():
    batch = batch_of(1)
    augment = augmentation.make_augmentation(zoom_maximum=1.5)
    found = augment(batch, with_draws(p0=1, p1=1, p2=0))
    expected = augmentation.frame(
        batch, *(tf.constant(x) for x in ([1.5], [[1.0, 0.0]], [False])), margin=4
    )
    assert_same(found, expected)
    assert_same(augment(batch, with_draws(p0=0)), batch)


@pytest.mark.parametrize(("draw", "is_zoomed"), [(0.29, True), (0.3, False)])
def test_share_of_zoomed(draw, is_zoomed):
    batch = batch_of(1)
    augment = augmentation.make_augmentation(zoom_minimum=0.5, zoom_probability=0.3)
    found = augment(batch, with_draws(p0=0, p1=0, p2=0, p10=draw))
    assert_same(found, framed(batch, 0.5) if is_zoomed else batch)


def test_contrast_by_hand():
    image = tf.constant([[0, 100, 127, 128, 255, 200]], tf.uint8)
    image = tf.reshape(image, [1, 1, 2, 3])
    found = augmentation.contrast(image, tf.constant([0.5]), tf.ones([1, 3]))
    np.testing.assert_array_equal(np.ravel(found), [64, 114, 127, 128, 191, 164])
    gain = tf.constant([[1.0, 0.5, 2.0]])
    found = augmentation.contrast(image, tf.constant([1.0]), gain)
    np.testing.assert_array_equal(np.ravel(found), [0, 50, 254, 128, 128, 255])


def test_contrast_and_gain_change_both_pictures_alike():
    batch = batch_of(1)
    batch["bg"] = batch["fg_bg"]
    augment = augmentation.make_augmentation(contrast_range=0.4, gain_range=0.3)
    found = augment(batch, draws_of(1))
    np.testing.assert_array_equal(found["bg"], found["fg_bg"])
    assert np.any(found["bg"] != batch["bg"])
    for name in ("mask", "depth"):
        np.testing.assert_array_equal(found[name], batch[name])


def test_contrast_and_gain_ranges():
    batch = batch_of(1)
    augment = augmentation.make_augmentation(contrast_range=0.4, gain_range=0.3)
    highest = augment(batch, with_draws(p4=1, p5=1, p6=1, p7=1, p8=0.5))
    expected = augmentation.contrast(
        batch["bg"], tf.constant([1.4]), tf.constant([[1.3, 1.3, 1.15]])
    )
    np.testing.assert_array_equal(highest["bg"], expected)
    assert_same(augment(batch, with_draws()), batch)


def test_grey_by_hand():
    image = tf.constant([[[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]]])
    image = tf.repeat(tf.cast(image, tf.uint8), 2, axis=0)
    found = augmentation.grey(image, tf.constant([True, False])).numpy()
    for channel in range(3):
        np.testing.assert_array_equal(
            np.ravel(found[0, ..., channel]), [76, 150, 29, 9]
        )
    np.testing.assert_array_equal(found[1], image[1])


@pytest.mark.parametrize(("draw", "is_grey"), [(0.29, True), (0.3, False)])
def test_share_of_grey(draw, is_grey):
    batch = batch_of(1)
    found = augmentation.make_augmentation(grey_probability=0.3)(
        batch, with_draws(p9=draw)
    )
    for name in ("bg", "fg_bg"):
        image = found[name].numpy()
        assert np.all(image[..., :1] == image) == is_grey


def test_cutout_by_hand():
    image = tf.zeros([1, 6, 6, 1], tf.uint8)
    centers = tf.constant([[[3, 2]]])
    found = augmentation.cutout_boxes(image, centers, 4, 9)[0, :, :, 0].numpy()
    expected = np.zeros((6, 6), int)
    expected[1:5, 0:4] = 9
    np.testing.assert_array_equal(found, expected)


def test_cutout_is_clipped_at_the_border():
    image = tf.zeros([1, 6, 6, 1], tf.uint8)
    centers = tf.constant([[[0, 0], [5, 5]]])
    found = augmentation.cutout_boxes(image, centers, 4, 9)[0, :, :, 0].numpy()
    expected = np.zeros((6, 6), int)
    expected[:2, :2] = expected[3:, 3:] = 9
    np.testing.assert_array_equal(found, expected)


def test_cutout_is_of_the_pictures_alone_and_of_each_its_own():
    batch = batch_of(1, side=16)
    batch["bg"] = batch["fg_bg"] = tf.zeros([1, 16, 16, 3], tf.uint8)
    augment = augmentation.make_augmentation(cutout_holes=1, cutout_size=4)
    found = augment(batch, with_draws(p11=0.25, p12=0.5, p43=0.75, p44=0.9375))
    for name, rows, columns in (
        ("bg", slice(2, 6), slice(6, 10)),
        ("fg_bg", slice(10, 14), slice(13, 16)),
    ):
        expected = np.zeros((1, 16, 16, 3))
        expected[:, rows, columns] = augmentation.CUTOUT_VALUE
        np.testing.assert_array_equal(found[name], expected)
    for name in ("mask", "depth"):
        np.testing.assert_array_equal(found[name], batch[name])


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 999),
    st.integers(1, augmentation.MAX_HOLES),
    st.integers(1, 8).map(lambda half: 2 * half),
)
def test_holes_are_the_only_change(seed, holes, size):
    batch = batch_of(1, side=16, seed=seed)
    batch["bg"] = tf.zeros([1, 16, 16, 3], tf.uint8)
    augment = augmentation.make_augmentation(cutout_holes=holes, cutout_size=size)
    found = augment(batch, draws_of(1, seed))["bg"].numpy()
    assert set(np.unique(found)) <= {0, augmentation.CUTOUT_VALUE}
    covered = (found[..., 0] > 0).sum()
    assert (size // 2) ** 2 <= covered <= holes * size**2


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
def test_all_together_keep_the_contract(seed):
    augment = augmentation.make_augmentation(**ALL)
    found = augment(batch_of(2, seed=seed), draws_of(2, seed))
    for stream in streams.STREAMS:
        assert found[stream.name].dtype == stream.dtype
        assert found[stream.name].shape == (2, SIDE, SIDE, stream.channels)
    assert set(np.unique(found["mask"])) <= {0, 1}
