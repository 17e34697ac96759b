"""Whether a background fits: worked by hand, hidden by figures, of other places."""

import numpy as np
import pytest

from maskdepth_tf.registration import comparing, describing, registering
from tests.support.made_rooms import made_room

BOARD = 100.0 * (np.indices((16, 16)).sum(0) % 2)
"""Details everywhere."""


def pair(bg, fg_bg):
    """Grey pictures as [1, S, S, 3]."""
    return [
        np.repeat(x[np.newaxis, ..., np.newaxis], 3, -1).astype("f")
        for x in (bg, fg_bg)
    ]


def mismatch(bg, fg_bg):
    return float(comparing.mismatch(*pair(bg, fg_bg))[0])


def test_unlike_by_hand():
    bg = np.zeros((1, 2, 2, 3), np.float32)
    fg_bg = bg.copy()
    fg_bg[0, 0, 0, 1] = 31
    fg_bg[0, 1, 1] = 30  # does not count
    np.testing.assert_array_equal(comparing.unlike(bg, fg_bg), [0.25])


def test_mismatch_by_hand():
    prior = comparing.PRIOR
    assert mismatch(BOARD, BOARD) == 0
    # Half of the pixels are unlike, and all vary alike.
    assert mismatch(BOARD, BOARD / 2) == pytest.approx(prior * 0.5 / (1 + prior))
    # All are unlike, and vary the other way.
    assert mismatch(BOARD, 100 - BOARD) == pytest.approx(1)
    # What does not vary at all shows nothing.
    expected = (1 + prior * 0.5) / (1 + prior)
    assert mismatch(BOARD, 0 * BOARD) == pytest.approx(expected)


def test_of_a_plain_background_the_unlike_pixels_tell():
    plain = np.full((16, 16), 60.0)
    other = plain.copy()
    other[:4] = 200
    assert mismatch(plain, plain) == 0
    assert mismatch(plain, other) == pytest.approx(0.25)


def test_what_is_hidden_is_lost_and_no_more():
    room = made_room(5).mean(-1)
    hidden = room.copy()
    hidden[:, : room.shape[1] * 3 // 5] = np.roll(room[::-1], 9)[
        :, : room.shape[1] * 3 // 5
    ]
    assert 0.4 < mismatch(room, hidden) < describing.MISMATCH


def test_another_room_does_not_fit():
    rooms = [made_room(seed)[np.newaxis].astype(np.float32) for seed in (5, 6)]
    found = registering.register(*rooms)
    assert float(comparing.mismatch(found.bg, rooms[1])[0]) > describing.MISMATCH


def test_each_pair_counts_alone():
    """Whatever a client sends in the others."""
    bg, fg_bg = (np.repeat(x, 2, axis=0) for x in pair(BOARD, 100 - BOARD))
    fg_bg[0, 3, 3] = np.nan
    assert float(comparing.mismatch(bg, fg_bg)[1]) == pytest.approx(1)
