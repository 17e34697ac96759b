import math

import pytest

from maskdepth_tf.reports import comparison
from maskdepth_tf.reports.page import element

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


def markup(scores, split=None):
    return element("main", *comparison.results(scores, split))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({}, "The mask is equal to the difference rule in every figure."),
        (
            {"dice": 0.95, "dice_hard": 0.95, "iou": 0.9, "bce": 0.01},
            "The mask is better than the difference rule in every figure.",
        ),
        (
            {"dice": 0.5, "dice_hard": 0.5, "iou": 0.3, "bce": 0.9},
            "The mask is worse than the difference rule in every figure.",
        ),
        # Lower is better for cross-entropy alone.
        (
            {"bce": 0.04, "iou": 0.8, "dice": 0.8},
            "The mask is better than the difference rule in cross-entropy; worse in "
            "IoU and soft Dice; equal in Dice.",
        ),
        (
            {"bce": 0.06},
            "The mask is worse than the difference rule in cross-entropy; equal in "
            "Dice, IoU and soft Dice.",
        ),
        # No difference that four decimals show.
        ({"iou": 0.83002}, "The mask is equal to the difference rule in every figure."),
        # What is no number takes no part.
        (
            {"dice": None, "dice_hard": math.nan, "iou": "x", "bce": 0.9},
            "The mask is worse than the difference rule in every figure.",
        ),
        (
            dict.fromkeys(MASK),
            "The mask is compared with nothing: figures are missing.",
        ),
    ],
)
def test_words_say_where_the_network_is_better(mask, words):
    assert f"<div>{words}</div>" in markup(scores(mask))


def test_words_about_depth_name_the_constant_map():
    text = markup(scores(depth={"rmse": 0.05, "delta1": 0.2}))
    words = (
        "The depth is better than the constant depth map in RMSE; worse in delta1; "
        "equal in SSIM, DSSIM and MAE."
    )
    assert words in text


def test_table_marks_the_better_figure():
    text = markup(scores({"iou": 0.9, "bce": 0.2}))
    row = (
        '<tr class="network"><th scope="row">All rows (1,440)</th>'
        '<td class="even">0.9100</td><td class="good">0.9000</td>'
        '<td class="even">0.9000</td><td class="bad">0.2000</td></tr>'
        '<tr class="rule"><th scope="row">difference rule</th><td>0.9100</td>'
        "<td>0.8300</td><td>0.9000</td><td>0.0500</td></tr>"
    )
    assert row in text


def test_splits_stand_in_their_order_and_unknown_ones_last():
    names = ["zoo", "validation", "new_fg", "test", "new_bg"]
    text = markup(scores(splits={name: scores() for name in names}))
    labels = ["Test", "New background", "New foreground", "Validation", "Zoo"]
    places = [text.index(f">{label} (1,440)<") for label in labels]
    assert places == sorted(places)
    assert "All rows" not in text


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("unseen", "backgrounds that were never trained on"),
        (None, "backgrounds and foregrounds that were never trained on"),
        (
            "random",
            "random rows: their backgrounds and foregrounds were trained on too",
        ),
    ],
)
def test_test_split_means_what_the_run_made_it(split, words):
    text = markup(scores(splits={"test": scores()}), split)
    assert f"<p>On the test split: {words}.</p>" in text


def test_test_split_with_foregrounds_held_out():
    text = markup(scores(splits={"test": scores(), "new_fg": scores()}), "unseen")
    words = "backgrounds and foregrounds that were never trained on"
    assert f"<p>On the test split: {words}.</p>" in text


def test_tiles_show_the_test_split_beside_the_rules():
    side = scores({"iou": 0.8765}, {"rmse": 0.5})
    text = markup(scores(splits={"validation": scores(), "test": side}))
    assert (
        '<strong>0.8765</strong><span class="good">better than the difference rule'
        "&#x27;s 0.8300</span>"
    ) in text
    assert (
        '<strong>0.5000</strong><span class="bad">worse than the constant depth map'
        "&#x27;s 0.1200</span>"
    ) in text
    assert (
        '<span class="even">equal to the difference rule&#x27;s 0.9100</span>' in text
    )


@pytest.mark.parametrize("scored", [{}, {"splits": 3}, {"mask": None}, {"splits": {}}])
def test_no_figures_are_said(scored):
    assert "the run has not been evaluated" in markup(scored)


def test_missing_baseline_is_said():
    alone = scores()
    del alone["baseline"]
    text = markup({"splits": {"test": alone}})
    assert text.count("no baseline") == 4
    assert "–" in text


@pytest.mark.parametrize(
    "odd", [3, None, "text", [1], {"mask": 3}, {"mask": {"iou": []}}]
)
def test_odd_values_do_not_crash(odd):
    markup({"splits": {"test": odd, "other": scores()}})
    markup(scores(baseline=odd))


def test_names_of_splits_are_escaped():
    text = markup({"splits": {"<b>": scores()}})
    assert "&lt;b&gt;" in text
    assert "<b>" not in text


def test_written_has_a_dash_for_nan():
    assert comparison.written(0.12345) == "0.1235"
    assert comparison.written(1234.0, ",.0f") == "1,234"
    assert comparison.written(math.nan) == "–"
