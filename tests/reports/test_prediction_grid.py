import numpy as np
import pytest

from maskdepth_tf.reports import prediction_grid, sheet


def examples(count, side=8):
    """Grey on black backgrounds; the mask is the left half, depth its contrary."""
    bg = np.zeros((count, side, side, 3), "uint8")
    fg_bg = np.full_like(bg, 200)
    mask = np.zeros((count, side, side, 1), "float32")
    mask[:, :, : side // 2] = 1.0
    inputs = {"bg": bg, "fg_bg": fg_bg}
    return inputs, {"mask": mask, "depth": 1 - mask}, {"mask": mask, "depth": 1 - mask}


def cell(grid, row, caption):
    """The pixels of a cell, its edge left out."""
    left = 24 + prediction_grid.CAPTIONS.index(caption) * 174
    top = 54 + row * 184
    return grid[top + 1 : top + 167, left + 1 : left + 167]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_row_an_example_and_a_column_a_caption(count):
    grid = prediction_grid.draw(*examples(count))
    height = 54 + 184 * count - 16 + 24
    assert grid.shape == (height, 7 * 174 - 6 + 48, 3)
    assert grid.dtype == np.uint8


def test_each_picture_is_under_its_caption():
    inputs, targets, predictions = examples(2)
    predictions["mask"] = np.full_like(predictions["mask"], 0.5)
    predictions["depth"] = np.zeros_like(predictions["depth"])
    inputs["bg"][1] = 50
    grid = prediction_grid.draw(inputs, targets, predictions)
    assert (cell(grid, 0, "background") == 0).all()
    assert (cell(grid, 1, "background") == 50).all()
    assert (cell(grid, 0, "picture") == 200).all()
    assert (cell(grid, 0, "predicted mask") == 128).all()
    near, far = sheet.depth_to_color(np.array([[0.0, 1.0]]))[0]
    assert (cell(grid, 0, "predicted depth") == near).all()
    # Left half of the mask, and what is there in the depth; the middle is blurred.
    assert (cell(grid, 0, "true mask")[:, :50] == 255).all()
    assert (cell(grid, 0, "true mask")[:, 116:] == 0).all()
    assert (cell(grid, 0, "true depth")[:, :50] == near).all()
    assert (cell(grid, 0, "true depth")[:, 116:] == far).all()


def test_cut_out_goes_by_the_predicted_mask():
    inputs, targets, predictions = examples(1)
    targets["mask"] = np.zeros_like(targets["mask"])
    cut_out = cell(prediction_grid.draw(inputs, targets, predictions), 0, "cut-out")
    assert (cut_out[:, :50] == 200).all()
    assert set(np.unique(cut_out[:, 116:])) == {222, 250}


def test_predictions_that_are_no_numbers_are_drawn():
    inputs, targets, predictions = examples(1)
    predictions["mask"][0, 0] = np.nan
    predictions["depth"][0, 0] = np.nan
    predictions["depth"][0, 1] = np.inf
    prediction_grid.draw(inputs, targets, predictions)
    assert np.isnan(predictions["depth"][0, 0]).all()


def test_unequal_numbers_of_examples_are_refused():
    inputs, targets, _ = examples(2)
    with pytest.raises(ValueError, match="zip"):
        prediction_grid.draw(inputs, targets, examples(1)[2])
