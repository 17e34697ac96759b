"""Batches: the same from memory, from files, and after any restart."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import augmentation, labels, pipeline
from tests.support.labelled_sets import make_labelled_set

SIDE = 16
AUGMENT = {
    "flip_probability": 0.5,
    "zoom_minimum": 0.6,
    "contrast_range": 0.3,
    "gain_range": 0.3,
    "grey_probability": 0.3,
    "cutout_holes": 1,
    "cutout_size": 4,
}


@pytest.fixture(scope="module")
def rows(labels_file):
    return labels.read(labels_file)


@pytest.fixture(scope="module")
def load(rows, labels_file):
    return pipeline.load_memory(rows, Folder(labels_file.parent), SIDE)


def row_of(number):
    return tf.constant(number, tf.int64)


def example(load, number):
    """One row, without the dimension of the batch."""
    return {name: batch[0] for name, batch in load(row_of([number])).items()}


def numbered(indices):
    """Examples whose pixels say which row they are."""
    pixels = tf.cast(indices, tf.uint8)[:, None, None, None]
    return {
        s.name: tf.cast(tf.tile(pixels, [1, 2, 2, s.channels]), s.dtype)
        for s in streams.STREAMS
    }


def training(load, ids, first_step, last_step, augment=None, **kwargs):
    arguments = {"batch_size": 4, "seed": 7} | kwargs
    arguments.setdefault("steps_per_epoch", len(ids) // arguments["batch_size"])
    return list(
        pipeline.make_training_dataset(
            load,
            ids,
            augment or augmentation.make_augmentation(),
            first_step=first_step,
            last_step=last_step,
            **arguments,
        ).as_numpy_iterator()
    )


def rows_seen(batches):
    return [inputs["bg"][:, 0, 0, 0].tolist() for inputs, _ in batches]


def assert_same(a, b):
    for ours, theirs in zip(a, b, strict=True):
        assert set(ours) == set(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name], name)


def test_batches_are_rows_in_the_order_asked_for(rows, labels_file, load):
    from_files = pipeline.load_files(rows, str(labels_file.parent), SIDE)
    for found in (load, from_files):
        batch = found(row_of([7, 3, 7]))
        for place, number in enumerate([7, 3, 7]):
            one = {name: pixels[place].numpy() for name, pixels in batch.items()}
            assert_same(
                [one], [{k: v.numpy() for k, v in example(load, number).items()}]
            )


@pytest.mark.parametrize("side", [SIDE, 24])
def test_memory_is_files_pixel_for_pixel(rows, labels_file, side):
    root = str(labels_file.parent)
    from_files = pipeline.load_files(rows[:12], root, side)
    from_memory = pipeline.load_memory(rows[:12], Folder(root), side)
    for number in (0, 3, 11):
        ours, theirs = example(from_memory, number), example(from_files, number)
        assert set(ours) == {s.name for s in streams.STREAMS}
        for stream in streams.STREAMS:
            assert ours[stream.name].dtype == theirs[stream.name].dtype == stream.dtype
            assert ours[stream.name].shape == (side, side, stream.channels)
            np.testing.assert_array_equal(ours[stream.name], theirs[stream.name])


def test_pixels_are_those_of_the_files(rows, labels_file, load):
    found = example(load, 5)
    root = labels_file.parent
    np.testing.assert_array_equal(
        found["bg"], preprocessing.read_rgb(root / rows[5].bg)
    )
    mask = preprocessing.read_mask(root / rows[5].mask) // 255
    np.testing.assert_array_equal(found["mask"], mask)
    depth = preprocessing.read_depth(root / rows[5].depth)
    np.testing.assert_allclose(found["depth"] / 65535, depth, atol=1e-6)


def test_split_example():
    example = {
        "bg": tf.fill([1, 1, 3], tf.constant(9, tf.uint8)),
        "fg_bg": tf.fill([1, 1, 3], tf.constant(8, tf.uint8)),
        "mask": tf.fill([1, 1, 1], tf.constant(1, tf.uint8)),
        "depth": tf.fill([1, 1, 1], tf.constant(13107, tf.uint16)),
    }
    inputs, targets = pipeline.split_example(example)
    assert set(inputs) == {"bg", "fg_bg"}
    assert inputs["bg"].dtype == tf.uint8
    assert targets["mask"].dtype == targets["depth"].dtype == tf.float32
    assert float(targets["mask"][0, 0, 0]) == 1.0
    assert float(targets["depth"][0, 0, 0]) == pytest.approx(0.2)


@pytest.fixture(scope="module")
def whole(load):
    """Four epochs of two steps of a run that began at the first."""
    augment = augmentation.make_augmentation(**AUGMENT)
    return training(load, np.arange(10), 0, 8, augment)


@pytest.mark.parametrize("first_step", [1, 2, 3, 7])
def test_a_later_start_sees_the_same_from_there_on(load, whole, first_step):
    augment = augmentation.make_augmentation(**AUGMENT)
    assert len(whole) == 8
    later = training(load, np.arange(10), first_step, 8, augment)
    assert len(later) == 8 - first_step
    for ours, theirs in zip(later, whole[first_step:], strict=True):
        assert_same(ours, theirs)


def test_files_and_memory_train_alike(rows, labels_file, load):
    augment = augmentation.make_augmentation(**AUGMENT)
    from_files = pipeline.load_files(rows, str(labels_file.parent), SIDE)
    ids = np.arange(5, 13)
    for ours, theirs in zip(
        training(load, ids, 1, 4, augment),
        training(from_files, ids, 1, 4, augment),
        strict=True,
    ):
        assert_same(ours, theirs)


def test_every_epoch_is_a_permutation_of_its_own():
    ids = np.arange(100, 120)
    batches = rows_seen(training(numbered, ids, 0, 15))
    epochs = [sum(batches[start : start + 5], []) for start in (0, 5, 10)]
    for epoch in epochs:
        assert sorted(epoch) == ids.tolist()
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert rows_seen(training(numbered, ids, 0, 5, seed=8)) != batches[:5]


def test_incomplete_batch_is_left_out_and_its_rows_change():
    left_out = set()
    batches = rows_seen(training(numbered, np.arange(10), 0, 12))
    for epoch in range(6):
        seen = sum(batches[2 * epoch : 2 * epoch + 2], [])
        assert len(set(seen)) == 8
        left_out |= set(range(10)) - set(seen)
    assert len(left_out) > 2


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_example_ids_of_an_epoch_differ(data):
    num_examples = data.draw(st.integers(1, 40))
    batch_size = data.draw(st.integers(1, num_examples))
    steps = data.draw(st.integers(1, num_examples // batch_size))
    seed, epoch = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 5))
    seen = np.concatenate(
        [
            pipeline.example_ids(
                row_of(epoch * steps + step),
                num_examples=num_examples,
                batch_size=batch_size,
                steps_per_epoch=steps,
                seed=seed,
            )
            for step in range(steps)
        ]
    )
    assert len(set(seen.tolist())) == steps * batch_size
    assert seen.min() >= 0
    assert seen.max() < num_examples


def test_static_shapes():
    dataset = pipeline.make_training_dataset(
        numbered,
        np.arange(8),
        augmentation.make_augmentation(),
        batch_size=4,
        steps_per_epoch=2,
        first_step=0,
        last_step=2,
        seed=0,
    )
    inputs, targets = dataset.element_spec
    assert inputs["bg"].shape == (4, 2, 2, 3)
    assert targets["depth"].shape == (4, 2, 2, 1)


def test_examples_of_one_batch_are_augmented_each_its_own_way(load):
    augment = augmentation.make_augmentation(contrast_range=0.5)
    same_row = np.zeros(4, "int64")
    ((inputs, _),) = training(load, same_row, 0, 1, augment)
    assert len({image.tobytes() for image in inputs["bg"]}) == 4


def test_evaluation_keeps_the_remainder_and_the_order(load):
    ids = np.array([3, 1, 2, 0, 9])
    dataset = pipeline.make_evaluation_dataset(load, ids, batch_size=2)
    batches = list(dataset.as_numpy_iterator())
    assert [len(targets["mask"]) for _, targets in batches] == [2, 2, 1]
    for place, number in enumerate(ids):
        inputs, targets = pipeline.split_example(example(load, number))
        found_inputs, found_targets = batches[place // 2]
        one = {k: v[place % 2] for k, v in found_inputs.items()}
        assert_same([one], [{k: v.numpy() for k, v in inputs.items()}])
        one = {k: v[place % 2] for k, v in found_targets.items()}
        assert_same([one], [{k: v.numpy() for k, v in targets.items()}])


def test_stream_bytes_by_hand(rows):
    # 8 scenes and 12 composites of 3 bytes, 12 masks of 1 and depths of 2.
    found = [pipeline.stream_bytes(rows[:12], s, SIDE) for s in streams.STREAMS]
    assert found == [SIDE**2 * count for count in (8 * 3, 12 * 3, 12, 12 * 2)]


@pytest.mark.parametrize(
    ("memory", "kept"),
    [
        (0, []),
        (12, ["mask"]),
        (36, ["bg", "mask"]),
        (60, ["bg", "depth", "mask"]),
        (95.9, ["bg", "depth", "mask"]),
        (96, ["bg", "depth", "fg_bg", "mask"]),
    ],
)
def test_streams_with_the_fewest_bytes_are_kept(
    rows, labels_file, memory, kept, monkeypatch
):
    root, served = str(labels_file.parent), []
    load_memory = pipeline.load_memory

    def watched(rows, found, size, chosen):
        served.extend(sorted(stream.name for stream in chosen))
        return load_memory(rows, found, size, chosen)

    monkeypatch.setattr(pipeline, "load_memory", watched)
    chosen = pipeline.streams_in_memory(rows[:12], SIDE, SIDE**2 * memory)
    load = pipeline.load_rows(rows[:12], root, SIDE, chosen)
    assert served == kept
    whole = load_memory(rows[:12], Folder(root), SIDE)
    for number in (0, 11):
        ours, theirs = example(load, number), example(whole, number)
        assert_same(
            [{k: v.numpy() for k, v in ours.items()}],
            [{k: v.numpy() for k, v in theirs.items()}],
        )


def test_damaged_picture_is_named(tmp_path):
    labels_path = make_labelled_set(tmp_path / "set", rows=8)
    damaged = labels_path.parent / "mask" / "5.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    rows = labels.read(labels_path)
    with pytest.raises(DataError, match=f"{damaged}: cannot be decoded as a picture"):
        pipeline.load_memory(rows, Folder(labels_path.parent), SIDE)
