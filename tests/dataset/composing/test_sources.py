"""Cut-outs and rooms as they are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import errors
from maskdepth_tf.dataset.composing import rows, sources
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.images import encoding
from tests.support.figures import box, grey


def test_a_room_knows_the_aspect_of_its_picture(tmp_path):
    wide = np.zeros((30, 40, 3), np.uint8)
    wide[:, 20:] = 200
    encoding.write_image(tmp_path / "a.png", wide)
    pixels, aspect = sources.read_room(tmp_path / "a.png", 16)
    assert aspect == 0.75
    assert pixels.shape == (16, 16, 3)
    assert (pixels[:, :7] == 0).all()
    assert (pixels[:, 9:] == 200).all()


def test_unscaled_cutouts_must_fit_the_picture(tmp_path):
    cutout = box(20, 12)
    cutout[0, 0, 3] = 0
    for name, picture in (("fg/a.png", cutout), ("bg/b.png", grey(90))):
        (tmp_path / name).parent.mkdir()
        encoding.write_image(tmp_path / name, picture)
    folders = [tmp_path / "fg"], [tmp_path / "bg"]
    assert len(sources.read_sources(*folders, 20, is_scaled=False).cutouts) == 1
    assert len(sources.read_sources(*folders, 19, is_scaled=True).cutouts) == 1
    text = "a.png: .* at most 19 pixels on a side; --scale .* Received: 12 x 20"
    with pytest.raises(errors.DataError, match=text):
        sources.read_sources(*folders, 19, is_scaled=False)


@pytest.mark.parametrize(
    ("aspect", "width"), [(0.75, 15), (1.0, 20), (4 / 3, 27), (0.001, 1)]
)
def test_stretched_by_hand(aspect, width):
    stretched = sources.stretch(box(40, 20), aspect)
    np.testing.assert_array_equal(stretched, box(40, width))


@pytest.mark.parametrize(("aspect", "width"), [(0.5, 7), (1.0, 14), (2.0, 24)])
def test_figures_are_stretched_as_their_rooms(aspect, width):
    # 24 of 48 pixels are the longer side.
    recipe = Recipe(48, scale=(0.5, 0.5), contact=True, stretch=True)
    rooms, aspects = [grey(90, 48), grey(180, 48)], [aspect, 1 / aspect]
    made = rows.Composer(recipe, [box(24, 14)], rooms, Path(), aspects)
    for index in range(4):
        background = made.pairing.sources(index)[1]
        layer = made._layer(
            0, False, rooms[background], made._draws(0, index), (index, 0)
        )
        expected = width if background == 0 else {7: 24, 14: 14, 24: 7}[width]
        assert layer[0].shape[1] == expected


def figure(colour, is_multiplied):
    """A soft disc of one colour, uint8 [64, 64, 4]."""
    rows, columns = np.mgrid[:64, :64]
    distance = np.hypot(rows - 32, columns - 32)
    alpha = np.clip((28 - distance) / 8, 0, 1)[..., None]
    colours = np.full((64, 64, 3), colour) * (alpha if is_multiplied else 1)
    return np.rint(np.concatenate([colours, 255 * alpha], axis=2)).astype(np.uint8)


def test_premultiplied_cutouts_are_divided(tmp_path, capsys):
    cutout = figure((200, 120, 40), True)
    Image.fromarray(cutout).save(tmp_path / "a.png")
    found = sources.read_cutout(tmp_path / "a.png")
    text = f"warning: {tmp_path}/a.png: its colours are premultiplied, by its alpha"
    assert capsys.readouterr().err.startswith(text)
    # By hand: alpha 128 of 255 and colour 100 come from 199 (200 up to rounding).
    is_solid = cutout[..., 3] >= 128
    assert np.abs(found[is_solid].astype(int)[:, :3] - (200, 120, 40)).max() <= 2
    np.testing.assert_array_equal(found[..., 3], cutout[..., 3])


@pytest.mark.parametrize("colour", [(200, 120, 40), (12, 9, 10), (0, 0, 5)])
def test_plain_cutouts_stay(tmp_path, capsys, colour):
    cutout = figure(colour, False)
    Image.fromarray(cutout).save(tmp_path / "a.png")
    np.testing.assert_array_equal(sources.read_cutout(tmp_path / "a.png"), cutout)
    assert capsys.readouterr().err == ""


def test_hard_edges_tell_nothing():
    cutout = np.zeros((8, 8, 4), np.uint8)
    cutout[2:6, 2:6] = (9, 9, 9, 255)
    assert not sources.is_premultiplied(cutout)
