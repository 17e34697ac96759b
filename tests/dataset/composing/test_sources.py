import numpy as np
import pytest
from PIL import Image

from maskdepth_tf.dataset.composing import sources


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
