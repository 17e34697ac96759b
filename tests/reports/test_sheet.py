import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps

from maskdepth_tf.reports import sheet
from maskdepth_tf.reports.sheet import Row

BLUE = np.full((4, 8, 3), (10, 20, 250), np.uint8)
CAPTIONS = ("background", "picture", "mask", "depth")


def draw(rows, *sizes):
    return sheet.draw(rows, CAPTIONS, *sizes)


def row(*lines, cell=BLUE):
    return Row([cell] * 4, lines)


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [
        # Margins of 24, four pictures of 168 with gutters of 6, 36 between rows side by
        # side; a header of 30, pictures half as high as wide, lines of 19, 16 below.
        (1, 2, (24 + 30 + 84 + 19 + 24, 690 + 48, 3)),
        (2, 2, (24 + 30 + 84 + 19 + 24, 2 * 690 + 36 + 48, 3)),
        (3, 2, (24 + 30 + 2 * (84 + 19) + 16 + 24, 2 * 690 + 36 + 48, 3)),
        (3, 1, (24 + 30 + 3 * (84 + 19) + 2 * 16 + 24, 690 + 48, 3)),
    ],
)
def test_layout(count, columns, shape):
    canvas = draw([row("line 1")] * count, 168, columns)
    assert canvas.dtype == np.uint8
    assert canvas.shape == shape


def test_pictures_are_in_their_places():
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 0)]
    cells = [np.full((9, 9, 3), color, np.uint8) for color in colors]
    canvas = draw([row("a"), Row(cells, ["b"])], 150, 2)
    left = 24 + 4 * 156 - 6 + 36
    seen = [tuple(canvas[54 + 75, left + 156 * place + 75]) for place in range(4)]
    assert seen == colors
    assert tuple(canvas[54 + 75, 24 + 75]) == (10, 20, 250)


def test_grey_pictures_are_taken():
    canvas = draw([row("a", cell=np.full((9, 9), 77, np.uint8))])
    assert tuple(canvas[54 + 75, 24 + 75]) == (77, 77, 77)


def test_a_narrow_picture_is_in_the_middle():
    narrow = np.zeros((8, 2, 3), np.uint8)
    canvas = draw([Row([narrow, BLUE, BLUE, BLUE])], 160)
    line = canvas[54 + 80, 24 : 24 + 160].max(axis=1)
    # 40 of 160 pixels, of which the outermost are the edge.
    assert np.flatnonzero(line < 50).tolist() == list(range(61, 99))


def test_columns_of_narrow_pictures_have_room_for_captions():
    canvas = draw([row(cell=np.zeros((9, 1, 3), np.uint8))])
    assert canvas.shape[1] == 4 * 126 - 6 + 48


def test_captions_and_the_legend_stand_above():
    canvas = draw([row("a")])
    for place in range(4):
        left = 24 + place * 174
        assert canvas[28:54, left : left + 30].min() < 100
    legend = canvas[:24, -200:].astype(int)
    colors = np.flatnonzero((legend.max(2) - legend.min(2)).max(0) > 60)
    near, far = legend[19, colors[0]], legend[19, colors[-1]]
    assert near[0] > 2 * near[2]
    assert far[2] > 1.5 * far[0]


def test_what_is_missing_is_an_empty_box():
    canvas = draw([row("line 1", cell=None)])
    assert canvas.shape[0] == 24 + 30 + 168 + 19 + 24
    assert tuple(canvas[54 + 10, 24 + 10]) == (240, 241, 243)
    words = canvas[54 + 60 : 54 + 108, 24 + 20 : 24 + 148]
    assert words.min() < 150


def test_more_lines_make_one_row_higher():
    low = draw([row("a"), row("b"), row("c")], 168, 2)
    high = draw([row("a"), row("b", "d", "e"), row("c")], 168, 2)
    assert high.shape[0] - low.shape[0] == 2 * 19


@pytest.mark.parametrize("shape", [(1, 5000, 3), (5000, 1, 3), (1, 1, 3)])
def test_any_shape(shape):
    canvas = draw([row("a", cell=np.zeros(shape, np.uint8))])
    assert canvas.min() < 50


@given(st.text(max_size=600), st.sampled_from([150, 690]))
@settings(max_examples=60, deadline=None)
def test_lines_fit(text, width):
    lines = sheet.wrap([text], width)
    assert all(sheet.FONT.getlength(line) <= width for line in lines)
    words = "".join(text.split())[:300]
    assert "".join("".join(lines).split()).startswith(words)


def test_near_is_red_and_far_is_blue():
    near, far = sheet.depth_to_color(np.array([[0.0, 1.0]]))[0].astype(int)
    assert near[0] > 2 * near[2]
    assert far[2] > 1.5 * far[0]


def test_depth_outside_its_range_is_clipped_and_nan_is_black():
    colors = sheet.depth_to_color(np.array([[-0.9, 0.0, 1.0, 7.0, np.nan]]))[0]
    np.testing.assert_array_equal(colors[0], colors[1])
    np.testing.assert_array_equal(colors[2], colors[3])
    np.testing.assert_array_equal(colors[4], [0, 0, 0])


def test_depth_colours_are_those_of_matplotlib():
    depth = np.linspace(-0.01, 1.01, 5000, dtype="float32").reshape(50, 100)
    expected = colormaps["Spectral"](np.clip(depth, 0, 1), bytes=True)[..., :3]
    np.testing.assert_array_equal(sheet.depth_to_color(depth), expected)


def test_holes_in_depth_are_grey_whatever_stands_for_them():
    colors = sheet.depth_to_color(np.array([[-1.0, -1.5, -2.0]]))[0].astype(int)
    assert (colors == colors[0]).all()
    assert np.ptp(colors[0]) < 30 < colors[0].min()


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64"])
def test_depth_of_any_type_has_the_same_colors(dtype):
    depth = np.array([[0, 1]])
    expected = sheet.depth_to_color(depth.astype("float32"))
    np.testing.assert_array_equal(sheet.depth_to_color(depth.astype(dtype)), expected)
    assert expected.dtype == np.uint8


def test_a_mask_in_grey():
    mask = np.array([[0.0, 0.5, 1.0, 2.0, np.nan]])
    np.testing.assert_array_equal(sheet.mask_to_grey(mask), [[0, 128, 255, 255, 0]])


def test_cut_out_is_the_picture_where_the_mask_is():
    picture = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    mask = np.repeat([[1.0] * 4 + [0.0] * 4], 8, axis=0)
    pixels = sheet.cut_out(picture, mask, 96)
    assert pixels.shape == (96, 96, 3)
    assert (pixels[:, :36] == (10, 200, 30)).all()
    assert set(np.unique(pixels[:, 60:])) == {222, 250}
