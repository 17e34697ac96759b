"""Sizes, places and pasting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf import errors
from maskdepth_tf.dataset.composing.recipe import MIN_INSIDE, Recipe, paste, place
from maskdepth_tf.draws import generator


def cutout(height, width, alpha=255, colour=(200, 100, 0)):
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[...] = (*colour, alpha)
    return pixels


def test_paste_blends_with_alpha_and_keeps_the_rest():
    room = np.full((4, 4, 3), 100, np.uint8)
    composite, mask = paste(room, cutout(1, 2, alpha=51), left=1, top=2)
    expected_mask = np.zeros((4, 4), np.uint8)
    expected_mask[2, 1:3] = 51
    np.testing.assert_array_equal(mask, expected_mask)
    expected = room.copy()
    # 51 / 255 = 0.2: 0.2 * 200 + 0.8 * 100 = 120, 0.2 * 100 + 80 = 100, 0 + 80 = 80
    expected[2, 1:3] = (120, 100, 80)
    np.testing.assert_array_equal(composite, expected)
    assert (room == 100).all()


@pytest.mark.parametrize("alpha", range(0, 256, 15))
def test_paste_rounds_to_the_nearest(alpha):
    values = np.arange(256)
    room = np.broadcast_to(values[:, None, None], (256, 256, 3)).astype(np.uint8)
    layer = np.full((256, 256, 4), alpha, np.uint8)
    layer[..., :3] = values[None, :, None]
    composite, _ = paste(room, layer, 0, 0)
    exact = (alpha * values[None, :] + (255 - alpha) * values[:, None]) / 255
    np.testing.assert_array_equal(composite[..., 1], np.rint(exact))


@pytest.mark.parametrize(
    ("left", "top", "rows", "columns"),
    [
        (-1, -2, slice(0, 1), slice(0, 2)),
        (3, 2, slice(2, 4), slice(3, 4)),
        (0, -9, slice(0, 0), slice(0, 0)),
        (9, 0, slice(0, 0), slice(0, 0)),
    ],
)
def test_paste_clips_what_sticks_out(left, top, rows, columns):
    numbered = cutout(3, 3)
    numbered[..., 0] = np.arange(9).reshape(3, 3)
    composite, mask = paste(np.zeros((4, 4, 3), np.uint8), numbered, left, top)
    expected = np.zeros((4, 4), np.uint8)
    expected[rows, columns] = 255
    np.testing.assert_array_equal(mask, expected)
    for y, x in zip(*np.nonzero(mask), strict=True):
        assert composite[y, x, 0] == 3 * (y - top) + (x - left)


def test_unscaled_cutouts_stay_as_they_are_and_start_within_120_of_224():
    original = cutout(30, 20)
    starts = []
    for index in range(300):
        pasted, left, top = place(original, Recipe(), generator(0, 0, index))
        assert pasted is original
        starts.append((left, top))
    assert np.min(starts) >= 0
    assert np.max(starts) <= 120
    assert np.min(starts) < 5
    assert np.max(starts) > 115


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    scale=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
    index=st.integers(0, 10**6),
)
def test_scaled_figures_have_the_size_and_lie_inside(height, width, scale, index):
    recipe = Recipe(image_size=64, scale=(min(scale), max(scale)))
    pasted, left, top = place(cutout(height, width), recipe, generator(0, 0, index))
    assert round(64 * min(scale)) <= max(pasted.shape[:2]) <= round(64 * max(scale))
    _, mask = paste(np.zeros((64, 64, 3), np.uint8), pasted, left, top)
    inside = mask.sum(dtype=np.int64) / pasted[..., 3].sum(dtype=np.int64)
    assert inside >= MIN_INSIDE


def test_scaled_places_reach_all_borders():
    recipe = Recipe(image_size=64, scale=(0.5, 0.5))
    places = np.array(
        [place(cutout(9, 9), recipe, generator(0, 0, i))[1:] for i in range(300)]
    )
    # A square of 32 with 70 % inside sticks out by 9 columns at most.
    assert (places.min(axis=0) < -5).all()
    assert (places.min(axis=0) >= -9).all()
    assert (places.max(axis=0) > 37).all()
    assert (places.max(axis=0) <= 41).all()


def test_transparent_margins_do_not_count_as_figure():
    padded = np.zeros((40, 40, 4), np.uint8)
    padded[10:20, 5:8] = cutout(10, 3)
    recipe = Recipe(image_size=100, scale=(0.5, 0.5))
    pasted, _, _ = place(padded, recipe, generator(0, 0, 0))
    assert pasted.shape == (50, 15, 4)


def test_scaling_draws_no_halo_from_hidden_colours():
    figure = np.zeros((80, 80, 4), np.uint8)
    figure[..., :3] = 255  # white, but transparent
    figure[20:60, 20:60] = (0, 0, 0, 255)
    figure[0, 0, 3] = figure[-1, -1, 3] = 1  # keeps the margins
    recipe = Recipe(image_size=64, scale=(0.4, 0.4))
    pasted, left, top = place(figure, recipe, generator(0, 0, 1))
    composite, mask = paste(np.zeros((64, 64, 3), np.uint8), pasted, left, top)
    assert mask.max() == 255
    assert composite[mask > 1].max() <= 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"image_size": 7}, "--image-size must be 8 to 4096. Received: 7"),
        ({"quality": 0}, "--quality must be 1 to 100. Received: 0"),
        ({"seed": -1}, "--seed must be 0 or more. Received: -1"),
        ({"scale": (0.5, 0.4)}, "--scale must be two numbers with .* 0.5 0.4"),
        ({"scale": (0.0, 0.4)}, "--scale must be two numbers"),
        ({"scale": (0.5, 1.1)}, "--scale must be two numbers"),
        ({"scale": (float("nan"), 0.5)}, "--scale must be two numbers"),
        ({"figures": (0, 2)}, "--figures must be two whole .* Received: 0 2"),
        ({"figures": (3, 2)}, "--figures must be two whole .* Received: 3 2"),
        ({"motion_blur": 1.1}, "--motion-blur must be 0 to 1. Received: 1.1"),
        ({"motion_blur": float("nan")}, "--motion-blur must be 0 to 1. Received: nan"),
    ],
)
def test_recipe_refuses(arguments, text):
    with pytest.raises(errors.UsageError, match=text):
        Recipe(**arguments)
