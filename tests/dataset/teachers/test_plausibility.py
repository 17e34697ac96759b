"""Depth that can't be right is refused before it is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from maskdepth_tf import errors
from maskdepth_tf.dataset import synthesize
from maskdepth_tf.dataset.teachers import plausibility, ranges
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.input import labels

SIDE = 28


def room():
    """Floor at 1 m below, wall at 5 m above; a figure at 2 m before the wall."""
    metres = np.full((SIDE, SIDE), 5.0, np.float32)
    metres[21:] = 1.0  # the bottom quarter
    metres[8:18, 10:18] = 2.0
    return metres


@pytest.fixture
def root(tmp_path):
    """Forty rows with the mask of `room`, twice its size."""
    encoding.write_image(tmp_path / "m.png", np.kron(mask(), np.ones((2, 2), np.uint8)))
    return tmp_path


def mask():
    """uint8 [SIDE, SIDE], 255 in the figure."""
    return np.where(room() == 2, 255, 0).astype(np.uint8)


def rows(count=40):
    return [
        labels.Row("b.png", "f.png", f"{n}.png", "m.png", f"d/{n}.png")
        for n in range(count)
    ]


def check(root, maps, convention="metric"):
    """Looks at made-up maps, one a row."""
    known = {row.fg_bg: one for row, one in zip(rows(len(maps)), maps, strict=True)}
    return plausibility.check_teacher(
        root, rows(len(maps)), known.__getitem__, convention
    )


def test_first_rows_by_hand(root):
    seen = []

    def predict(path):
        seen.append(path)
        return room()

    kept = plausibility.check_teacher(root, rows(), predict, "metric")
    assert seen == [f"{n}.png" for n in range(32)]
    # Figure 2 m, around it 5 m; bottom quarter 1 m, top quarter 5 m; the range is 4 m.
    assert kept == {"rows": 32, "figure_nearer": 0.75, "floor_nearer": 1.0}


@pytest.mark.parametrize(
    ("convention", "distance", "advice"),
    [
        ("metric", lambda metres: 10 / metres, "inverse or disparity"),
        ("inverse", lambda metres: 10 / metres, "metric or relative_far"),
        ("relative_far", lambda metres: 1 / metres, "disparity"),
        ("disparity", lambda metres: -metres, "relative_far or metric"),
    ],
)
def test_upside_down_depth_is_refused(convention, distance, advice, root):
    with pytest.raises(errors.DataError) as caught:
        check(root, [distance(room())] * 4, convention)
    text = str(caught.value)
    assert "upside down: in the mean of 4 pictures" in text
    assert f"--convention {advice} may be right. Received: {convention}" in text


def test_some_pictures_may_say_the_wrong_thing(root):
    assert check(root, [room()] * 3 + [-room()] * 2, "relative_far")["rows"] == 5
    with pytest.raises(errors.DataError, match="upside down"):
        check(root, [room()] * 2 + [-room()] * 3, "relative_far")


@given(
    st_numpy.arrays(np.float32, (SIDE, SIDE), elements=st.floats(0.5, 2, width=32)),
    st_numpy.arrays(bool, (SIDE, SIDE)),
)
def test_what_is_nearer_is_farther_in_the_negative(distance, near):
    nearer = plausibility._nearer(distance, near, ~near)
    assert -1 <= nearer <= 1
    assert plausibility._nearer(-distance, near, ~near) == -nearer
    assert plausibility._floor(-distance) == -plausibility._floor(distance)


@pytest.mark.parametrize("value", [0, 255])
def test_without_a_figure_the_floor_decides(value, root):
    encoding.write_image(root / "m.png", np.full((SIDE, SIDE), value, np.uint8))
    assert check(root, [room()]) == {
        "rows": 1,
        "figure_nearer": 0.0,
        "floor_nearer": 1.0,
    }


def test_one_picture_may_be_the_same_all_over(root):
    flat = np.full((SIDE, SIDE), 3, np.float32)
    assert check(root, [flat, room()])["floor_nearer"] == 0.5
    with pytest.raises(errors.DataError, match="same all over in all of 2. Another --"):
        check(root, [flat, flat + 1])


@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_depth_that_is_not_finite_is_refused(fault, root):
    bad = room()
    bad[3, 4] = fault
    with pytest.raises(
        errors.DataError, match="1.png: the teacher's depth must be fin"
    ):
        check(root, [room(), bad])


def test_metres_must_be_plausible(root):
    with pytest.raises(
        errors.DataError, match="0.01 to 1000 m .* Received: 1000 to 50"
    ):
        check(root, [1000 * room()])
    with pytest.raises(errors.DataError, match="--convention metric; relative_far and"):
        check(root, [-1 / room()])
    assert check(root, [1000 * room()], "relative_far")["rows"] == 1
    odd = room()
    odd[0, :20] = 0.0  # a few pixels
    assert check(root, [odd])["rows"] == 1


def test_mask_that_is_missing_is_named(root):
    (root / "m.png").unlink()
    with pytest.raises(errors.DataError, match="m.png: No such file"):
        check(root, [room()])


def test_depth_of_rooms_is_told_from_its_negative(tmp_path):
    root = tmp_path / "rooms"
    synthesize.synthesize(root, rows=8, image_size=32, rooms=4, figures=4, workers=1)
    rooms = labels.read(root / "labels.txt")
    limits = ranges.read(root / ranges.RANGES)
    metres = {}
    for row in rooms:
        near, far = limits[row.depth]
        depth = preprocessing.read_depth(root / row.depth)[..., 0]
        metres[row.fg_bg] = near + (far - near) * depth
    kept = plausibility.check_teacher(root, rooms, metres.__getitem__, "metric")
    assert kept["figure_nearer"] + kept["floor_nearer"] > 0.25
    for upside_down in (
        lambda path: 1 / (1 + metres[path]),
        lambda path: 99 - metres[path],
    ):
        with pytest.raises(errors.DataError, match="upside down.*inverse or disparity"):
            plausibility.check_teacher(root, rooms, upside_down, "metric")
