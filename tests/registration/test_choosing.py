import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.registration import choosing

PICTURES = np.arange(4 * 2 * 2 * 3, dtype=np.float32).reshape(4, 2, 2, 3)


@pytest.mark.parametrize(
    "condition", [[True] * 4, [False] * 4, [True, False, False, True]]
)
def test_examples(condition):
    yes, no = tf.constant(PICTURES), tf.constant(-PICTURES)
    found = choosing.by_example(tf.constant(condition), yes, no).numpy()
    for row, holds in enumerate(condition):
        np.testing.assert_array_equal(found[row], PICTURES[row] * (1 if holds else -1))


def test_pixels():
    condition = np.random.default_rng(0).random((4, 2, 2, 1)) < 0.5
    other = np.full_like(PICTURES, np.nan)
    found = choosing.by_pixel(tf.constant(condition), PICTURES, tf.constant(other))
    np.testing.assert_array_equal(found, np.where(condition, PICTURES, np.nan))


@pytest.mark.parametrize(
    "condition", [[True] * 4, [False] * 4, [False, True, False, True]]
)
def test_some_are_changed(condition):
    amounts = tf.constant([1.0, 2.0, 3.0, 4.0])

    def change(pictures, amounts):
        assert pictures.shape[1:] == (2, 2, 3)
        return pictures + amounts[:, tf.newaxis, tf.newaxis, tf.newaxis]

    @tf.function
    def changed(pictures):
        return choosing.change_some(tf.constant(condition), change, pictures, amounts)

    found = changed(tf.constant(PICTURES)).numpy() - PICTURES
    for row, holds in enumerate(condition):
        np.testing.assert_array_equal(found[row], (row + 1) * holds)
