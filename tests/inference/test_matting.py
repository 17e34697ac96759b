"""Alpha at the picture's own size, with the background known."""

import json

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.inference import matting
from maskdepth_tf.registration import light

SIDE, SIZE = 16, 160
STILL = np.float32([1, 0, 0, 0, 1, 0, 0, 0])
FRONT, BEHIND = np.float32([200, 60, 40]), np.float32([40, 90, 160])

refine = tf.function(matting.refine, autograph=False)


def coverage(shape=(SIZE, SIZE), centre=(0.5, 0.5), radius=0.3):
    """A disc with a border of 3 pixels in which it fades: float32 [H, W, 1]."""
    rows, columns = (np.arange(side) + 0.5 for side in shape)
    far = np.hypot(rows[:, None] - centre[0] * shape[0], columns - centre[1] * shape[1])
    return np.clip((radius * min(shape) - far) / 3 + 0.5, 0, 1)[..., None].astype("f4")


def reduced(image):
    """Means of blocks: [SIZE, SIZE, C] -> [SIDE, SIDE, C]."""
    step = SIZE // SIDE
    return image.reshape(SIDE, step, SIDE, step, -1).mean(axis=(1, 3))


def pair(alpha, front=FRONT, behind=BEHIND, **changed):
    """A pair of plain colours, and a mask as sharp as the network's cells are."""
    bg = np.broadcast_to(behind, (*alpha.shape[:2], 3))
    picture = np.rint(alpha * front + (1 - alpha) * bg)
    same = light.same(1)
    values = {
        "bg": np.rint(bg).astype(np.uint8),
        "fg_bg": picture.astype(np.uint8),
        "shown": reduced(picture).astype(np.float32),
        "mask": reduced(alpha).astype(np.float32),
        "warp": STILL,
        "curves": same.curves[0].numpy(),
        "gain": same.gain[0].numpy(),
    }
    return matting.Pair(**(values | changed))


def test_a_mix_of_two_colours_is_told_apart():
    alpha = coverage()
    found, foreground = refine(pair(alpha))
    assert found.dtype == tf.float32
    assert np.abs(found - alpha).max() < 0.2
    stretched = tf.image.resize(reduced(alpha), (SIZE, SIZE))
    assert np.abs(found - alpha).mean() < np.abs(stretched - alpha).mean() / 10
    # Little of the background is left in its colours.
    edge = (alpha[..., 0] > 0.2) & (alpha[..., 0] < 0.8)
    left, was = (
        np.abs(np.float32(pixels)[edge] - FRONT).mean()
        for pixels in (foreground, pair(alpha).fg_bg)
    )
    assert left < was / 3
    sure = alpha[..., 0] == 1
    assert np.abs(foreground.numpy()[sure] - FRONT).max() <= 3


def test_features_by_hand():
    """C = B + 1/4 (F - B), of a mask at 1/2, where the foreground varies by 10."""
    colour, behind, front, logits = (
        tf.constant([values], tf.float32)
        for values in (BEHIND + (FRONT - BEHIND) / 4, BEHIND, FRONT, (0.0, -2.0, 4.0))
    )
    planes = map(tf.transpose, (colour, behind, front, [[100.0]], logits))
    found = matting._features(*planes, 2.5)
    length = np.sqrt(40900)  # |F - B|^2 = 160^2 + 30^2 + 120^2
    share = 10225 / 40901
    expected = [0, -0.5, 1]
    expected += np.log1p([length / 4, length * 3 / 4, 10, length]).tolist()
    expected += np.log1p([abs(0.25 - share) * length]).tolist()
    expected[3:] = [value - 3 for value in expected[3:]]
    expected += [share, np.log((colour.numpy().mean() + 8) / (BEHIND.mean() + 8)), 1.5]
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-5)


def test_perceptron_by_hand(tmp_path, monkeypatch):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps([[[[1, -1]] * 11, [0, 1]], [[[2], [3]], [-1]]]))
    monkeypatch.setattr(matting, "WEIGHTS", path)
    # Units max(0, 11 x) and max(0, 1 - 11 x), 11 x = 1 / 2: 2 / 2 + 3 / 2 - 1.
    found = matting._perceptron(tf.fill([11, 1], 0.5 / 11))
    assert float(found[0, 0]) == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_alike_colours_keep_the_networks_mask():
    alpha = coverage()
    found, _ = refine(pair(alpha, front=BEHIND + 1))
    stretched = tf.image.resize(reduced(alpha), (SIZE, SIZE))
    assert np.abs(found - stretched).mean() < 0.035


def test_far_from_an_edge_nothing_changes():
    """A shadow, or a thing, that the network left out stays out."""
    alpha = coverage(centre=(0.3, 0.3), radius=0.15)
    other = coverage(centre=(0.75, 0.75), radius=0.1)
    picture = pair(np.maximum(alpha, other))
    found, foreground = refine(picture._replace(mask=reduced(alpha).astype("f4")))
    corner = (slice(SIZE // 2 + 10, None),) * 2
    assert not found.numpy()[corner].any()
    np.testing.assert_array_equal(foreground.numpy()[corner], picture.fg_bg[corner])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_masks_without_an_edge(value):
    alpha = np.full((SIZE, SIZE, 1), value, np.float32)
    found, foreground = refine(pair(alpha))
    np.testing.assert_allclose(found, alpha, atol=1e-6)
    np.testing.assert_array_equal(foreground, pair(alpha).fg_bg)


@pytest.mark.parametrize("shape", [(7, 5), (16, 16), (33, 90), (201, 77)])
def test_pictures_of_any_size(shape):
    alpha = coverage(shape)
    mask = tf.image.resize(alpha, (SIDE, SIDE), antialias=True).numpy()
    bg = np.broadcast_to(BEHIND, (50, 61, 3)).astype(np.uint8)
    picture = np.rint(alpha * FRONT + (1 - alpha) * BEHIND)
    shown = tf.image.resize(picture, (SIDE, SIDE), antialias=True).numpy()
    same = light.same(1)
    found, foreground = refine(
        matting.Pair(
            bg,
            picture.astype(np.uint8),
            shown,
            mask,
            STILL,
            same.curves[0],
            same.gain[0],
        )
    )
    assert found.shape == (*shape, 1)
    assert foreground.shape == (*shape, 3)
    if min(shape) > 4 * SIDE:  # else a cell is no larger than an edge
        stretched = tf.image.resize(mask, shape)
        assert np.abs(found - alpha).mean() < 0.7 * np.abs(stretched - alpha).mean()


def test_a_background_that_moved_and_darkened():
    """A room of stripes, taken 2 % to the right and twice as bright."""
    columns = np.arange(SIZE) + 0.5
    stripes = lambda shift: np.broadcast_to(  # noqa: E731
        (60 + 40 * np.sin((columns + shift) / 12))[None, :, None], (SIZE, SIZE, 3)
    )
    alpha = coverage()
    shift = 0.02 * SIZE
    picture = alpha * FRONT + (1 - alpha) * stripes(shift)
    curves = np.float32([[0, 0, 2, 0]] * 3)
    found, _ = refine(
        pair(
            alpha,
            bg=np.rint(stripes(0) / 2).astype(np.uint8),
            fg_bg=np.rint(picture).astype(np.uint8),
            shown=reduced(picture).astype(np.float32),
            warp=np.float32([1, 0, 0.02, 0, 1, 0, 0, 0]),
            curves=curves,
        )
    )
    assert np.abs(found - alpha).mean() < 0.005
