"""Pixels to bytes and files."""

import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, headers, preprocessing
from tests.support.pictures import difference, smooth_rgb


@settings(deadline=None)
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


@settings(deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 1000))
def test_depth_with_holes_is_grey_and_alpha_of_16_bits(height, width, seed):
    shape = (height, width)
    depth = np.random.default_rng(seed).integers(-65536, 65536, shape, np.int32)
    data = encoding.encode_png(depth)
    header = headers.check_bytes(data, "a.png")
    assert header == headers.Header("PNG", width, height, False, True, True)
    found = preprocessing.decode_depth(data).numpy()[..., 0]
    np.testing.assert_array_equal(found <= streams.HOLE, depth < 0)
    filled = np.where(found <= streams.HOLE, -1 - found, found)
    expected = np.where(depth < 0, -1 - depth, depth)
    np.testing.assert_array_equal(np.rint(65535 * filled), expected)
    alpha = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3]
    np.testing.assert_array_equal(alpha, np.where(depth < 0, 0, 255))


@pytest.mark.parametrize("compression", [encoding.QUICK, 6])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 4)])
def test_png_with_a_profile(compression, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    profile = b"as it was received" * 20
    data = encoding.encode_png(pixels, compression, profile)
    picture = Image.open(io.BytesIO(data))
    assert picture.info["icc_profile"] == profile
    np.testing.assert_array_equal(picture, pixels)


class TestWriteImage:
    @given(
        shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        tail=st.sampled_from([(), (1,), (3,), (4,)]),
        deep=st.booleans(),
        seed=st.integers(0, 99),
        compression=st.sampled_from([encoding.QUICK, 6]),
    )
    @settings(max_examples=50, deadline=None)
    def test_png_gives_the_pixels_back(
        self, tmp_path_factory, shape, tail, deep, seed, compression
    ):
        deep = deep and tail in ((), (1,))
        array = np.random.default_rng(seed).integers(
            0, 65536 if deep else 256, (*shape, *tail), np.uint16 if deep else np.uint8
        )
        path = tmp_path_factory.mktemp("png") / "a.png"
        encoding.write_image(path, array, compression=compression)
        if deep:
            back = np.round(preprocessing.read_depth(path) * 65535).astype(np.uint16)
        elif tail == (4,):
            back = preprocessing.read_rgba(path)
        else:
            back = (
                preprocessing.read_rgb(path)
                if tail == (3,)
                else preprocessing.read_mask(path)
            )
        np.testing.assert_array_equal(back.reshape(array.shape), array)

    def test_jpeg_by_quality(self, tmp_path):
        sizes = {}
        for quality in (30, 95):
            path = tmp_path / f"{quality}.JPEG"
            encoding.write_image(path, smooth_rgb(), quality=quality)
            assert headers.check(path).format == "JPEG"
            sizes[quality] = os.path.getsize(path)
        assert (
            difference(preprocessing.read_rgb(tmp_path / "95.JPEG"), smooth_rgb()) < 12
        )
        assert sizes[30] < sizes[95]

    def test_quality_is_95_if_not_given(self, tmp_path):
        encoding.write_image(tmp_path / "a.jpg", smooth_rgb())
        encoding.write_image(tmp_path / "b.jpg", smooth_rgb(), quality=95)
        assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()

    @pytest.mark.parametrize("name", ["a", "a.gif", "a.webp", "a.png.txt"])
    def test_other_suffixes_are_refused(self, tmp_path, name):
        with pytest.raises(
            DataError, match=r"expected the suffix \.png, \.jpg, \.jpeg"
        ):
            encoding.write_image(tmp_path / name, smooth_rgb())
        assert not os.listdir(tmp_path)

    @pytest.mark.parametrize(
        ("name", "array"),
        [
            ("a.png", np.zeros((4, 4, 3), np.float32)),
            ("a.png", np.zeros((4, 4, 3), np.uint16)),
            ("a.png", np.zeros((4, 4, 2), np.uint8)),
            ("a.png", np.zeros((4,), np.uint8)),
            ("a.png", np.zeros((0, 4), np.uint8)),
            ("a.png", np.zeros((1, 4, 4, 3), np.uint8)),
            ("a.jpg", np.zeros((4, 4), np.uint16)),
            ("a.jpg", np.zeros((4, 4, 4), np.uint8)),
        ],
    )
    def test_what_a_file_cannot_hold_is_refused(self, tmp_path, name, array):
        message = rf"{name}: expected pixels that a .* can hold, received {array.dtype}"
        with pytest.raises(DataError, match=message):
            encoding.write_image(tmp_path / name, array)
        assert not os.listdir(tmp_path)

    def test_a_full_disk_leaves_nothing(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            encoding.write_image(tmp_path / "a.png", smooth_rgb())
        assert not os.listdir(tmp_path)
