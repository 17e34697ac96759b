import numpy as np
import pytest

from maskdepth_tf.reports import drawings, overview

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
    ],
)
def test_layout(height, width, panel):
    # Five panels, six margins of 16 across; two margins and a caption of 26 down.
    canvas = draw(height, width, 0.0)
    assert canvas.dtype == np.uint8
    assert canvas.shape == (panel[0] + 58, 5 * panel[1] + 96, 3)


@pytest.mark.parametrize(("height", "width"), [(1, 5000), (5000, 1)])
def test_thin_pictures_leave_room_for_captions(height, width):
    canvas = draw(height, width, 0.5)
    assert canvas.shape[1] >= 5 * 170 + 96


def centres(canvas):
    """Colour in the middle of each panel of 315 x 420."""
    return [tuple(canvas[16 + 157, 16 + 436 * n + 210]) for n in range(5)]


def test_panels():
    bg, picture, mask, depth, cutout = centres(draw(30, 40, 1.0))
    assert bg == (128, 128, 128)
    assert picture == cutout == (10, 200, 30)
    assert mask == (255, 255, 255)
    middle = drawings.depth_to_color(np.array([[0.5]]))[0, 0].astype(int)
    assert np.abs(middle - depth).max() <= 8
    *_, mask, _, cutout = centres(draw(30, 40, 0.0))
    assert mask == (0, 0, 0)
    assert len(set(cutout)) == 1  # a grey check


def test_captions_and_legend_are_there():
    caption = draw(30, 40, 0.0)[-36:]
    for number in range(5):
        left = 16 + 436 * number
        assert caption[:, left : left + 60].min() < 120
    legend = caption[:, 16 + 436 * 3 + 240 : 16 + 436 * 3 + 420].astype(int)
    reds = (legend[..., 0] - legend[..., 2]).max(0)
    blues = (legend[..., 2] - legend[..., 0]).max(0)
    assert np.argmax(reds) < np.argmax(blues)  # near is on the left
