import numpy as np
import pytest

from maskdepth_tf.reports import overview, sheet

GREY = np.full((30, 40, 3), 128, np.uint8)


def draw(height, width, mask):
    depth = np.tile(np.linspace(0, 1, width), (height, 1))
    picture = np.full((height, width, 3), (10, 200, 30), np.uint8)
    return overview.draw(GREY, picture, np.full((height, width), mask), depth)


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
    assert picture == cutout == (10, 200, 30)
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
    overview.draw(GREY, GREY, mask, mask)
    assert lines == ["The mask covers 25.0% of the picture."]
