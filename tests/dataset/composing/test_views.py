"""Other framings of a room."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.dataset import compose
from maskdepth_tf.dataset.composing import views
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.draws import generator
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.input import labels

seeds = st.integers(0, 10_000)


class Fixed:
    """Draws the middle of a range and the mean of a deviation."""

    def uniform(self, low, high, size=None):
        return np.full(size, (low + high) / 2) if size else (low + high) / 2

    def normal(self, mean, _deviation, size=None):
        return np.full(size, float(mean)) if size else float(mean)

    def __init__(self, fraction=0.9):
        self.random = lambda: fraction


def test_corners_by_hand():
    # Side 0.725 of 80 pixels, in the middle, upright: 40 - 29 to 40 + 29.
    expected = [[11, 11], [69, 11], [69, 69], [11, 69]]
    np.testing.assert_allclose(views.corners(80, Fixed()), expected)


@given(seeds)
def test_the_middle_of_a_part_lies_inside(seed):
    middle = views.corners(100, generator(seed)).mean(axis=0)
    assert (middle > 100 * (views.SHARE[0] / 2 - 4 * views.SHEAR)).all()
    assert (middle < 100 * (1 - views.SHARE[0] / 2 + 4 * views.SHEAR)).all()


def test_relight_by_hand():
    # Gain and gamma are 1; saturation is 0.95: a little towards the mean of 80.
    room = np.array([[[40, 80, 120]]], np.uint8)
    np.testing.assert_array_equal(views.relight(room, Fixed()), [[[42, 80, 118]]])


@given(seeds)
def test_grey_stays_near_grey(seed):
    grey = views.relight(np.full((2, 2, 3), 120, np.uint8), generator(seed))
    assert np.ptp(grey.astype(int), axis=-1).max() < 60
    assert np.ptp(grey, axis=(0, 1)).max() == 0


def test_a_view_is_the_part_enlarged():
    # Grey grows by 2 a column; the part has 0.725 of the columns.
    ramp = np.repeat(np.arange(80)[None, :, None] * 2, 80, 0)
    room = np.repeat(ramp, 3, 2).astype(np.uint8)
    shown = views.view(room, Fixed()).astype(float)
    assert shown.shape == (80, 80, 3)
    assert np.ptp(shown, axis=0).max() <= 1
    np.testing.assert_allclose(shown[0, [0, -1], 0], [22, 137], atol=2)
    mirrored = views.view(room, Fixed(0.1)).astype(float)
    np.testing.assert_allclose(mirrored, shown[:, ::-1], atol=3)


def test_what_lies_outside_is_no_hole(monkeypatch):
    beyond = np.array([[-9, -9], [25, -9], [25, 25], [-9, 25]])
    monkeypatch.setattr(views, "corners", lambda size, draws: beyond)
    shown = views.view(np.full((16, 16, 3), 90, np.uint8), Fixed())
    np.testing.assert_array_equal(shown, np.full((16, 16, 3), 90))


@given(seeds)
def test_views_are_functions_of_their_draws(seed):
    room = generator(1).integers(0, 256, (16, 16, 3), np.uint8)
    first, again = (views.view(room, generator(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert (first != views.view(room, generator(seed + 1))).any()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folders of two cut-outs and two rooms."""
    root, draws = tmp_path_factory.mktemp("pictures"), generator(3)
    for folder, channels in (("cutouts", 4), ("rooms", 3)):
        (root / folder).mkdir()
        for number in range(2):
            ramp = np.linspace(50, 250, 24)[:, None, None] * draws.random(channels)
            pixels = np.repeat(ramp, 24, 1).astype(np.uint8)
            pixels[..., 3:] = 255
            pixels[:2, :, 3:] = 0
            encoding.write_image(root / folder / f"{number}.png", pixels)
    return root / "cutouts", root / "rooms"


def composed(pictures, output, **options):
    recipe = Recipe(image_size=32, scale=(0.3, 0.6), quality=90, **options)
    workers = 1 + output.name.count("2")
    cutouts, rooms = pictures
    compose.compose(
        [cutouts], [rooms], output, recipe, num_rows=70, num_workers=workers
    )
    sums = (output / "files.sha256").read_text().splitlines()
    return labels.read(output / "labels.txt"), sums


def test_half_of_the_rows_show_views(pictures, tmp_path):
    rows, sums = composed(pictures, tmp_path / "set", views=3)
    assert (rows, sums) == composed(pictures, tmp_path / "set2", views=3)
    shown = [row for row in rows if labels.room_of(row.bg) != row.bg]
    assert 20 < len(shown) < 50
    names = {f"Background/bg{room}@{view}.jpg" for room in (1, 2) for view in (1, 2, 3)}
    assert {row.bg for row in shown} == names
    for row in shown:
        data = (tmp_path / "set" / row.bg).read_bytes()
        assert f"{hashlib.sha256(data).hexdigest()}  {row.bg}" in sums
        room = preprocessing.read_rgb(tmp_path / "set" / row.bg).astype(int)
        composite = preprocessing.read_rgb(tmp_path / "set" / row.fg_bg)
        empty = preprocessing.read_mask(tmp_path / "set" / row.mask)[..., 0] == 0
        assert np.abs(composite - room)[empty].mean() < 4


def test_views_leave_the_other_rows_as_they_are(pictures, tmp_path):
    rows, sums = composed(pictures, tmp_path / "views", views=2)
    _, expected = composed(pictures, tmp_path / "plain")
    plain = [row.fg_bg for row in rows if labels.room_of(row.bg) == row.bg]
    assert plain
    found = {line for line in sums if line.split("  ")[1] in plain}
    assert found <= set(expected)
    assert len(found) == len(plain)
