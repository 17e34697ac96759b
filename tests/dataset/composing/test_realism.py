"""Figures that look as if they stood in the room."""

import argparse
import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.dataset.composing import presets, realism, rows
from maskdepth_tf.dataset.composing.recipe import Recipe, paste
from maskdepth_tf.draws import Composed, generator
from tests.support.figures import Fixed, Most, box, grey


def test_figures_stand_by_their_size():
    # Extent 0.4 of the picture: 0.78 + 0.24 * 0.4 = 0.876, foot at 88 of 100.
    assert realism.stand(box(40, 20), 100, Fixed()) == 88 - 40
    # The same with ten clear rows above and below.
    padded = np.pad(box(40, 20), ((10, 10), (0, 0), (0, 0)))
    assert realism.stand(padded, 100, Fixed()) == 88 - 50
    assert realism.foot((padded, 7, 38)) == 88
    # A wide figure counts by its width: 0.78 + 0.24 * 0.5 = 0.9.
    assert realism.stand(box(10, 50), 100, Fixed()) == 90 - 10
    # 1.02 would lie below the picture.
    assert realism.stand(box(100, 30), 100, Fixed()) == 0


@given(extent=st.integers(1, 100), seed=st.integers(0, 999))
def test_feet_stay_in_the_picture(extent, seed):
    top = realism.stand(box(extent, 3), 100, generator(seed))
    assert 50 < top + extent <= 100


def test_what_is_too_faint_for_the_mask_still_stands():
    assert realism.stand(box(40, 20, alpha=90), 100, Fixed()) == 88 - 40


def test_light_goes_towards_the_rooms():
    # Grey 119 has L = 50 and grey 173 L = 70.7. Strength 0.55:
    # (log 0.707 / log 0.5) ** 0.55 = 0.5 ** 0.55 = 0.68, limited to 0.8.
    # 100 * 0.5 ** 0.8 = 57.4, which is grey 138.
    lit = realism.match(box(4, 4, (119,) * 3), grey(173), Fixed())
    assert np.abs(lit[..., :3].astype(int) - 138).max() <= 1
    # Grey 131 has L = 54.6: (log 0.546 / log 0.5) ** 0.55 = 0.927, L = 52.6, grey 126.
    lit = realism.match(box(4, 4, (119,) * 3), grey(131), Fixed())
    assert np.abs(lit[..., :3].astype(int) - 126).max() <= 1


def test_black_white_and_alpha_stay():
    figure = box(6, 4, (0, 0, 0))
    figure[:3, :, :3] = 255
    figure[0, :, 3] = 40
    room = np.full((9, 9, 3), (240, 190, 150), np.uint8)
    lit = realism.match(figure, room, Fixed())
    np.testing.assert_array_equal(lit[..., 3], figure[..., 3])
    assert lit[3:, :, :3].max() <= 1
    assert lit[:3, :, :3].min() > 220


def test_tint_goes_towards_the_rooms():
    figure, room = box(4, 4, (119,) * 3), np.full((9, 9, 3), (130, 115, 115), np.uint8)
    lit = realism.match(figure, room, Fixed())[..., :3]

    def lab(pixels):
        pixels = pixels / np.float32(255)
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab).mean(axis=(0, 1))

    light, *tint = lab(lit)
    expected = light / 100 * 0.55 * lab(room)[1:]  # the figure's own is 0
    np.testing.assert_allclose(tint, expected, atol=0.4)
    assert tint[0] > 0.8


def test_a_red_figure_stays_red():
    figure = box(4, 4, (200, 60, 60))

    def a_and_lightness(pixels):
        lab = cv2.cvtColor(pixels[..., :3] / np.float32(255), cv2.COLOR_RGB2Lab)
        return lab[0, 0, 1], lab[0, 0, 0]

    red, light = a_and_lightness(figure)
    assert 0.55 * red > 24  # how far it would go
    lit, same = a_and_lightness(realism.match(figure, grey(112), Fixed()))
    assert same == pytest.approx(light, abs=1)
    assert lit == pytest.approx(red - light / 100 * 12, abs=1)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("room", [0, 255])
def test_neither_black_nor_white_is_infinitely_dark_or_light(value, room):
    figure = box(4, 4, (value,) * 3)
    lit = realism.match(figure, grey(room), Fixed())
    assert np.abs(lit.astype(int) - figure).max() <= 1


