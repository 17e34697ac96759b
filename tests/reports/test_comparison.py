import math

import pytest

from maskdepth_tf.reports import comparison

MASK = {"dice": 0.9, "dice_hard": 0.91, "iou": 0.83, "bce": 0.05}
DEPTH = {"ssim": 0.8, "dssim": 0.1, "rmse": 0.12, "mae": 0.08, "delta1": 0.6}


def scores(mask=(), depth=(), **more):
    """Figures that equal the baseline's but for those given."""
    return {
        "examples": 1440,
        "mask": MASK | dict(mask),
        "depth": DEPTH | dict(depth),
        "baseline": {"mask": MASK, "depth": DEPTH},
    } | more


def only(scores):
    """The comparison of a single set of rows."""
    (split,) = comparison.compare(scores)
    return split


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({}, "equal in every figure."),
        (
            {"dice": 0.95, "dice_hard": 0.95, "iou": 0.9, "bce": 0.01},
            "better in every figure.",
        ),
        (
            {"dice": 0.5, "dice_hard": 0.5, "iou": 0.3, "bce": 0.9},
            "worse in every figure.",
        ),
        # Lower is better for cross-entropy alone.
        (
            {"bce": 0.04, "iou": 0.8, "dice": 0.8},
            "better in cross-entropy; worse in IoU and soft Dice; equal in Dice.",
        ),
        ({"bce": 0.06}, "worse in cross-entropy; equal in Dice, IoU and soft Dice."),
        # No difference that four decimals show.
        ({"iou": 0.83002}, "equal in every figure."),
        # What is no number takes no part.
        (
            {"dice": None, "dice_hard": math.nan, "iou": "x", "bce": 0.9},
            "worse in every figure.",
        ),
    ],
)
def test_words_say_where_the_network_is_better(mask, words):
    prefix = "Compared with the difference rule, the mask is "
    assert only(scores(mask)).sentence("mask") == prefix + words


def test_words_about_depth_name_the_constant_map():
    split = only(scores(depth={"rmse": 0.05, "delta1": 0.2}))
    assert split.sentence("depth") == (
        "Compared with the constant depth map, the depth is better in RMSE; worse in "
        "delta1; equal in SSIM, DSSIM and MAE."
    )


def test_words_where_figures_are_missing():
    sentence = only(scores(dict.fromkeys(MASK))).sentence("mask")
    assert sentence == "The mask is compared with nothing: figures are missing."


def test_figures_stand_beside_those_of_the_rule():
    split = only(scores({"iou": 0.9, "bce": 0.2}))
    assert [
        (f.metric.name, f.value, f.rule, f.standing) for f in split.figures["mask"]
    ] == [
        ("dice_hard", 0.91, 0.91, "even"),
        ("iou", 0.9, 0.83, "good"),
        ("dice", 0.9, 0.9, "even"),
        ("bce", 0.2, 0.05, "bad"),
    ]
    assert (split.name, split.examples) == ("all rows", 1440)


def test_splits_stand_in_their_order_and_unknown_ones_last():
    names = ["zoo", "validation", "new_fg", "test", "new_bg"]
    splits = comparison.compare({"splits": {name: scores() for name in names}})
    order = ["test", "new_bg", "new_fg", "validation", "zoo"]
    assert [split.name for split in splits] == order


@pytest.mark.parametrize("scored", [{}, {"splits": 3}, {"mask": None}, {"splits": {}}])
def test_no_figures_make_no_split(scored):
    assert comparison.compare(scored) == []


def test_a_missing_baseline_is_nothing_to_compare_with():
    alone = scores()
    del alone["baseline"]
    (split,) = comparison.compare({"splits": {"test": alone}})
    figures = [figure for group in split.figures.values() for figure in group]
    assert not any(figure.is_compared for figure in figures)
    assert all(math.isnan(figure.rule) for figure in figures)


@pytest.mark.parametrize(
    "odd", [3, None, "text", [1], {"mask": 3}, {"mask": {"iou": []}}]
)
def test_odd_values_take_no_part(odd):
    splits = comparison.compare({"splits": {"test": odd, "other": scores()}})
    assert splits[-1].name == "other"
    only(scores(baseline=odd))
