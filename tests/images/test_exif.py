"""Which way up pictures are, as header and decoder find it."""

import contextlib
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import exif, headers, preprocessing
from tests.support.pictures import difference, encode, grey, tiff, write

decode = tf.function(
    preprocessing.decode_rgb, input_signature=[tf.TensorSpec([], tf.string)]
)


def size_in_header(data):
    header = headers.check_bytes(data, "x")
    return header.height, header.width


PIXELS = np.zeros((16, 32, 3), np.uint8)
PIXELS[:8, :16] = 200, 30, 40
PIXELS[8:, :8] = 10, 200, 10
OPTIONS = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
}


def encoded(encoding, own):
    image = Image.fromarray(PIXELS)
    options = OPTIONS[encoding]
    return encode(image, encoding, exif=b"Exif\0\0" + own, **options)


def upright(data):
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("encoding", OPTIONS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_become_upright(tmp_path, encoding, order, orientation):
    data = encoded(encoding, tiff(orientation, order, before=3))
    expected = upright(data)
    assert size_in_header(data) == expected.shape[:2]
    assert expected.shape[:2] == ((32, 16) if orientation > 4 else (16, 32))
    assert difference(decode(data).numpy(), expected) <= 1
    path = write(tmp_path / "a", data)
    assert difference(preprocessing.read_rgba(path)[..., :3], expected) <= 1
    assert difference(preprocessing.read_mask(path), grey(expected)) <= 1
    depth = preprocessing.read_depth(path)
    assert difference(np.round(depth * 255), grey(expected)) <= 1


def test_exif_behind_the_pixels_of_a_png_counts():
    data = encoded("PNG", tiff(6))
    start = data.index(b"eXIf") - 4
    length = 12 + struct.unpack_from(">I", data, start)[0]
    end = data.index(b"IEND") - 4
    moved = data[:start] + data[start + length : end]
    moved += data[start : start + length] + data[end:]
    assert moved.index(b"IDAT") < moved.index(b"eXIf")
    np.testing.assert_array_equal(decode(moved), upright(data))
    assert size_in_header(moved) == (32, 16)


@pytest.mark.parametrize(
    "exif",
    [
        tiff(0),
        tiff(9),
        tiff(6, tag=0x0111),
        tiff(6)[:8],
        tiff(6)[:10],
        tiff(6)[:17],
        b"II*\0",
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\xff\xff\xff\x7f\0\0",
        b"MM\0*\0\0\0\x08\xff\xff" + bytes(30),
        b"not tiff at all",
        b"",
    ],
)
@pytest.mark.parametrize("encoding", OPTIONS)
def test_exif_that_says_nothing_changes_nothing(encoding, exif):
    data = encoded(encoding, exif)
    assert difference(decode(data).numpy(), PIXELS) <= 1
    with contextlib.suppress(DataError):  # Pillow opens no JPEG of some of them
        assert size_in_header(data) == (16, 32)


@pytest.mark.parametrize("order", "<>")
def test_the_value_may_be_a_long_and_the_first_of_several_counts(order):
    def entry(kind, form, value):
        return struct.pack(f"{order}HHI{form}", 0x0112, kind, 1, value)

    mark = b"II*\0" if order == "<" else b"MM\0*"
    for entries, expected in (
        ([entry(4, "I", 6)], (32, 16)),
        ([entry(3, "H2x", 3), entry(3, "H2x", 3)], (16, 32)),
        ([entry(3, "H2x", 6), entry(3, "H2x", 1)], (32, 16)),
        ([entry(1, "B3x", 6)], (16, 32)),
    ):
        head = mark + struct.pack(order + "IH", 8, len(entries))
        data = encoded("PNG", head + b"".join(entries))
        assert size_in_header(data) == decode(data).shape[:2] == expected


@pytest.mark.parametrize("encoding", OPTIONS)
def test_exif_that_stands_elsewhere_is_none(encoding):
    plain = encode(Image.fromarray(PIXELS), encoding, **OPTIONS[encoding])
    # Of a second picture behind the first, as cameras and phones append them.
    for data in (plain + encoded(encoding, tiff(6)), plain + b"Exif\0\0" + tiff(6)):
        assert size_in_header(data) == decode(data).shape[:2] == (16, 32)


def test_millions_of_bytes_that_fill_are_not_gone_through():
    # By hand two steps more than are taken; the picture is then as it is stored.
    data = encoded("JPEG", tiff(6))
    filled = data[:2] + b"\xff" * (exif.MAX_CHUNKS + 1) + data[2:]
    assert decode(filled).shape[:2] == (16, 32)


def test_exif_comes_after_other_segments():
    data = encoded("JPEG", tiff(6))
    # A profile with the bytes of a scan's mark, a comment, and bytes that fill.
    profile = b"\xff\xe2\0\x06\xff\xda\0\0"
    for more in (profile, b"\xff\xfe\0\x05abc", profile + b"\xff\xff"):
        longer = data[:2] + more + data[2:]
        assert size_in_header(longer) == decode(longer).shape[:2] == (32, 16)


@given(
    order=st.sampled_from("<>"),
    exif=st.binary(max_size=60),
    entries=st.lists(
        st.tuples(
            st.sampled_from([0x0112, 7]),
            st.sampled_from([(3, "H2x"), (4, "I"), (3, "2xH"), (1, "B3x")]),
            st.integers(0, 9),
        )
    ),
)
@settings(max_examples=50, deadline=None)
def test_header_and_decoder_agree_on_any_exif(order, exif, entries):
    packed = [
        struct.pack(f"{order}HHI{form}", tag, kind, 1, n)
        for tag, (kind, form), n in entries
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "IH", 8, len(entries))
    for part in (mark + exif, head + b"".join(packed)):
        data = encoded("PNG", part)
        assert size_in_header(data) == decode(data).shape[:2]
