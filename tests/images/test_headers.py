import io
import os
import struct
import subprocess
import sys
import textwrap
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers


def encode(image, encoding, **options):
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def picture(width=24, height=16):
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([rows * 9, columns * 7, rows + columns], axis=2).astype(np.uint8)
    )


def png_chunk(kind, data):
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )


def png_of_size(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(100)))
        + png_chunk(b"IEND", b"")
    )


def jpeg_of_size(width, height):
    data = bytearray(encode(picture(), "JPEG"))
    start = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, start + 5, height, width)
    return bytes(data)


def webp_of_size(width, height):
    data = bytearray(encode(picture(), "WEBP", lossless=True))
    bits = struct.unpack_from("<I", data, 21)[0] & ~0xFFFFFFF
    struct.pack_into("<I", data, 21, bits | (width - 1) | (height - 1) << 14)
    return bytes(data)


def gif_of_size(width, height):
    data = bytearray(encode(picture(), "GIF"))
    struct.pack_into("<HH", data, 6, width, height)
    return bytes(data)


def bmp_of_size(width, height):
    data = bytearray(encode(picture(), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def gif_with_frames(count, width, height):
    still = encode(picture(), "GIF")
    start = still.index(b"\x2c", 13 + 3 * 256)
    frame = bytearray(still[start:-1])
    struct.pack_into("<HH", frame, 5, width, height)
    return still[:start] + bytes(frame) * count + b"\x3b"


BOMBS = {
    "png_13k": png_of_size(13_000, 13_000),
    "png_20k": png_of_size(20_000, 20_000),
    "png_65k": png_of_size(65_535, 65_535),
    "png_line": png_of_size(1, 1_000_000),
    "jpeg_65k": jpeg_of_size(65_500, 65_500),
    "jpeg_8k": jpeg_of_size(8_000, 8_000),
    "webp_16k": webp_of_size(16_383, 16_383),
    "gif_65k": gif_of_size(65_535, 65_535),
    "bmp_30k": bmp_of_size(30_000, 30_000),
    "gif_frames": gif_with_frames(52, 1000, 1000),
    "gif_many_frames": gif_with_frames(51_001, 1, 1),
}


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("BMP", {}), ("GIF", {})],
)
def test_header_of_each_format_whatever_the_suffix(tmp_path, encoding, options):
    path = tmp_path / "picture.txt"
    path.write_bytes(encode(picture(24, 16), encoding, **options))
    expected = (encoding, 24, 16, False, False, False)
    assert headers.check(path) == expected
    assert headers.read(path) == (path.read_bytes(), expected)


@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_upright_picture(encoding, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture(24, 16), encoding, exif=exif)
    expected = (16, 24) if orientation >= 5 else (24, 16)
    assert headers.check_bytes(data, "x")[1:3] == expected


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_is_ignored(value):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encode(picture(24, 16), "JPEG", exif=exif)
    assert headers.check_bytes(data, "x")[1:3] == (24, 16)


@pytest.mark.parametrize(
    ("mode", "encoding", "has_alpha"),
    [
        ("L", "PNG", False),
        ("RGB", "PNG", False),
        ("LA", "PNG", True),
        ("RGBA", "PNG", True),
        ("RGBA", "WEBP", False),
    ],
)
def test_alpha_of_a_png_is_told(mode, encoding, has_alpha):
    data = encode(picture().convert(mode), encoding)
    assert headers.check_bytes(data, "x").has_alpha == has_alpha


def test_a_transparent_colour_is_alpha():
    data = encode(picture().convert("L"), "PNG", transparency=7)
    assert headers.check_bytes(data, "x").has_alpha


@pytest.mark.parametrize("encoding", ["GIF", "PNG"])
def test_animations_are_told(encoding):
    frames = [picture().rotate(180), picture().rotate(90)]
    data = encode(picture(), encoding, save_all=True, append_images=frames)
    assert headers.check_bytes(data, "x")[:4] == (encoding, 24, 16, True)


def test_a_camera_jpeg_with_a_preview_counts_as_jpeg():
    data = encode(picture(), "MPO", save_all=True, append_images=[picture(8, 8)])
    assert headers.check_bytes(data, "x")[:4] == ("JPEG", 24, 16, False)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    with pytest.raises(DataError, match=f"{name}: expected .* pixels.*, received"):
        headers.check(path)


