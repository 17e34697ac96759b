import numpy as np
import pytest

from maskdepth_tf.registration import comparing, describing
from tests.support.made_rooms import made_room


@pytest.mark.parametrize(
    ("warp", "words"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0), []),
        (
            (1, 0, -0.01, 0, 1, 0.01, 0, 0),
            ["the camera moved 14 pixels left and 8 down"],
        ),
        ((1, 0, 0.005, 0, 1, 0.001, 0, 0), ["the camera moved 7 pixels right"]),
        ((1, 0, 0, 0, 1, -0.5, 0, 0), ["the camera moved 400 pixels up"]),
        # In the square that 7 : 4 is stretched to.
        ((1, -0.0199, 0, 0.0611, 1, 0, 0, 0), ["it turned 2.0 degrees"]),
        ((1.02, 0, 0, 0, 1.02, 0, 0, 0), ["it shows 2.0% more"]),
        ((0.98, 0, 0, 0, 0.98, 0, 0, 0), ["it shows 2.0% less"]),
        (
            (1, 0, 0.01, 0, 1, 0, 0, -0.02),
            ["the camera moved 14 pixels right", "it tilted"],
        ),
    ],
)
def test_movement(warp, words):
    assert describing.movement(np.float32(warp), 1400, 800) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (88, ["the picture is 12% darker"]),
        (120, ["the picture is 20% brighter"]),
        (102, []),
        (100, []),
    ],
)
def test_light(value, words):
    bg, registered = (np.full((4, 4, 3), x, np.float32) for x in (100, value))
    assert describing.light(bg, registered) == words


@pytest.mark.parametrize("value", [0.0, 0.3, 255.0])
def test_light_that_did_not_change(value):
    picture = np.full((4, 4, 3), value, np.float32)
    assert describing.light(picture, picture) == []


def pair(covered=0):
    bg = made_room(0)[:64, :64].astype(np.float32)
    picture = bg.copy()
    picture[8 : 8 + covered, 8:48] = np.float32([20, 200, 90])
    return bg, picture


def doubts(bg, picture):
    pictures = (bg[np.newaxis], picture[np.newaxis])
    return describing.doubts(float(comparing.mismatch(*pictures)[0]), bg, picture)


def test_doubts():
    assert doubts(*pair(30)) == []
    assert doubts(*pair()) == [
        "hardly differs from its background; expect an empty mask"
    ]
    (text,) = doubts(pair()[0], made_room(1)[:64, :64].astype(np.float32))
    assert text.endswith("whatever is corrected; is it of the same place?")
    (text,) = doubts(*pair(30)[::-1])
    assert text.endswith("are --bg and --fg-bg exchanged?")


def test_outline_ratio():
    flat = np.full((32, 32, 3), 100, np.float32)
    square = flat.copy()
    square[8:24, 8:24] = 200
    # Only the picture has edges: log of (theirs + 2) / 2.
    assert describing.outline_ratio(flat, square) > 2
    assert describing.outline_ratio(square, flat) < -2
    assert describing.outline_ratio(flat, flat) == 0
    # A single pixel is no figure.
    speck = flat.copy()
    speck[5, 5] = 200
    assert describing.outline_ratio(flat, speck) == 0
