import numpy as np
import pytest

from maskdepth_tf.reports import overview, sheet

GREY = np.full((30, 40, 3), 128, np.uint8)


def draw(height, width, mask):
    depth = np.tile(np.linspace(0, 1, width), (height, 1))
    picture = np.full((height, width, 3), (10, 200, 30), np.uint8)
    front = np.full((height, width, 3), (90, 20, 30), np.uint8)
    return overview.draw(GREY, picture, front, np.full((height, width), mask), depth)


@pytest.mark.parametrize(
    ("height", "width", "panel"),
    [
        (30, 40, (315, 420)),
        (400, 200, (420, 210)),
        (700, 700, (420, 420)),
        (1, 1, (420, 420)),
        (1, 5000, (1, 420)),
        (5000, 1, (420, 120)),  # room for the captions
    ],
)
def test_layout(height, width, panel):
    # Five pictures with gutters of 6; a header of 54, a line of 19, margins of 24.
    canvas = draw(height, width, 0.5)
    assert canvas.dtype == np.uint8
    assert canvas.shape == (54 + panel[0] + 19 + 24, 5 * (panel[1] + 6) - 6 + 48, 3)


def centres(canvas):
    """Colour in the middle of each picture of 315 x 420."""
    return [tuple(canvas[54 + 157, 24 + 426 * n + 210]) for n in range(5)]


def test_pictures():
    bg, picture, mask, depth, cutout = centres(draw(30, 40, 1.0))
    assert bg == (128, 128, 128)
    assert (picture, cutout) == ((10, 200, 30), (90, 20, 30))
    assert mask == (255, 255, 255)
    middle = sheet.depth_to_color(np.array([[0.5]]))[0, 0].astype(int)
    assert np.abs(middle - depth).max() <= 8
    *_, mask, _, cutout = centres(draw(30, 40, 0.0))
    assert mask == (0, 0, 0)
    assert len(set(cutout)) == 1  # a grey check


def test_the_share_of_the_mask_is_said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        sheet, "draw", lambda rows, *_: lines.extend(*(row.lines for row in rows))
    )
    mask = np.zeros((30, 40))
    mask[:, :10] = 0.5
    overview.draw(GREY, GREY, GREY, mask, mask)
    assert lines == ["The mask covers 25.0% of the picture."]


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
    left = 24 + overview.GRID_CAPTIONS.index(caption) * 174
    top = 54 + row * 184
    return grid[top + 1 : top + 167, left + 1 : left + 167]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_grid_has_a_row_an_example_and_a_column_a_caption(count):
    grid = overview.draw_grid(*examples(count))
    height = 54 + 184 * count - 16 + 24
    assert grid.shape == (height, 7 * 174 - 6 + 48, 3)
    assert grid.dtype == np.uint8


def test_each_picture_of_the_grid_is_under_its_caption():
    inputs, targets, predictions = examples(2)
    predictions["mask"] = np.full_like(predictions["mask"], 0.5)
    predictions["depth"] = np.zeros_like(predictions["depth"])
    inputs["bg"][1] = 50
    grid = overview.draw_grid(inputs, targets, predictions)
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
    cut_out = cell(overview.draw_grid(inputs, targets, predictions), 0, "cut-out")
    assert (cut_out[:, :50] == 200).all()
    assert set(np.unique(cut_out[:, 116:])) == {222, 250}


def test_predictions_that_are_no_numbers_are_drawn():
    inputs, targets, predictions = examples(1)
    predictions["mask"][0, 0] = np.nan
    predictions["depth"][0, 0] = np.nan
    predictions["depth"][0, 1] = np.inf
    overview.draw_grid(inputs, targets, predictions)
    assert np.isnan(predictions["depth"][0, 0]).all()


def test_unequal_numbers_of_examples_are_refused():
    inputs, targets, _ = examples(2)
    with pytest.raises(ValueError, match="zip"):
        overview.draw_grid(inputs, targets, examples(1)[2])