def test_bombs_cost_neither_time_nor_memory(tmp_path):
    for name, data in BOMBS.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ok").write_bytes(png_of_size(8, 8))
    code = """
        import os, sys, time
        from maskdepth_tf.images import headers
        from maskdepth_tf.errors import DataError
        def peak():
            with open("/proc/self/status") as file:
                return int(file.read().split("VmHWM:")[1].split()[0]) / 1024
        headers.check(os.path.join(sys.argv[1], "ok"))
        before = peak()
        for name in sorted(set(os.listdir(sys.argv[1])) - {"ok"}):
            started = time.process_time()
            try:
                headers.check(os.path.join(sys.argv[1], name))
            except DataError:
                print(time.process_time() - started, peak() - before)
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    seconds, mebibytes = zip(
        *(map(float, line.split()) for line in done.stdout.splitlines()), strict=True
    )
    assert len(seconds) == len(BOMBS)
    # Decoding the smallest of them takes ten seconds of a processor.
    assert max(seconds) < 1
    assert max(mebibytes) < 50


def test_a_jpeg_of_many_scans_is_refused(tmp_path):
    # 350 KB of these took the decoder a minute.
    data = encode(Image.new("RGB", (7000, 7000)), "JPEG", progressive=True)
    assert headers.check_bytes(data, "x")[:3] == ("JPEG", 7000, 7000)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + last_scan * 24 + data[-2:]
    with pytest.raises(DataError, match="x: expected at most 33 scans, received 34"):
        headers.check_bytes(many, "x")
    # What looks at the first bytes alone finds it, too.
    (tmp_path / "y.jpg").write_bytes(many)
    with pytest.raises(DataError, match=r"y\.jpg: expected at most 33 scans, received"):
        headers.check(tmp_path / "y.jpg")


def test_small_pictures_may_have_many_scans():
    data = encode(picture(), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert headers.check_bytes(data[:-2] + last_scan * 100 + data[-2:], "x").width == 24


@pytest.mark.parametrize(
    ("count", "width", "height"), [(52, 1000, 1000), (2, 6000, 6000), (51_001, 1, 1)]
)
def test_a_gif_whose_frames_add_up_is_refused(count, width, height):
    data = gif_with_frames(count, width, height)
    with pytest.raises(DataError, match="x: expected at most 51000000 pixels in all"):
        headers.check_bytes(data, "x")


def test_a_gif_with_frames_within_the_limit_is_not():
    assert headers.check_bytes(gif_with_frames(49, 1000, 1000), "x").animated


def test_what_would_be_decoded_badly_is_refused():
    frames = [picture().rotate(180)]
    data = encode(picture(), "WEBP", save_all=True, append_images=frames)
    with pytest.raises(DataError, match="x: expected a still picture, received an ani"):
        headers.check_bytes(data, "x")
    for mode in ("P", "L", "1"):
        data = encode(picture().convert(mode), "BMP")
        with pytest.raises(DataError, match="x: expected a BMP in full colour"):
            headers.check_bytes(data, "x")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89",
        b"no picture at all",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'></svg>",
        encode(picture(), "TIFF"),
        encode(picture(), "PPM"),
        encode(picture(), "ICO"),
        encode(picture(), "PNG")[:30],
    ],
    ids=["one_byte", "text", "svg", "tiff", "ppm", "ico", "cut_header"],
)
def test_what_is_no_picture_is_refused(tmp_path, data):
    path = tmp_path / "fake.png"
    path.write_bytes(data)
    message = r"fake\.png: expected a picture \(PNG, JPEG, WEBP, BMP, GIF\)"
    with pytest.raises(DataError, match=message):
        headers.check(path)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_empty_sides_are_refused(size):
    with pytest.raises(DataError, match="expected (sides of 1|a picture)"):
        headers.check_bytes(png_of_size(*size), "x")


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"empty\.png: .* received an empty file"):
        headers.check(tmp_path / "empty.png")
    with pytest.raises(DataError, match="no.png: No such file or directory"):
        headers.check(tmp_path / "no.png")
    with pytest.raises(DataError, match="expected a file, received a folder"):
        headers.check(tmp_path)
    with pytest.raises(DataError, match="null byte"):
        headers.read(f"{tmp_path}/a\0b")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="expected a file, received a folder"):
        headers.read(tmp_path / "pipe.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "secret.png"
    path.touch(mode=0)
    with pytest.raises(DataError, match=r"secret\.png: Permission denied"):
        headers.check(path)


@pytest.mark.parametrize("function", [headers.check, headers.read])
def test_a_large_file_is_refused(tmp_path, function):
    path = tmp_path / "large.png"
    path.write_bytes(png_of_size(8, 8))
    os.truncate(path, headers.MAX_BYTES)
    assert function(path)
    os.truncate(path, headers.MAX_BYTES + 1)
    message = r"large\.png: expected at most 33554432 bytes, received 33554433"
    with pytest.raises(DataError, match=message):
        function(path)


@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_damaged_headers_never_cause_another_error(encoding):
    exif = {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\6\0\0\0"}
    good = encode(picture(), encoding, **(exif if encoding in "PNG JPEG WEBP" else {}))
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(random.integers(1, 6)):
            data[random.integers(len(data))] = random.integers(256)
        data = bytes(data[: random.integers(1, 2 * len(data))])
        try:
            headers.check_bytes(data, "x")
        except DataError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("size", [(8192, 6144), (8160, 6144)])
def test_phones_of_50_megapixels_are_read(size):
    # Their pictures have a little more.
    data = encode(Image.new("L", size, 128), "JPEG", quality=50)
    assert headers.check_bytes(data, "x")[:3] == ("JPEG", *size)


def test_a_name_in_another_form_of_unicode_is_told(tmp_path):
    (tmp_path / "cafe\u0301.jpg").touch()
    with pytest.raises(DataError, match="No such file or directory; its name there is"):
        headers.check(tmp_path / "caf\u00e9.jpg")


def test_pillow_warns_of_nothing_that_we_refuse():
    code = """
        from maskdepth_tf.images import headers
        import sys, warnings
        from PIL import Image
        try:
            headers.check_bytes(bytes.fromhex(sys.argv[1]), "x")
        except ValueError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), BOMBS["png_13k"].hex()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "expected at most 51000000 pixels" in done.stdout
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="51000000 pixels, received far more"):
            headers.check_bytes(BOMBS["png_13k"], "x")
