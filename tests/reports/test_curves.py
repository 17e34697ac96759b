import os

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from maskdepth_tf.network import metric_list
from maskdepth_tf.reports import curves

NUM_CURVES = [3, 1, 1, 3, 1, 2, 3]
"""Curves of the losses, the two rates, then of each output up and down."""


def full_history(epochs):
    names = ["loss", "mask_loss", "depth_loss"]
    names += [metric.key for metric in metric_list.METRICS]
    row = {"learning_rate": 0.01, "images_per_second": 150.0}
    row |= {side + name: 0.5 for name in names for side in ("", "val_")}
    return [{"epoch": epoch + 1, **row} for epoch in range(epochs)]


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the figures that a test would save."""
    axes = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *_, **__: axes.extend(figure.axes)
    )
    return axes


def lines(axes):
    return [
        line
        for line in axes.get_lines()
        if np.isfinite(line.get_ydata(orig=False)).any()
    ]


@pytest.mark.parametrize("epochs", [1, 20])
def test_curves_show_training_and_validation(tmp_path, drawn, epochs):
    curves.write_curves(full_history(epochs), tmp_path / "curves.png")
    expected = [n if place in (1, 2) else 2 * n for place, n in enumerate(NUM_CURVES)]
    assert [len(lines(axes)) for axes in drawn] == expected
    styles = [line.get_linestyle() for line in lines(drawn[3])]
    assert styles == ["--"] * 3 + ["-"] * 3
    np.testing.assert_array_equal(lines(drawn[0])[0].get_xdata(), range(1, epochs + 1))
    # A single point is no line: it needs a mark of its own.
    marker = lines(drawn[0])[0].get_marker()
    assert marker == ("o" if epochs == 1 else "None")


def test_curves_say_what_was_not_recorded(tmp_path, drawn):
    curves.write_curves([{"epoch": 1, "loss": 0.5}], tmp_path / "curves.png")
    assert [len(lines(axes)) for axes in drawn] == [1, 0, 0, 0, 0, 0, 0]
    texts = [[text.get_text() for text in axes.texts] for axes in drawn]
    assert texts == [[]] + [["not recorded"]] * 6


def test_what_is_no_finite_number_is_left_out(tmp_path, drawn):
    history = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": np.inf}]
    curves.write_curves(history, tmp_path / "curves.png")
    np.testing.assert_array_equal(lines(drawn[0])[0].get_ydata(), [0.5, np.inf])
    assert drawn[0].get_ylim()[1] < 1


def test_panels_say_what_they_show(tmp_path, drawn):
    curves.write_curves(full_history(2), tmp_path / "curves.png")
    assert [axes.get_title(loc="left") for axes in drawn] == [
        "Loss",
        "Learning rate",
        "Images per second",
        "Mask: higher is better",
        "Mask: lower is better",
        "Depth: higher is better",
        "Depth: lower is better",
    ]
    keys = [text.get_text() for text in drawn[3].get_legend().get_texts()]
    assert keys == ["soft Dice", "Dice", "IoU"]


def test_curves_show_perfection_and_all_values(tmp_path, drawn):
    history = [
        {"epoch": 1, "loss": -0.25, "mask_iou": 0.75},
        {"epoch": 2, "loss": 4.0, "mask_iou": 0.5},
    ]
    curves.write_curves(history, tmp_path / "curves.png")
    low, high = drawn[0].get_ylim()
    assert low < -0.25
    assert high > 4.0
    low, high = drawn[3].get_ylim()
    assert low < 0.5
    assert high == 1.0


def test_curves_are_a_png_and_the_same_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        curves.write_curves(full_history(3), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.width >= 1200
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_curves_leave_pyplot_alone(tmp_path):
    import matplotlib.pyplot as plt

    curves.write_curves([], tmp_path / "curves.png")
    assert plt.get_fignums() == []
