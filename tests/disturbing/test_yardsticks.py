import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.disturbing import yardsticks
from maskdepth_tf.disturbing.effects import geometry, light
from maskdepth_tf.disturbing.pairs import square
from maskdepth_tf.network import baseline
from tests.support.pictures import cornered_rgb

ROOM = cornered_rgb(1, 160, 160)
PERSON = ROOM.copy()
PERSON[60:120, 60:100] = 255 - PERSON[60:120, 60:100]
TRUTH = np.zeros((32, 32), bool)
TRUTH[12:24, 12:20] = True


def iou(key, bg, fg_bg):
    answers = yardsticks.learn(bg, square(bg, 32))
    mask = answers[key](fg_bg, square(fg_bg, 32))
    assert mask.shape == (32, 32)
    assert mask.dtype == bool
    return (mask & TRUTH).sum() / (mask | TRUTH).sum()


def test_the_rule_is_that_of_the_network_room():
    bg, fg_bg = (square(picture, 32) for picture in (ROOM, PERSON))
    expected = baseline.difference_mask(tf.constant(bg[None]), tf.constant(fg_bg[None]))
    mask = yardsticks.learn(ROOM, bg)[yardsticks.RULE](PERSON, fg_bg)
    np.testing.assert_array_equal(mask, expected[0, ..., 0] > 0)


@pytest.mark.parametrize("key", yardsticks.YARDSTICKS)
def test_all_find_a_figure_in_a_clean_pair(key):
    assert iou(key, ROOM, PERSON) > 0.6


def test_what_each_is_for():
    darker = light.gain(PERSON, 0.6)
    moved = geometry.warp(ROOM, geometry.shift(7, 4))
    assert iou("gain_rule", ROOM, darker) > iou("rule", ROOM, darker) + 0.2
    assert iou("orb_tone_rule", moved, PERSON) > iou("rule", moved, PERSON) + 0.2


def test_a_picture_leaves_nothing_behind():
    small_bg, small = square(ROOM, 32), square(PERSON, 32)
    answers = yardsticks.learn(ROOM, small_bg)
    for key, answer in answers.items():
        first = answer(PERSON, small)
        for _ in range(5):
            np.testing.assert_array_equal(answer(PERSON, small), first, key)
        assert not answer(ROOM, small_bg).any()
