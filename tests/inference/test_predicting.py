"""What is remarked of a pair."""

import re

import numpy as np
import pytest

from maskdepth_tf.inference import predicting
from tests.support.answered import answer_of, seen
from tests.support.made_rooms import made_room


def remarks(bg, fg_bg):
    answer = answer_of(seen(bg, 64), seen(fg_bg, 64), fg_bg)
    return predicting.remarks(answer, bg.shape[:2])


def test_remarks():
    room = made_room(0)[:128, :128]
    thing = room.copy()
    thing[40:110, 30:90] = (240, 20, 90)
    assert remarks(room, thing) == ([], [])
    moved = made_room(0)[4:132, 8:136]
    corrected, doubts = remarks(moved, np.uint8(0.7 * thing))
    assert corrected[0] == "the camera moved 8 pixels left and 4 up"
    assert re.fullmatch(r"the picture is (29|30|31)% darker", corrected[1])
    assert doubts == []
    _, (text,) = remarks(thing, room)
    assert text.endswith("are --bg and --fg-bg exchanged?")
    _, (text,) = remarks(made_room(1)[:128, :128], room)
    assert "% of the background is not found in the picture, whatever is corr" in text
    assert remarks(room, room) == (
        [],
        ["equal to its background: nothing is in front, expect no mask"],
    )
    _, (text,) = remarks(room, room // 2 * 2)
    assert text == "hardly differs from its background; expect an empty mask"


@pytest.mark.parametrize(
    ("sizes", "is_told"),
    [(((300, 400), (150, 200)), False), (((301, 400), (150, 200)), False)]
    + [(((300, 400), (400, 300)), True), (((300, 400), (300, 410)), True)],
)
def test_other_shapes_are_told_and_other_sizes_are_not(sizes, is_told):
    room = made_room(0)[:64, :64]
    thing = room.copy()
    thing[20:50, 20:50] = (240, 20, 90)
    bg_size, size = sizes
    answer = answer_of(room, thing, np.zeros((*size, 3), np.uint8))
    _, doubts = predicting.remarks(answer, bg_size)
    assert any("both are stretched" in text for text in doubts) == is_told
