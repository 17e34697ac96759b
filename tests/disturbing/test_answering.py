import types

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.disturbing import answering
from maskdepth_tf.disturbing.pairs import Pair
from maskdepth_tf.disturbing.samples import Place, Sample, Score


def sample(number, bright=100, others=()):
    bg = np.full((8, 8, 3), 100, np.uint8)
    fg_bg = bg.copy()
    fg_bg[:4] = bright
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 255
    scores = {"rule": Score(0.25, 0.5, 1.0)}
    pair = Pair(bg, fg_bg, mask)
    return Sample(Place("clean"), number, pair, scores, np.zeros(256))


MISMATCH = tf.fill([answering.BATCH], 0.125)


def outputs(sign, **more):
    """A network that marks what is brighter, or darker, than 128."""

    def run(inputs):
        assert inputs["bg"].shape == (answering.BATCH, 8, 8, 3)
        grey = tf.cast(inputs["fg_bg"][..., :1], tf.float32)
        return {"mask": sign * (grey - 128), "depth": grey / 255} | more

    return run


def model():
    return types.SimpleNamespace(
        image_size=8,
        num_parameters=0,
        outputs=outputs(1, background_mismatch=MISMATCH),
        bare=outputs(-1),
    )


@pytest.mark.parametrize("count", [1, answering.BATCH, answering.BATCH + 3])
def test_every_sample_is_answered_once_and_in_order(count):
    made = (sample(number, 200 + number % 7) for number in range(count))
    answered = list(answering.answer(model(), made))
    assert [one.sample.number for one in answered] == list(range(count))
    for one in answered:
        assert one.mask[:4].all()
        assert not one.mask[4:].any()
        assert one.depth[0, 0, 0] == pytest.approx((200 + one.sample.number % 7) / 255)
        score = one.sample.scores["network"]
        assert (score.iou, score.marked) == (1, 0.5)
        assert score.seconds > 0
        assert list(one.sample.scores) == ["network", "bare", "rule"]
        assert one.mismatch == 0.125


def test_the_network_is_also_asked_about_what_is_not_registered():
    found = list(answering.answer(model(), [sample(0, 200)]))
    ious = {key: score.iou for key, score in found[0].sample.scores.items()}
    assert ious == {"network": 1, "bare": 0, "rule": 0.25}
