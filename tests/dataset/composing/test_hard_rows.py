"""Rows that are hard: shadows on walls, figures as coloured as the room, nobody."""

from pathlib import Path

import numpy as np
import pytest

from maskdepth_tf import errors
from maskdepth_tf.dataset.composing import realism, rows
from maskdepth_tf.dataset.composing.recipe import Recipe, paste
from maskdepth_tf.input import labels
from tests.support.figures import Fixed, Most, box, grey


def wall_shadow(layer, **options):
    lamp = {"aside": 0.5, "foot": 0.1, "below": 0.1, "scale": 1.0, "sigma": 0.0}
    return realism.wall_shadow(layer, 100, **lamp | options)


def test_shadow_on_the_wall_by_hand():
    # Extent 40, foot at row 79.5: the wall begins 4 rows above it, 20 columns aside.
    shadow = wall_shadow((box(40, 20), 40, 40))
    assert shadow[42:75, 62:78].min() > 0.99
    assert shadow[:75, :58].max() < 0.01
    assert shadow[:75, 82:].max() < 0.01
    assert shadow[:38].max() < 0.01
    # On the floor, half way to the wall, half as far aside.
    assert shadow[77, 55:66].min() > 0.85
    assert shadow[77, :46].max() < 0.01
    assert shadow[82:].max() < 0.01


def test_shadow_on_the_wall_is_as_large_as_the_lamp_makes_it():
    # A fifth lies on the floor; the rest, 32, is 40 high on the wall: 35.5 to 75.5.
    shadow = wall_shadow((box(40, 20), 40, 40), below=0.2, scale=1.25)
    # 25 wide about column 69.5.
    assert shadow[38:74, 59:81].min() > 0.99
    assert shadow[:34].max() < 0.01
    assert shadow[:75, :54].max() < 0.01
    assert shadow[:75, 85:].max() < 0.01


def test_shadow_on_the_wall_falls_to_either_side_and_outside():
    left = wall_shadow((box(40, 20), 40, 40), aside=-0.5)
    right = wall_shadow((box(40, 20), 40, 40))
    # The figure's middle is column 49.5, as is the picture's.
    np.testing.assert_allclose(left, right[:, ::-1], atol=1e-5)
    assert wall_shadow((box(40, 20), 130, 40)).max() == 0
    assert wall_shadow((box(40, 20), 40, -90)).max() == 0


def test_a_lamp_darkens_once():
    first, second, room = (box(40, 20), 30, 40), (box(30, 30), 40, 50), grey(200, 100)
    lamp = {"aside": -0.375, "foot": 0.15, "below": 0.2, "scale": 1.15, "sigma": 0.0325}
    both = [wall_shadow(layer, **lamp) for layer in (first, second)]
    # Middle: 0.4 dark.
    expected = 200 * (1 - 0.4 * np.maximum(*both))
    shaded = realism.shade_wall(room, [first, second], Fixed())
    np.testing.assert_allclose(shaded[..., 1], expected, atol=0.51)
    assert (shaded == shaded[..., :1]).all()
    # At most 0.6 dark.
    deepest = realism.shade_wall(room, [first, second], Most())
    assert 80 <= deepest.min() < 84


def test_a_lamp_whose_shadow_would_cover_the_room_is_off():
    wide, room = (box(80, 80), 20, 15), grey(200, 100)
    # The middle draws: 0.375 * 80 = 30 pixels aside of a figure that is 80 wide.
    np.testing.assert_array_equal(realism.shade_wall(room, [wide], Fixed()), room)
    half = (box(60, 40), 10, 30)
    assert realism.shade_wall(room, [half], Fixed()).min() < 130


def test_colours_go_towards_what_is_behind():
    room = grey(10)
    room[:, 20:] = 100
    # 0.55 of the way to 100: 200 - 55, 100, 0 + 55.
    figure = box(6, 4)
    figure[:, 0] = (255, 255, 255, 0)  # clear, over the other half of the room
    pulled = realism.camouflage((figure, 19, 5), room, Fixed())
    np.testing.assert_array_equal(pulled[:, 1:], box(6, 3, (145, 100, 55)))
    assert (pulled[:, 0, 3] == 0).all()
    # 0.9 of the way.
    pulled = realism.camouflage((box(6, 4), 25, 5), room, Most())
    np.testing.assert_array_equal(pulled, box(6, 4, (110, 100, 90)))


