import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskdepth_tf.images import encoding, headers, profiles

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def swapped():
    """A profile in which red and blue have changed places."""
    data = bytearray(SRGB)
    places = {}
    for n in range(int.from_bytes(data[128:132], "big")):
        start = 132 + 12 * n
        places[bytes(data[start : start + 4])] = start + 4
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    own = bytes(data[red : red + 8]), bytes(data[blue : blue + 8])
    data[blue : blue + 8], data[red : red + 8] = own
    return bytes(data)


@pytest.mark.parametrize("profile", [b"", SRGB, b"no profile", SRGB[:200]])
def test_srgb_and_what_counts_as_it(profile):
    assert profiles.is_srgb(profile)
    assert profiles.keepable(profile) == b""
    pixels = np.full((2, 3, 3), (200, 30, 90), np.uint8)
    np.testing.assert_array_equal(profiles.to_srgb(pixels, profile), pixels)


def test_colours_are_converted_and_alpha_stays(swapped):
    assert not profiles.is_srgb(swapped)
    pixels = np.full((2, 3, 4), (200, 30, 90, 7), np.uint8)
    found = profiles.to_srgb(pixels, swapped).astype(int)
    assert np.abs(found - (90, 30, 200, 7)).max() <= 1


def test_a_png_keeps_a_profile(swapped):
    assert profiles.keepable(swapped) == swapped
    data = encoding.encode_png(np.zeros((2, 2, 4), np.uint8), profile=swapped)
    assert headers.profile_of(data, "a.png") == swapped
    assert (
        "icc_profile"
        not in Image.open(
            io.BytesIO(encoding.encode_png(np.zeros((2, 2, 4), np.uint8)))
        ).info
    )


def test_names():
    assert profiles.name_of(b"") == "sRGB"
    assert "sRGB" in profiles.name_of(SRGB)
