import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from maskdepth_tf.reports import drawings

SIZE, GUTTER, BAND = 96, 2, 20


def examples(count, side=8):
    """Grey on black backgrounds; the mask is the left half, depth its contrary."""
    bg = np.zeros((count, side, side, 3), "uint8")
    fg_bg = np.full_like(bg, 200)
    mask = np.zeros((count, side, side, 1), "float32")
    mask[:, :, : side // 2] = 1.0
    inputs = {"bg": bg, "fg_bg": fg_bg}
    return inputs, {"mask": mask, "depth": 1 - mask}, {"mask": mask, "depth": 1 - mask}


def cell(grid, row, caption):
    left = GUTTER + drawings.CAPTIONS.index(caption) * (SIZE + GUTTER)
    top = BAND + row * (SIZE + GUTTER)
    return grid[top : top + SIZE, left : left + SIZE]


def test_near_is_red_and_far_is_blue():
    near, far = drawings.depth_to_color(np.array([[0.0, 1.0]]))[0].astype(int)
    assert near[0] > 2 * near[2]
    assert far[2] > 1.5 * far[0]


def test_depth_outside_its_range_is_clipped_and_nan_is_black():
    colors = drawings.depth_to_color(np.array([[-3.0, 0.0, 1.0, 7.0, np.nan]]))[0]
    np.testing.assert_array_equal(colors[0], colors[1])
    np.testing.assert_array_equal(colors[2], colors[3])
    np.testing.assert_array_equal(colors[4], [0, 0, 0])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64"])
def test_depth_of_any_type_has_the_same_colors(dtype):
    # Matplotlib would take integers for positions in its table of colours.
    depth = np.array([[0, 1]])
    expected = drawings.depth_to_color(depth.astype("float32"))
    np.testing.assert_array_equal(
        drawings.depth_to_color(depth.astype(dtype)), expected
    )
    assert expected.dtype == np.uint8


@pytest.mark.parametrize("count", [0, 1, 3])
def test_grid_has_a_row_an_example_and_a_column_a_caption(count):
    grid = drawings.prediction_grid(*examples(count), size=SIZE)
    # Rows and columns of 96 with 2 between, and a band of 20 above and below.
    assert grid.shape == (20 + 98 * count + 20, 2 + 98 * 7, 3)
    assert grid.dtype == np.uint8


def test_grid_shows_each_picture_under_its_caption():
    inputs, targets, predictions = examples(2)
    predictions["mask"] = np.full_like(predictions["mask"], 0.5)
    predictions["depth"] = np.zeros_like(predictions["depth"])
    inputs["bg"][1] = 50
    grid = drawings.prediction_grid(inputs, targets, predictions, size=SIZE)
    assert (cell(grid, 0, "background") == 0).all()
    assert (cell(grid, 1, "background") == 50).all()
    assert (cell(grid, 0, "picture") == 200).all()
    assert (cell(grid, 0, "predicted mask") == 128).all()
    near, far = drawings.depth_to_color(np.array([[0.0, 1.0]]))[0]
    assert (cell(grid, 0, "predicted depth") == near).all()
    # Left half of the mask, and what is there in the depth; the middle is blurred.
    assert (cell(grid, 0, "true mask")[:, :40] == 255).all()
    assert (cell(grid, 0, "true mask")[:, 56:] == 0).all()
    assert (cell(grid, 0, "true depth")[:, :40] == near).all()
    assert (cell(grid, 0, "true depth")[:, 56:] == far).all()


def test_cut_out_is_the_picture_where_the_predicted_mask_is():
    inputs, targets, predictions = examples(1)
    targets["mask"] = np.zeros_like(targets["mask"])
    grid = drawings.prediction_grid(inputs, targets, predictions, size=SIZE)
    cut_out = cell(grid, 0, "cut-out")
    assert (cut_out[:, :40] == 200).all()
    assert set(np.unique(cut_out[:, 56:])) == {204, 244}


def test_gutters_are_white():
    grid = drawings.prediction_grid(*examples(2), size=SIZE)
    assert (grid[BAND:-BAND, :GUTTER] == 255).all()
    assert (grid[BAND + SIZE : BAND + SIZE + GUTTER] == 255).all()


def test_bands_hold_captions_and_the_key_of_depth():
    grid = drawings.prediction_grid(*examples(1), size=SIZE)
    for column in range(len(drawings.CAPTIONS)):
        left = GUTTER + column * (SIZE + GUTTER)
        # Ink well inside the column, none at its edges: the caption fits.
        assert grid[:BAND, left : left + SIZE].min() < 100
        assert (grid[:BAND, left + SIZE : left + SIZE + GUTTER] == 255).all()
    key = grid[-BAND // 2, :]
    colored = np.flatnonzero(key.max(axis=1).astype(int) - key.min(axis=1) > 60)
    near, far = drawings.depth_to_color(np.array([[0.0, 1.0]]))[0]
    np.testing.assert_array_equal(key[colored[0]], near)
    np.testing.assert_array_equal(key[colored[-1]], far)


def test_grid_bears_predictions_that_are_no_numbers():
    inputs, targets, predictions = examples(1)
    predictions["mask"][0, 0] = np.nan
    predictions["depth"][0, 0] = np.inf
    drawings.prediction_grid(inputs, targets, predictions, size=SIZE)


def test_grid_refuses_unequal_numbers_of_examples():
    inputs, targets, _ = examples(2)
    with pytest.raises(ValueError, match="zip"):
        drawings.prediction_grid(inputs, targets, examples(1)[2], size=SIZE)


def test_grid_leaves_its_arguments_as_they_were():
    inputs, targets, predictions = examples(1)
    predictions["depth"][0, 0] = np.nan
    drawings.prediction_grid(inputs, targets, predictions, size=SIZE)
    assert np.isnan(predictions["depth"][0, 0]).all()


def full_history(epochs):
    names = ["loss", "mask_loss", "depth_loss", "mask_dice_hard", "mask_iou"]
    names += ["depth_ssim", "depth_delta1", "depth_rmse", "depth_mae"]
    row = {"learning_rate": 0.01, "images_per_second": 150.0}
    row |= {side + name: 0.5 for name in names for side in ("", "val_")}
    return [{"epoch": epoch + 1, **row} for epoch in range(epochs)]


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the figures that were saved during a test."""
    axes = []
    save = Figure.savefig

    def spy(figure, *args, **kwargs):
        axes.extend(figure.axes)
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return axes


def lines(axes):
    return [
        line
        for line in axes.get_lines()
        if np.isfinite(line.get_ydata(orig=False)).any()
    ]


@pytest.mark.parametrize("epochs", [1, 20])
def test_curves_show_training_and_validation(tmp_path, drawn, epochs):
    drawings.write_curves(full_history(epochs), tmp_path / "curves.png")
    assert [len(lines(axes)) for axes in drawn] == [6, 4, 4, 4, 1, 1]
    styles = [line.get_linestyle() for line in lines(drawn[1])]
    assert styles == ["--", "--", "-", "-"]
    np.testing.assert_array_equal(lines(drawn[0])[0].get_xdata(), range(1, epochs + 1))
    # A single point is no line: it needs a mark of its own.
    marker = lines(drawn[0])[0].get_marker()
    assert marker == ("o" if epochs == 1 else "None")


def test_curves_say_what_was_not_recorded(tmp_path, drawn):
    drawings.write_curves([{"epoch": 1, "loss": 0.5}], tmp_path / "curves.png")
    assert [len(lines(axes)) for axes in drawn] == [1, 0, 0, 0, 0, 0]
    texts = [[text.get_text() for text in axes.texts] for axes in drawn]
    assert texts == [[]] + [["not recorded"]] * 5


def test_curves_take_the_texts_of_a_csv_file(tmp_path, drawn):
    history = [{"epoch": "1", "loss": "0.5"}, {"epoch": "2", "loss": ""}]
    drawings.write_curves(history, tmp_path / "curves.png")
    np.testing.assert_array_equal(lines(drawn[0])[0].get_ydata(), [0.5, np.nan])


def test_curves_show_perfection_and_all_values(tmp_path, drawn):
    history = [{"loss": -0.25, "mask_iou": 0.75}, {"loss": 4.0, "mask_iou": 0.5}]
    drawings.write_curves(history, tmp_path / "curves.png")
    low, high = drawn[0].get_ylim()
    assert low < -0.25
    assert high > 4.0
    low, high = drawn[1].get_ylim()
    assert low < 0.5
    assert high == 1.0


def test_curves_are_a_png_and_the_same_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        drawings.write_curves(full_history(3), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.width >= 1200
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_curves_leave_pyplot_alone(tmp_path):
    import matplotlib.pyplot as plt

    drawings.write_curves([], tmp_path / "curves.png")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("value", [None, "", "x", [], {}, "nan", float("inf"), 10**400])
def test_number_is_nan_for_what_is_none(value):
    assert np.isnan(drawings.number(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_floats_and_their_text(value):
    assert drawings.number(value) == value
    assert drawings.number(repr(value)) == value