def test_a_clear_figure_is_lit_as_any():
    clear = box(4, 4, (0, 0, 0), alpha=0)
    np.testing.assert_array_equal(realism.match(clear, grey(90), Fixed()), clear)


def test_colours_under_clear_pixels_do_not_count():
    figure = box(4, 8, (119,) * 3)
    figure[:, 4:] = (255, 0, 0, 0)
    lit = realism.match(figure, grey(173), Fixed())
    assert np.abs(lit[:, :4, :3].astype(int) - 138).max() <= 1


def test_motion_blur_by_hand():
    # Length 0.045 of 100 = 4.5 pixels, at 90 degrees: down the columns.
    blurred, left, top = realism.motion_blur((box(100, 100), 5, 6), Fixed())
    assert (left, top, blurred.shape) == (5 - 3, 6 - 3, (106, 106, 4))
    alpha = blurred[..., 3].astype(int)
    assert alpha[:, :3].max() == alpha[:, -3:].max() == 0
    column = alpha[:, 50]
    assert (column[6:-6] == 255).all()
    # A ramp about the edge between rows 2 and 3: what is lost inside is found outside.
    assert 0 < column[1] < column[2] < column[3] < column[4] < 255
    assert column[2] + column[3] == pytest.approx(255, abs=1)
    assert column.sum() == pytest.approx(255 * 100, abs=6)
    assert np.abs(blurred[alpha > 20][:, :3].astype(int) - (200, 100, 0)).max() <= 1


def test_motion_blur_goes_where_it_is_drawn():
    # Length 7, at 180 degrees: along the rows.
    figure = box(100, 100)
    figure[:, :50] = (0, 255, 0, 0)  # green that does not show
    blurred, _, _ = realism.motion_blur((figure, 0, 0), Most())
    alpha = blurred[..., 3].astype(int)
    assert alpha.shape == (108, 108)
    assert alpha[:4].max() == alpha[-4:].max() == 0
    np.testing.assert_array_equal(alpha[4:-4], np.tile(alpha[4], (100, 1)))
    assert 0 < alpha[50, 51] < alpha[50, 54] < alpha[50, 56] < 255
    assert np.abs(blurred[alpha > 20][:, :3].astype(int) - (200, 100, 0)).max() <= 1


def test_contact_shadow_lies_along_the_foot():
    shadow = realism.contact_shadow((box(40, 40), 30, 40), 100)
    # The line is row 79. Softness downwards: 0.02 * 40 + 0.5 = 1.3 pixels,
    # exp(-2 ** 2 / (2 * 1.3 ** 2)) = 0.306 two rows away.
    assert shadow[79, 50] == pytest.approx(1, abs=0.02)
    assert shadow[81, 50] == pytest.approx(0.306, abs=0.02)
    assert shadow[79, 30] == pytest.approx(0.6, abs=0.1)
    assert shadow[:70].max() == shadow[:, :20].max() == 0


def test_contact_shadow_is_of_the_feet_alone():
    table = np.zeros((40, 60, 4), np.uint8)
    table[:6] = table[:, :6] = table[:, -6:] = 255
    shadow = realism.contact_shadow((table, 20, 50), 100)
    assert shadow[89, [22, 77]].min() > 0.65
    assert shadow[:, 38:62].max() == 0


def test_contact_shadow_outside_the_picture_is_clipped():
    assert realism.contact_shadow((box(40, 40), 80, 90), 100).max() == 0
    assert realism.contact_shadow((box(40, 40), 30, -60), 100).max() == 0
    assert realism.contact_shadow((box(40, 40), -60, 30), 100).max() == 0
    assert realism.contact_shadow((box(40, 40), 80, 50), 100)[89, 95] > 0.9


@pytest.mark.parametrize(("length", "row"), [(0.25, 75), (-0.25, 84)])
def test_cast_shadow_is_the_figure_laid_flat(length, row):
    shadow = realism.cast_shadow((box(40, 40), 30, 40), 100, length, 0.5, sigma=0)
    # The foot's edge is at 79.5. 4.5 pixels above or below it lies what was 18 above:
    # 0.5 * 18 = 9 pixels aside, columns 39 to 78.
    np.testing.assert_allclose(shadow[row, [44, 58, 73]], 1, atol=0.01)
    assert shadow[row, [33, 84]].max() < 0.02
    rows_of = np.flatnonzero(shadow.max(axis=1) > 0.5)
    assert [rows_of[0], rows_of[-1]] == ([70, 79] if length > 0 else [80, 89])
    assert shadow.sum() == pytest.approx(40 * 10, rel=0.05)


