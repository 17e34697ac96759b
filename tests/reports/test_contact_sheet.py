import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from maskdepth_tf.reports import contact_sheet
from maskdepth_tf.reports.contact_sheet import Entry, draw

BLUE = np.full((4, 8, 3), (10, 20, 250), np.uint8)


def entry(*lines, panel=BLUE):
    return Entry([panel] * 4, lines)


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [
        # Margins of 24, four panels of 168 with gutters of 6, 36 between entries; a
        # header of 30, panels half as high as wide, lines of 19, 16 between rows.
        (1, 2, (24 + 30 + 84 + 19 + 24, 690 + 48, 3)),
        (2, 2, (24 + 30 + 84 + 19 + 24, 2 * 690 + 36 + 48, 3)),
        (3, 2, (24 + 30 + 2 * (84 + 19) + 16 + 24, 2 * 690 + 36 + 48, 3)),
        (3, 1, (24 + 30 + 3 * (84 + 19) + 2 * 16 + 24, 690 + 48, 3)),
    ],
)
def test_layout(count, columns, shape):
    canvas = draw([entry("line 1")] * count, columns=columns)
    assert canvas.dtype == np.uint8
    assert canvas.shape == shape


def test_pictures_are_in_their_places():
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 0)]
    panels = [np.full((9, 9, 3), color, np.uint8) for color in colors]
    canvas = draw([entry("a"), Entry(panels, ["b"])], side=150)
    left = 24 + 4 * 156 - 6 + 36
    shown = [tuple(canvas[54 + 75, left + 156 * place + 75]) for place in range(4)]
    assert shown == colors
    assert tuple(canvas[54 + 75, 24 + 75]) == (10, 20, 250)


def test_a_narrow_picture_is_in_the_middle():
    narrow = np.zeros((8, 2, 3), np.uint8)
    canvas = draw([Entry([narrow, BLUE, BLUE, BLUE], [])], side=160)
    line = canvas[54 + 80, 24 : 24 + 160].max(axis=1)
    # 40 of 160 pixels, of which the outermost are the edge.
    assert np.flatnonzero(line < 50).tolist() == list(range(61, 99))


def test_what_is_missing_is_an_empty_box():
    canvas = draw([Entry([None] * 4, ["line 1"])])
    assert canvas.shape[0] == 24 + 30 + 168 + 19 + 24
    assert tuple(canvas[54 + 10, 24 + 10]) == (240, 241, 243)
    words = canvas[54 + 60 : 54 + 108, 24 + 20 : 24 + 148]
    assert words.min() < 150


def test_more_lines_make_one_row_of_entries_higher():
    low = draw([entry("a"), entry("b"), entry("c")])
    high = draw([entry("a"), entry("b", "d", "e"), entry("c")])
    assert high.shape[0] - low.shape[0] == 2 * 19


@pytest.mark.parametrize("shape", [(1, 5000, 3), (5000, 1, 3), (1, 1, 3)])
def test_any_shape(shape):
    canvas = draw([entry("a", panel=np.zeros(shape, np.uint8))])
    assert canvas.min() < 50


@given(st.text(max_size=600), st.sampled_from([150, 690]))
@settings(max_examples=60, deadline=None)
def test_lines_fit(text, width):
    font = ImageFont.load_default(14)
    lines = contact_sheet._wrap([text], width, font)
    assert all(font.getlength(line) <= width for line in lines)
    words = "".join(text.split())[:300]
    assert "".join("".join(lines).split()).startswith(words)
