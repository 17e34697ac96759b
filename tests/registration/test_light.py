import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.registration import light, warps
from tests.support.made_rooms import made_room

SIZE = 64
SURE = np.ones((1, 32, 32, 1), np.float32)


def room(seed=0):
    return made_room(seed).astype(np.float32)[np.newaxis, :SIZE, :SIZE]


def across():
    x, _ = warps.grid(SIZE)
    return 2 * x.reshape(1, SIZE, SIZE, 1)


CHANGES = {
    "none": lambda x: x,
    "darker": lambda x: 0.6 * x,
    "brighter": lambda x: 1.4 * x,
    "gamma": lambda x: 255 * (x / 255) ** 0.7,
    "inverse gamma": lambda x: 255 * (x / 255) ** 1.4,
    "colours": lambda x: x * np.float32([0.85, 1.0, 1.15]),
    "falls off": lambda x: x * (1 + 0.25 * across()),
    "all": lambda x: 255 * (0.8 * x / 255) ** 0.8 * (1 - 0.2 * across()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("covered", [0, 24])
def test_light_is_found(change, covered):
    bg = room()
    lit = np.clip(CHANGES[change](bg), 0, 255)
    picture, sure = lit.copy(), SURE.copy()
    picture[:, :, :covered] = (250, 20, 60)
    sure[:, :, : covered // 2] = 0
    found = light.apply(bg, light.estimate(bg, picture, sure))
    clear = (lit < 245) & (lit > 10)
    assert np.abs(found - lit)[clear].mean() < 4
    assert np.percentile(np.abs(found - lit)[clear], 95) < 14


def test_no_change_by_hand():
    same = light.Light(np.float32([[[0, 0, 1, 0]] * 3]), np.zeros((1, 5), np.float32))
    np.testing.assert_allclose(light.apply(room(), same), room(), atol=1e-4)
    curve = np.float32([[[0, 0, 0.5, 0], [0.1, 0, 1, 0], [0, 1, 0, 0]]])
    gain = np.float32([[1, 0, 0, 0, 0]])
    grey = tf.fill([1, 2, 2, 3], 51.0)  # a fifth of white; columns at -1/2 and 1/2
    found = light.apply(grey, light.Light(curve, gain))
    expected = 255 * np.float32([0.1, 0.3, np.sqrt(0.2)])
    np.testing.assert_allclose(found[0, 0, 0], 0.5 * expected, rtol=1e-5)
    np.testing.assert_allclose(found[0, 1, 1], 1.5 * expected, rtol=1e-5)


def test_clipped_pixels_do_not_count():
    bg = room(1)
    lit = np.clip(1.2 * bg, 0, 255)
    lit[:, :20] = 255  # a window, too bright
    found = light.apply(bg, light.estimate(bg, lit, SURE))
    clear = (lit < 245) & (lit > 10)
    assert np.abs(found - lit)[clear].mean() < 2


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_nothing_to_go_by_changes_nothing(value):
    flat = np.full((1, SIZE, SIZE, 3), value, np.float32)
    found = light.apply(room(2), light.estimate(flat, flat, SURE))
    np.testing.assert_allclose(found, room(2), atol=1e-3)