def test_shade_darkens_by_both_shadows():
    layer, room = (box(40, 40), 30, 40), grey(200, 100)
    shaded = realism.shade(room, [layer], Fixed())
    # Middles: contact 0.7, cast 0.45, length 0.1, no move aside, softness 0.0275.
    expected = 200 * (1 - 0.7 * realism.contact_shadow(layer, 100))
    expected *= 1 - 0.45 * realism.cast_shadow(layer, 100, 0.1, 0, 0.0275)
    np.testing.assert_allclose(shaded[..., 1], expected, atol=0.51)
    assert shaded.min() < 90
    assert (shaded[:60] == 200).all()
    np.testing.assert_array_equal(realism.shade(room, [], Fixed()), room)
    shaded = realism.shade(room, [layer], Most())
    expected = 200 * (1 - 0.85 * realism.contact_shadow(layer, 100))
    expected *= 1 - 0.6 * realism.cast_shadow(layer, 100, 0.35, 1.0, 0.04)
    np.testing.assert_allclose(shaded[..., 1], expected, atol=0.51)


def test_union_of_alphas():
    # 1 - 0.8 * 0.8 = 0.36: 92 of 255.
    below, above = np.array([[51, 0, 255, 9]]), np.array([[51, 0, 7, 0]])
    found = realism.union(below.astype(np.uint8), above.astype(np.uint8))
    np.testing.assert_array_equal(found, [[92, 0, 255, 9]])


REALISTIC = presets.PRESETS["realistic"]


def composer(**options):
    draws = np.random.default_rng(2)
    cutouts = [box(h, w, draws.integers(30, 220, 3)) for h, w in ((30, 14), (20, 30))]
    cutouts[0][0, :4, 3] = 0
    recipe = Recipe(48, **{"scale": (0.4, 0.8)} | options)
    return rows.Composer(recipe, cutouts, [grey(90, 48), grey(180, 48)], Path())


def picture(made, index):
    foreground, background, mirrored = made.pairing[index]
    return made._picture(index, made.rooms[background], foreground, mirrored)


def layers_of(made, index):
    """The row's figures, the one that the labels name first."""
    foreground, background, mirrored = made.pairing[index]
    room, draws = made.rooms[background], generator(0, Composed.PLACE, index)
    first = made._layer(foreground, mirrored, room, draws, (index, 0))
    return [first, *made._others(index, room, first)]


@pytest.fixture(scope="module")
def plain():
    """Composites and masks of 12 rows without any option."""
    return [picture(composer(), index) for index in range(12)]


def test_shadows_are_outside_the_figures(plain):
    made, count = composer(shadow=True), 0
    for index, (before, mask) in enumerate(plain):
        composite, same = picture(made, index)
        np.testing.assert_array_equal(mask, same)
        np.testing.assert_array_equal(composite[mask == 255], before[mask == 255])
        assert (composite <= before).all()
        count += (composite[mask == 0] + 20 < before[mask == 0]).any()
    assert count > 6  # the feet of the others are outside the picture


def test_match_changes_the_figures_alone(plain):
    made = composer(match=True)
    for index, (before, mask) in enumerate(plain):
        composite, same = picture(made, index)
        np.testing.assert_array_equal(mask, same)
        np.testing.assert_array_equal(composite[mask == 0], before[mask == 0])
        assert (composite[mask == 255] != before[mask == 255]).any()


def test_contact_moves_figures_up_or_down_alone(plain):
    made, whole = composer(contact=True), 0
    for index, (_, before) in enumerate(plain):
        _, after = picture(made, index)
        assert 0.7 * 48 < np.flatnonzero(after.any(axis=1))[-1] < 48
        if before[[0, -1]].any():
            continue  # a part was cut off before
        np.testing.assert_array_equal(before.sum(axis=0), after.sum(axis=0))
        whole += 1
    assert whole > 2


