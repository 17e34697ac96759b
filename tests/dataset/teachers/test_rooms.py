"""Depth of composites from that of their rooms."""

import cv2
import numpy as np
import pytest

from maskdepth_tf.dataset.teachers import rooms


class Ramp:
    """Metres grow from left to right, or as `answer` has it."""

    input_size = 40

    def __init__(self, answer):
        self._answer = answer

    def predict(self, batch):
        """See `loading.Teacher`."""
        return np.stack([self._answer(picture) for picture in batch])


def of_red(picture):
    """2 m where there is no red, 7 m where all is."""
    return np.float32(2) + picture[..., 0] / np.float32(51)


@pytest.fixture
def ramp():
    """Red grows from left to right."""
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, 80)
    return picture


def test_parts_that_agree_leave_the_whole_as_it_is(ramp):
    room = rooms.look(Ramp(of_red), ramp)
    assert room.is_known
    assert room.agreement == pytest.approx(1, abs=0.01)
    small = cv2.resize(ramp, (40, 40), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(room.distance, of_red(small), atol=0.1)


def test_a_teacher_that_sees_left_and_right_is_averaged(ramp):
    """What a teacher adds from left to right by itself falls out."""
    drift = np.linspace(-1, 1, 40, dtype=np.float32)
    room = rooms.look(Ramp(lambda picture: of_red(picture) + drift), ramp)
    small = cv2.resize(ramp, (40, 40), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(room.distance, of_red(small), atol=0.1)


def test_a_teacher_that_disagrees_with_itself_does_not_know_the_room(ramp):
    draws = np.random.default_rng(0)
    noise = Ramp(lambda picture: draws.random((40, 40), np.float32) + 1)
    room = rooms.look(noise, ramp)
    assert not room.is_known
    assert abs(room.agreement) < 0.5


def test_parts_that_speak_against_the_whole_say_nothing(ramp):
    def answer(picture):
        # The parts, which have less of the ramp, are upside down.
        return of_red(picture) * (1 if np.ptp(picture[..., 0]) > 220 else -1)

    room = rooms.look(Ramp(answer), ramp)
    assert room.agreement == pytest.approx(-1, abs=0.01)
    small = cv2.resize(ramp, (40, 40), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(room.distance, of_red(small), atol=0.1)


def test_a_constant_room_is_not_known():
    room = rooms.look(Ramp(of_red), np.zeros((80, 80, 3), np.uint8))
    assert (room.agreement, room.is_known) == (0, False)
    np.testing.assert_array_equal(room.distance, np.full((40, 40), 2, np.float32))


@pytest.fixture
def floor():
    """A floor from 3 m below to 8 m above, in 100 rows."""
    return np.repeat(np.linspace(8, 3, 100, dtype=np.float32)[:, None], 100, axis=1)


def test_a_figure_stands_at_its_foot(floor):
    mask = np.zeros((100, 100), np.uint8)
    mask[20:80, 40:60] = 255
    found = rooms.put_in(floor, mask)
    np.testing.assert_array_equal(found[mask == 0], floor[mask == 0])
    figure = found[mask == 255]
    # Nearer than the floor at its foot (4.01 m), by 3 % of 5 m.
    assert figure.min() == figure.max()
    assert figure[0] == pytest.approx(min(floor[78, 0], floor[77, 0]) - 0.15, abs=0.06)
    assert (found[mask == 255] < floor[mask == 255]).all()


def test_a_figure_is_nearer_than_what_it_hides(floor):
    floor[30:60, 40:60] = 1  # a thing before it
    mask = np.zeros((100, 100), np.uint8)
    mask[20:80, 40:60] = 255
    found = rooms.put_in(floor, mask)
    assert found[50, 50] == pytest.approx(1 - 0.03 * 7)


def test_a_figure_that_the_border_cuts_stands_before_it(floor):
    mask = np.zeros((100, 100), np.uint8)
    mask[20:, 40:60] = 255
    found = rooms.put_in(floor, mask)
    assert found[50, 50] == pytest.approx(3.05 - 0.3 * 5, abs=0.1)


def test_figures_stand_before_the_camera(floor):
    mask = np.zeros((100, 100), np.uint8)
    mask[20:, 40:60] = 255
    found = rooms.put_in(floor - 2.5, mask)  # 0.5 m at the lower border
    assert found[50, 50] == pytest.approx(0.4 * 0.55, abs=0.02)


def test_every_figure_has_its_own_place_and_an_empty_room_is_the_room(floor):
    mask = np.zeros((100, 100), np.uint8)
    np.testing.assert_array_equal(rooms.put_in(floor, mask), floor)
    mask[20:40, 10:30] = 255
    mask[50:90, 60:80] = 255
    found = rooms.put_in(floor, mask)
    assert found[30, 20] > found[60, 70]
