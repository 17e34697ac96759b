"""Which way up a picture is, as its EXIF says.

`headers` asks `orientation`; a decoder in a graph has no Python and follows the same
rule with TensorFlow's operations (`decoders`). A test compares the two.
"""

import struct
from typing import BinaryIO

from PIL import Image

ORIENTATION_TAG = 0x0112
SHORT, LONG = 3, 4
"""Types that its value may have, of 2 and 4 bytes; of several the first counts."""
MAX_BYTES = 65536
"""Bytes of EXIF that are looked at."""

MAX_CHUNKS = 10_000
"""Chunks that are looked at; the largest PNG has less than half as many, of 8 KiB."""


def orientation(exif: bytes) -> int:
    """The orientation in the first directory of EXIF.

    Args:
        exif: A TIFF structure, also one that is cut off or damaged; it may begin with
            the mark that it has in a JPEG.

    Returns:
        1 to 8; 1, which is upright, where there is none.
    """
    tiff = exif.removeprefix(b"Exif\0\0")[:MAX_BYTES]
    if not tiff.startswith((b"II*\0", b"MM\0*")):
        return 1
    order = "<" if tiff.startswith(b"II") else ">"
    tiff += bytes(12)  # Zeros stand for what is cut off.
    start = min(struct.unpack_from(order + "I", tiff, 4)[0], len(tiff) - 2)
    (num_entries,) = struct.unpack_from(order + "H", tiff, start)
    entries = tiff[start + 2 : start + 2 + 12 * num_entries]
    entries = entries[: len(entries) // 12 * 12]
    for tag, kind, content in struct.iter_unpack(order + "HH4x4s", entries):
        if tag == ORIENTATION_TAG:
            form = {SHORT: "H2x", LONG: "I"}.get(kind, "4x")
            value = sum(struct.unpack(order + form, content))
            return value if 1 <= value <= 8 else 1
    return 1


def find(image: Image.Image, stream: BinaryIO) -> bytes:
    """The EXIF of a picture that Pillow has opened but not decoded; empty if none.

    Args:
        image: The picture.
        stream: What it was opened from; may be moved.
    """
    exif = image.info.get("exif", b"")
    if exif or image.format != "PNG":
        return exif
    # It may stand behind the pixels, where Pillow has not looked yet.
    position = 8
    for _ in range(MAX_CHUNKS):
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8 or head.endswith(b"IEND"):
            break
        (length,) = struct.unpack_from(">I", head)
        if head.endswith(b"eXIf"):
            return stream.read(min(length, MAX_BYTES))
        position += 12 + length
    return b""
