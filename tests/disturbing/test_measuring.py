import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.disturbing import measuring
from maskdepth_tf.disturbing.kinds import KINDS
from maskdepth_tf.inference.scoring import Scorable
from maskdepth_tf.input import examples


def outputs(inputs):
    """The plain rule as a network, and the picture's grey as its depth."""
    bg, fg_bg = (tf.cast(inputs[name], tf.float32) for name in ("bg", "fg_bg"))
    difference = tf.reduce_max(tf.abs(fg_bg - bg), axis=-1, keepdims=True)
    mismatch = tf.reduce_mean(tf.cast(difference > 30, tf.float32), axis=(1, 2, 3))
    answers = {"mask": difference - 30.5, "depth": fg_bg[..., :1] / 255}
    return answers | {"background_mismatch": mismatch}


MODEL = Scorable(outputs, outputs, 16, 7)


@pytest.fixture(scope="module")
def found(labels_file):
    return examples.open_examples(
        str(labels_file), image_size=16, memory_gb=0.0, foregrounds=False
    )


def without_times(result):
    methods = {
        key: {name: value for name, value in method.items() if name != "milliseconds"}
        for key, method in result["methods"].items()
    }
    return result | {"methods": methods}


@pytest.fixture(scope="module")
def measured(found):
    return measuring.measure(MODEL, found, np.array([1, 17]))


def test_a_network_that_is_the_rule_has_its_figures(measured):
    result, _ = measured
    assert (result["image_size"], result["parameters"], result["rows"]) == (16, 7, 2)
    for kind in result["kinds"]:
        for own, rule in zip(
            kind["cells"]["network"], kind["cells"]["rule"], strict=True
        ):
            assert own == pytest.approx(rule)
        for own, best in zip(kind["cells"]["network"], kind["oracle"], strict=True):
            assert own["iou"] <= best["iou"] + 1e-6
    assert result["methods"]["network"]["mce"] == pytest.approx(1)
    assert result["wrong_room"]["pairs"] == 2


def test_the_worst_cells_are_shown_the_worst_first(measured):
    result, shown = measured
    lowest = sorted(
        min(cell["iou"] for cell in kind["cells"]["network"])
        for kind in result["kinds"]
    )
    assert [one.cell_iou for one in shown] == lowest[: measuring.SHOWN]
    for one in shown:
        assert one.number in (1, 17)
        marked, truth = one.answer > 0, one.truth > 0
        assert one.iou == pytest.approx((marked & truth).sum() / (marked | truth).sum())
        assert one.bg.shape == one.fg_bg.shape == (16, 16, 3)


def test_the_figures_do_not_depend_on_the_number_of_workers(found, measured):
    result, shown = measuring.measure(MODEL, found, np.array([1, 17]), num_workers=2)
    assert without_times(result) == without_times(measured[0])
    assert [one.label for one in shown] == [one.label for one in measured[1]]


def test_mean_at_severity_is_that_of_the_cells(found, measured):
    ids, kinds = np.array([1, 17]), measured[0]["kinds"]
    cells = [kind["cells"]["network"][1]["iou"] for kind in kinds]
    assert len(cells) == len(KINDS)
    second = measuring.mean_at_severity(MODEL, found, ids)
    assert second == pytest.approx(np.mean(cells))
    clean = measuring.mean_at_severity(MODEL, found, ids, 0)
    assert clean == pytest.approx(measured[0]["clean"]["network"]["iou"])