def test_outside_the_picture_a_figure_keeps_its_colour():
    figure = box(6, 4)
    np.testing.assert_array_equal(
        realism.camouflage((figure, 50, 5), grey(9), Fixed()), figure
    )


def composer(**options):
    draws = np.random.default_rng(2)
    cutouts = [box(h, w, draws.integers(30, 220, 3)) for h, w in ((30, 14), (20, 30))]
    recipe = Recipe(48, **{"scale": (0.4, 0.8)} | options)
    return rows.Composer(recipe, cutouts, [grey(90, 48), grey(180, 48)], Path())


def picture(made, index):
    foreground, background, mirrored = made.pairing[index]
    return made._picture(index, made.rooms[background], foreground, mirrored)


@pytest.fixture(scope="module")
def plain():
    """Composites and masks of 16 rows without any option."""
    return [picture(composer(), index) for index in range(16)]


def test_a_share_of_the_rows_has_a_lamp(plain):
    some, every, count = composer(wall_shadows=0.5), composer(wall_shadows=1.0), 0
    for index, (before, mask) in enumerate(plain):
        shaded, same = picture(every, index)
        np.testing.assert_array_equal(mask, same)
        np.testing.assert_array_equal(shaded[mask == 255], before[mask == 255])
        assert (shaded <= before).all()
        found, _ = picture(some, index)
        is_lit = bool((found != before).any())
        np.testing.assert_array_equal(found, shaded if is_lit else before)
        count += is_lit
    assert 4 < count < 12


def test_a_share_of_the_figures_is_camouflaged(plain):
    some, every, count = composer(camouflage=0.5), composer(camouflage=1.0), 0
    for index, (before, mask) in enumerate(plain):
        pulled, same = picture(every, index)
        np.testing.assert_array_equal(mask, same)
        room = every.rooms[every.pairing[index][1]].astype(int)
        np.testing.assert_array_equal(pulled[mask == 0], room[mask == 0])
        # The room is of one colour, so that 0.1 to 0.8 of each difference is left.
        far = np.abs(before - room)[mask == 255].max()
        assert (
            0.1 * far - 1 <= np.abs(pulled - room)[mask == 255].max() <= 0.8 * far + 1
        )
        found, _ = picture(some, index)
        is_pulled = bool((found != before).any())
        np.testing.assert_array_equal(found, pulled if is_pulled else before)
        count += is_pulled
    assert 4 < count < 12


def test_in_a_share_of_the_rows_nobody_stands(plain):
    made, every, count = composer(empty=0.5), composer(empty=1.0), 0
    for index, (before, mask) in enumerate(plain):
        composite, found = picture(made, index)
        row, usual = made.row(index), composer().row(index)
        if made.is_empty(index):
            np.testing.assert_array_equal(composite, made.rooms[made.pairing[index][1]])
            assert not found.any()
            name = f"data_1/Fg-Bg-Mask/fg-bg-mask{index + 1}@empty.jpg"
            assert row == usual._replace(mask=name)
        else:
            np.testing.assert_array_equal(composite, before)
            np.testing.assert_array_equal(found, mask)
            assert row == usual
        assert labels.is_empty(row) == made.is_empty(index)
        assert every.is_empty(index)
        count += made.is_empty(index)
    assert 2 < count < 12


def test_nobody_throws_no_shadow():
    flags = {"shadow": True, "contact": True, "match": True, "motion_blur": 1.0}
    made = composer(empty=1.0, wall_shadows=1.0, camouflage=1.0, **flags)
    composite, mask = picture(made, 3)
    np.testing.assert_array_equal(composite, made.rooms[made.pairing[3][1]])
    assert not mask.any()


def test_all_of_it_together_is_a_function_of_the_index(plain):
    options = {"wall_shadows": 0.5, "camouflage": 0.5, "empty": 0.2}
    made = composer(figures=(1, 3), shadow=True, **options)
    for index in range(8):
        once, again = picture(made, index), picture(made, index)
        np.testing.assert_array_equal(once[0], again[0])
        np.testing.assert_array_equal(once[1], again[1])
    assert (made.rooms[0] == 90).all()
    assert (paste(made.rooms[0], made.cutouts[0], 0, 0)[1] > 0).any()


@pytest.mark.parametrize("name", ["wall_shadows", "camouflage", "empty", "motion_blur"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_are_shares(name, share):
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(errors.UsageError) as caught:
        Recipe(**{name: share})
    assert str(caught.value) == f"{flag} must be 0 to 1. Received: {share}"
