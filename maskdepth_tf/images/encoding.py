"""Pixels to files, without TensorFlow: worker processes start at once."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
from isal import isal_zlib
from PIL import Image

from maskdepth_tf import files, streams
from maskdepth_tf.errors import DataError

SAMPLING = {
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
GREY_SAMPLING = 100
"""Where a grey JPEG says how often its one channel is sampled. It means nothing for
one channel; OpenCV writes 1 x 1 and Pillow what it is told."""

QUICK = 1
"""Compression of a PNG that takes a tenth of the time of Pillow's at its level 1. Its
bytes depend on the processor, the pixels do not."""

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG, by the channels of its pixels
# Type and shape behind [H, W] that a file of each suffix can hold.
_JPEG_KINDS = {("uint8", ()), ("uint8", (3,))}
_PNG_KINDS = _JPEG_KINDS | {("uint8", (4,)), ("uint16", ())}
_WRITABLE = {".png": _PNG_KINDS, ".jpg": _JPEG_KINDS, ".jpeg": _JPEG_KINDS}


def encode_jpeg(pixels: np.ndarray, quality: int, subsampling: str = "4:2:0") -> bytes:
    """JPEG bytes of uint8 pixels [H, W, 3] (RGB) or [H, W] (grey).

    They are those that Pillow makes, in two thirds of its time.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if pixels.ndim == 2:
        data = bytearray(cv2.imencode(".jpg", pixels, options)[1])
        data[GREY_SAMPLING] = 0x22 if subsampling == "4:2:0" else 0x11
        return bytes(data)
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[subsampling]]
    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, options)[1].tobytes()


def encode_png(pixels: np.ndarray, compression: int = 6, profile: bytes = b"") -> bytes:
    """PNG bytes of pixels.

    Args:
        pixels: uint8 [H, W], [H, W, 3] (RGB) or [H, W, 4] (RGBA), uint16 [H, W], or
            depth with holes, int32 [H, W] as `streams.HOLED_DEPTH`.
        compression: From `QUICK` to 9, small.
        profile: Colour profile (ICC) of the pixels; sRGB needs none.
    """
    if pixels.dtype == streams.HOLED_DEPTH.dtype:
        return _encode_holed(pixels, compression)
    if compression == QUICK:
        return _encode_quickly(pixels, profile)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, "PNG", compress_level=compression, icc_profile=profile or None
    )
    return buffer.getvalue()


def _encode_quickly(pixels, profile) -> bytes:
    samples = pixels.reshape(*pixels.shape[:2], -1)
    lines = _lines(samples)
    step = samples.shape[2] * samples.itemsize
    # One filter for all lines: to try all five on each takes longer than to pack them.
    # Filter 1 of the format: each pixel as its difference from that before, modulo 256.
    filtered = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1 : 1 + step] = lines[:, :step]
    np.subtract(lines[:, step:], lines[:, :-step], out=filtered[:, 1 + step :])
    # ISA-L takes a fifth of zlib's time at its level 1, and packs a little better.
    return _png(samples, isal_zlib.compress(filtered, 1), profile)


def _encode_holed(pixels: np.ndarray, compression: int) -> bytes:
    """A PNG of grey and alpha with 16 bits each, as neither Pillow nor OpenCV writes.

    Alpha is 0 in the holes.
    """
    is_hole = pixels < 0
    both = np.stack([np.where(is_hole, -1 - pixels, pixels), 65535 * ~is_hole], axis=-1)
    samples = both.astype(np.uint16)
    # Filter 2 of the format: each line as its difference from that above, modulo 256.
    changes = np.diff(_lines(samples), axis=0, prepend=np.uint8(0))
    filtered = np.insert(changes, 0, 2, axis=1)
    return _png(samples, zlib.compress(filtered.tobytes(), compression))


def _lines(samples) -> np.ndarray:
    """Bytes [H, B] of the lines of samples [H, W, C] in a PNG."""
    ordered = samples.astype(samples.dtype.newbyteorder(">"), order="C")
    return ordered.view(np.uint8).reshape(len(samples), -1)


def _png(samples, packed: bytes, profile: bytes = b"") -> bytes:
    """A PNG of samples [H, W, C] whose filtered lines are packed already."""
    height, width, channels = samples.shape
    kind = 8 * samples.itemsize, _COLOUR_TYPES[channels]
    head = struct.pack(">IIBBBBB", width, height, *kind, 0, 0, 0)
    named = b"ICC profile\0\0" + zlib.compress(profile)
    chunks = [_chunk(b"IHDR", head), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")]
    if profile:
        chunks.insert(1, _chunk(b"iCCP", named))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def write_image(
    path: str | os.PathLike,
    array: np.ndarray,
    quality: int = 95,
    compression: int = 6,
    profile: bytes = b"",
) -> None:
    """Writes a picture, complete or not at all.

    Args:
        path: Ends in `.png`, `.jpg` or `.jpeg`.
        array: [H, W] or [H, W, 1] (grey), [H, W, 3] or, PNG only, [H, W, 4]; uint8
            or, PNG and grey only, uint16.
        quality: Of a JPEG, 1 to 100.
        compression: Of a PNG, as `encode_png`; so the next.
        profile: Of a PNG.

    Raises:
        DataError: If the suffix or the array is not one of these.
        OSError: If the file cannot be written.
    """
    name, suffix = os.fspath(path), os.path.splitext(path)[1].lower()
    if suffix not in _WRITABLE:
        raise DataError(
            f"{name}: expected the suffix {', '.join(_WRITABLE)}, received '{suffix}'"
        )
    pixels = array[..., 0] if array.shape[2:] == (1,) else array
    kind = (str(pixels.dtype), pixels.shape[2:])
    if pixels.ndim < 2 or pixels.size == 0 or kind not in _WRITABLE[suffix]:
        raise DataError(
            f"{name}: expected pixels that a {suffix} can hold, "
            f"received {array.dtype} {list(array.shape)}"
        )
    if suffix == ".png":
        data = encode_png(pixels, compression, profile)
    else:
        data = encode_jpeg(pixels, quality, "4:2:0" if pixels.ndim == 3 else "4:4:4")
    files.write_atomically(path, data)
