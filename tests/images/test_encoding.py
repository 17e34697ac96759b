"""JPEG bytes."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskdepth_tf.images import encoding


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    is_grey=st.booleans(),
    subsampling=st.sampled_from(["4:2:0", "4:4:4"]),
    quality=st.integers(1, 100),
    seed=st.integers(0, 1000),
)
def test_jpeg_is_pillows(height, width, is_grey, subsampling, quality, seed):
    shape = (height, width) if is_grey else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    buffer = io.BytesIO()
    options = {"quality": quality, "subsampling": subsampling}
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    assert encoding.encode_jpeg(pixels, quality, subsampling) == buffer.getvalue()
