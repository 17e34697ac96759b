"""Figures near the camera, cut by the picture's lower border."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf import errors
from maskdepth_tf.dataset.composing import recipe, rows
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.draws import generator
from tests.support.figures import Fixed, Most, box, grey


def test_a_close_figure_by_hand():
    # Twice as high as wide, so 0.9 to 2 high: 1.45. Headroom 0.02 to 0.4: 0.21.
    figure, left, top = recipe.close_up(box(40, 20), 100, Fixed())
    assert figure.shape == (145, 72, 4)
    assert (left, top) == (50 - 36, 21)
    # The greatest draws: 2 high, so as wide as the picture; its middle at 0.75.
    figure, left, top = recipe.close_up(box(40, 20), 100, Most())
    assert figure.shape == (200, 100, 4)
    assert (left, top) == (75 - 50, 40)


def test_clear_margins_do_not_count():
    padded = np.pad(box(40, 20), ((3, 30), (60, 9), (0, 0)))
    figure, left, top = recipe.close_up(padded, 100, Fixed())
    expected, *place = recipe.close_up(box(40, 20), 100, Fixed())
    np.testing.assert_array_equal(figure, expected)
    assert [left, top] == place
    assert recipe.is_upright(padded)
    assert not recipe.is_upright(np.pad(box(20, 20), ((30, 30), (0, 0), (0, 0))))


@given(height=st.integers(2, 90), width=st.integers(1, 89), seed=st.integers(0, 999))
def test_the_lower_border_cuts_every_close_figure(height, width, seed):
    size, drawn = 64, box(max(height, width + 1), width)
    figure, left, top = recipe.close_up(drawn, size, generator(seed))
    assert 0 < top <= 0.4 * size + 0.5
    assert top + figure.shape[0] >= size + 0.09 * figure.shape[0] - 1
    assert 0.9 * size - 1 <= figure.shape[0] <= 2.4 * size + 1
    assert figure.shape[1] <= size + 1
    assert 0.25 * size - 1 <= left + figure.shape[1] / 2 <= 0.75 * size + 1


def composer(**options):
    cutouts = [box(30, 14), box(20, 30, (0, 200, 0))]
    made = Recipe(48, scale=(0.4, 0.8), contact=True, **options)
    return rows.Composer(made, cutouts, [grey(90, 48), grey(180, 48)], Path())


def picture(made, index, cutout=0):
    return made._picture(index, made.rooms[0], cutout, False)


def test_a_share_of_the_upright_figures_is_close():
    none, some, every = (composer(close_up=share) for share in (0.0, 0.5, 1.0))
    count = 0
    for index in range(24):
        plain, close, found = (picture(made, index) for made in (none, every, some))
        assert close[1][-1].any()
        is_close = bool((found[0] != plain[0]).any())
        count += is_close
        for shown, expected in zip(found, close if is_close else plain, strict=True):
            np.testing.assert_array_equal(shown, expected)
    assert 6 < count < 18


def test_what_is_wider_than_high_stays_in_the_room():
    for index in range(8):
        close, plain = (picture(composer(close_up=s), index, 1) for s in (1.0, 0.0))
        np.testing.assert_array_equal(close[0], plain[0])


def test_a_close_figure_is_before_all_others():
    made, before = composer(close_up=1.0, figures=(2, 2)), 0
    for index in range(24):
        composite, mask = picture(made, index)
        _, alone = picture(composer(close_up=1.0), index)
        np.testing.assert_array_equal(mask[alone == 255], 255)
        is_green = (composite == (0, 200, 0)).all(axis=-1)
        assert not is_green[alone == 255].any()
        before += is_green.any()
    assert before


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_the_share_is_a_share(share):
    with pytest.raises(errors.UsageError) as caught:
        Recipe(close_up=share)
    assert str(caught.value) == f"--close-up must be 0 to 1. Received: {share}"
