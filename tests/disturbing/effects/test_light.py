import numpy as np

from maskdepth_tf.disturbing.effects import light

GREY = np.full((2, 5, 3), 100, np.uint8)


def test_gain():
    assert (light.gain(GREY, 0.8) == 80).all()
    assert (light.gain(GREY, 3) == 255).all()


def test_gamma_keeps_black_and_white():
    picture = np.array([[[0, 64, 255]]], np.uint8)
    # 255 * sqrt(64 / 255) = 127.7
    assert light.gamma(picture, 0.5).tolist() == [[[0, 128, 255]]]


def test_white_balance():
    assert light.white_balance(GREY, 0.2)[0, 0].tolist() == [120, 100, 80]
    assert light.white_balance(GREY, -0.2)[0, 0].tolist() == [80, 100, 120]


def test_gradient_falls_from_one_side_to_the_other():
    ramp = [100, 90, 80, 70, 60]
    assert light.gradient(GREY, 0.4, 0)[1, :, 2].tolist() == ramp
    assert light.gradient(GREY, 0.4, 1)[0, :, 0].tolist() == ramp[::-1]
    assert light.gradient(GREY, 0.4, 2)[:, 3, 0].tolist() == [100, 60]
    assert light.gradient(GREY, 0.4, 3)[:, 3, 0].tolist() == [60, 100]
