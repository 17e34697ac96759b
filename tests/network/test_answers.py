import numpy as np

from maskdepth_tf.network import answers


def test_stretch_is_bilinear():
    answer = np.array([[[0.0], [1.0]]], np.float32).repeat(2, axis=0)
    # Centres of 4 columns lie at -1/4, 1/4, 3/4, 5/4 between the two given ones.
    row = [0.0, 0.25, 0.75, 1.0]
    stretched = answers.stretch(answer, 2, 4)
    np.testing.assert_allclose(stretched[..., 0], [row, row], atol=1e-6)


def test_pixels_are_rounded_half_to_even():
    # 0.5 of 255 is 127.5, of 65535 is 32767.5.
    values = np.array([0.0, 0.5, 1.0], np.float32)
    assert answers.mask_pixels(values).numpy().tolist() == [0, 128, 255]
    assert answers.depth_pixels(values).numpy().tolist() == [0, 32768, 65535]


def test_cutout_holds_nothing_of_what_it_does_not_show():
    fg_bg = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]], np.uint8)
    mask = np.array([[[255], [0], [1]]], np.uint8)
    expected = [[[1, 2, 3, 255], [0, 0, 0, 0], [7, 8, 9, 1]]]
    assert answers.cutout(fg_bg, mask).numpy().tolist() == expected
    grey = mask[..., 0]
    assert answers.cutout_of_arrays(fg_bg, grey, grey).tolist() == expected
