"""Random streams by name: sets that exist must come out the same for ever."""

import pytest

from maskdepth_tf.draws import Column, Composed, Rendered, generator


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ((0, Composed.PLACE, 0), [135, 14, 937, 257]),
        ((7, Composed.MIRRORING, 41), [859, 971, 287, 608]),
        ((2, Rendered.CUTOUT, 1), [431, 384, 976, 421]),
    ],
)
def test_streams_are_those_that_were_recorded(stream, expected):
    assert generator(*stream).integers(1000, size=4).tolist() == expected


def test_streams_of_draws_differ_by_index():
    draws = [tuple(generator(0, 0, index).integers(1000, size=4)) for index in range(9)]
    assert len(set(draws)) == 9


@pytest.mark.parametrize(
    ("names", "expected"), [(Composed, range(16)), (Rendered, range(1, 8))]
)
def test_every_kind_of_stream_has_a_number_of_its_own(names, expected):
    assert [kind.value for kind in names] == list(expected)


def test_columns_are_those_of_the_draws_of_recorded_trainings():
    assert {column.name: column.value for column in Column} == {
        "ZOOM": 0,
        "OFFSET": 1,
        "FLIP": 3,
        "CONTRAST": 4,
        "STRENGTH": 5,
        "COLOUR": 6,
        "GREY": 9,
        "IS_ZOOMED": 10,
        "HOLES": 11,
        "IS_MOVED": 75,
        "MOVE": 76,
        "IS_LIT": 80,
        "LIT_PICTURE": 81,
        "EXPOSURE": 82,
        "BALANCE": 83,
        "GAMMA": 86,
        "VIGNETTE": 87,
        "IS_SOFT": 88,
        "SOFT_PICTURE": 89,
        "SOFTNESS": 90,
        "IS_NOISY": 91,
        "NOISE": 92,
        "NOISE_LINES": 93,
        "IS_SHADED": 95,
        "SHADOW": 96,
        "IS_PUSHED": 103,
        "THING": 104,
        "IS_CAMOUFLAGED": 110,
        "CAMOUFLAGE": 111,
        "IS_COMPRESSED": 112,
        "COMPRESSION": 113,
        "END": 115,
    }