def test_a_share_of_the_figures_is_blurred(plain):
    some, every, count = composer(motion_blur=0.4), composer(motion_blur=1.0), 0
    for index, (before, _) in enumerate(plain):
        blurred, mask = picture(every, index)
        assert (blurred != before).any()
        assert ((mask > 0) & (mask < 255)).sum() > 10
        found, _ = picture(some, index)
        is_blurred = bool((found != before).any())
        np.testing.assert_array_equal(found, blurred if is_blurred else before)
        count += is_blurred
    assert 0 < count < 12


def test_the_mask_is_of_all_figures_and_half_of_the_first_shows(plain):
    made, counts = composer(figures=(1, 3)), set()
    for index, (_, own) in enumerate(plain):
        composite, mask = picture(made, index)
        layers = layers_of(made, index)
        counts.add(len(layers))
        alphas = [paste(grey(0, 48), *layer)[1] for layer in layers]
        np.testing.assert_array_equal(alphas[0], own)
        np.testing.assert_array_equal(mask, functools.reduce(realism.union, alphas))
        others = functools.reduce(realism.union, [0 * own, *alphas[1:]])
        assert (own * (others / 255)).sum() <= 0.5 * own.sum()
        room = made.rooms[made.pairing[index][1]]
        np.testing.assert_array_equal(composite[mask == 0], room[mask == 0])
    assert counts == {1, 2, 3}


def test_figures_that_would_hide_the_first_are_left_out():
    made = composer(figures=(2, 2), contact=True, scale=(1.0, 1.0))
    made.cutouts[:] = [box(48, 48)]
    made.cutouts[0][0, 0, 3] = 0
    assert [len(layers_of(made, index)) for index in range(4)] == [1] * 4


def test_nearer_figures_hide_those_behind():
    made, is_first = composer(figures=(2, 2), contact=True, scale=(0.6, 0.6)), []
    for index in range(12):
        composite, _ = picture(made, index)
        layers = layers_of(made, index)
        nearest = sorted(layers, key=realism.foot)[-1]
        alone, alpha = paste(grey(0, 48), *nearest)
        np.testing.assert_array_equal(composite[alpha == 255], alone[alpha == 255])
        is_first.append(nearest is layers[0])
    assert 0 < sum(is_first) < 12


@settings(max_examples=10, deadline=None)
@given(index=st.integers(0, 10**6))
def test_rows_are_functions_of_their_index(index):
    made = composer(figures=(1, 3), **REALISTIC)
    (composite, mask), again = picture(made, index), picture(made, index)
    np.testing.assert_array_equal(composite, again[0])
    assert mask.max() >= 128
    assert (made.rooms[0] == 90).all()


def parsed(*flags):
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int)
    presets.add_arguments(parser)
    return presets.from_arguments(parser.parse_args(flags))


def test_presets():
    assert parsed() == parsed("--preset", "reference") == Recipe()
    assert parsed("--preset", "realistic") == Recipe(**REALISTIC)
    assert Recipe(**REALISTIC) == Recipe(
        scale=(0.4, 0.8),
        shadow=True,
        contact=True,
        match=True,
        stretch=True,
        motion_blur=0.1,
        close_up=0.25,
    )


def test_flags_go_over_the_preset():
    flags = ("--no-shadow", "--scale", "0.2", "0.3", "--figures", "1", "2")
    recipe = parsed("--preset", "realistic", *flags, "--seed", "4", "--rows", "9")
    expected = REALISTIC | {"shadow": False, "scale": (0.2, 0.3), "figures": (1, 2)}
    assert recipe == Recipe(seed=4, **expected)
    assert parsed("--contact", "--motion-blur", "0.5") == Recipe(
        contact=True, motion_blur=0.5
    )


def test_flags_of_a_preset_are_told(monkeypatch):
    monkeypatch.setenv("COLUMNS", "999")  # argparse breaks lines at hyphens, too
    parser = argparse.ArgumentParser()
    presets.add_arguments(parser)
    shown = " ".join(parser.format_help().split())
    for name, value in REALISTIC.items():
        flag = "--" + name.replace("_", "-")
        told = {True: "", (0.4, 0.8): " 0.4 0.8"}.get(value, f" {value}")
        assert f"{flag}{told}" in shown.split("realistic is ")[1].split(" (")[0]
