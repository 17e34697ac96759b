"""Small pictures in every format, for the tests of what decodes them."""

import hashlib
import io
import struct
import zlib

import numpy as np
from PIL import Image


def digests(root):
    """SHA-256 of every file below a folder, by its path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def smooth_rgb(height=40, width=56):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 4, rows * 6, rows + 2 * columns], 2).astype(np.uint8)


def natural_rgb(seed, height, width):
    """Pixels as in a photograph: uneven light, things with edges, fine grain."""
    random = np.random.default_rng(seed)
    light = Image.fromarray(random.integers(30, 220, (4, 5, 3), np.uint8))
    pixels = np.array(light.resize((width, height), Image.Resampling.BICUBIC), float)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(12):
        row, column = random.uniform(0, height), random.uniform(0, width)
        inside = np.hypot(rows - row, columns - column) < random.uniform(4, height / 4)
        pixels[inside] += random.uniform(-90, 90, 3)
    grain = random.normal(0, 4, (height, width, 1))
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def cornered_rgb(seed, height, width):
    """A wall with things whose corners can be found again, each unlike the others."""
    random = np.random.default_rng(seed)
    pixels = natural_rgb(seed, height, width)
    for _ in range(height * width // 400):
        row, column = random.integers(0, (height, width))
        high, wide = random.integers(4, height // 8, 2)
        pixels[row : row + high, column : column + wide] = random.integers(0, 256, 3)
    return pixels


def encode(image, encoding, **options):
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def png(width, height, bits, colour_type, rows, extra=b""):
    """A PNG that Pillow would not write."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def corpus():
    """One picture in every format."""
    rgb = Image.fromarray(smooth_rgb())
    grey, bilevel, palette = rgb.convert("L"), rgb.convert("1"), rgb.quantize(200)
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(smooth_rgb()[..., 2]))
    rotated = {"save_all": True, "append_images": [rgb.rotate(180)]}
    return {
        "rgb": encode(rgb, "PNG"),
        "rgba": encode(rgba, "PNG"),
        "grey": encode(grey, "PNG"),
        "grey_alpha": encode(rgba.convert("LA"), "PNG"),
        "bilevel": encode(bilevel, "PNG"),
        "palette": encode(palette, "PNG"),
        "palette_4_bits": encode(rgb.quantize(12), "PNG", bits=4),
        "palette_transparent": encode(palette, "PNG", transparency=5),
        "palette_2_bits_transparent": encode(
            rgb.quantize(4), "PNG", bits=2, transparency=1
        ),
        "rgb_transparent": encode(rgb, "PNG", transparency=(0, 0, 0)),
        "grey_transparent": encode(grey, "PNG", transparency=50),
        "bilevel_transparent": encode(bilevel, "PNG", transparency=0),
        "apng": encode(rgb, "PNG", **rotated),
        "webp": encode(rgb, "WEBP", lossless=True),
        "webp_lossy": encode(rgb, "WEBP"),
        "webp_alpha": encode(rgba, "WEBP", lossless=True, exact=True),
        "webp_alpha_lossy": encode(rgba, "WEBP"),
        "bmp": encode(rgb, "BMP"),
        "bmp_32_bits": encode(rgba, "BMP"),
        "gif": encode(palette, "GIF"),
        "gif_animated": encode(palette, "GIF", **rotated),
        "jpeg": encode(rgb, "JPEG", quality=95),
        "jpeg_low": encode(rgb, "JPEG", quality=30),
        "jpeg_444": encode(rgb, "JPEG", quality=95, subsampling=0),
        "jpeg_grey": encode(grey, "JPEG"),
        "jpeg_progressive": encode(rgb, "JPEG", progressive=True, quality=90),
        "jpeg_cmyk": encode(rgb.convert("CMYK"), "JPEG", quality=100),
    }


CORPUS = corpus()
# libjpeg makes no grey of CMYK.
WITH_GREY = sorted(CORPUS.keys() - {"jpeg_cmyk"})


def write(path, data):
    path.write_bytes(data)
    return path


def golden(data, background=(255, 255, 255)):
    """Pillow's RGBA pixels, and its RGB ones composited on a background."""
    rgba = Image.open(io.BytesIO(data)).convert("RGBA")
    plain = Image.new("RGBA", rgba.size, (*background, 255))
    return np.array(rgba), np.array(Image.alpha_composite(plain, rgba))[..., :3]


def grey(rgb):
    return np.array(Image.fromarray(rgb).convert("L"))[..., None]


def difference(a, b):
    assert a.shape == b.shape
    return np.abs(a.astype(float) - b.astype(float)).max()


def tiff(orientation, order="<", before=0, tag=0x0112):
    """EXIF with the orientation after some other entries."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 6) for i in range(before)]
    entries.append(struct.pack(order + "HHIHH", tag, 3, 1, orientation, 0))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
