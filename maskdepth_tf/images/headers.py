"""The gate for pictures: what their headers say, before a pixel is decoded.

A few hundred bytes of PNG can ask for gigabytes of memory, and a JPEG or GIF of a
few hundred kilobytes for minutes of work. So size, format and amount of work are
limited here, without TensorFlow, which takes seconds to import.
"""

import io
import os
import stat
import struct
import unicodedata
import warnings
from typing import BinaryIO, NamedTuple

from PIL import Image

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import exif

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""Formats that are accepted, whatever the name of the file ends in."""
MAX_BYTES = 32 * 2**20
"""Largest file in bytes."""
MAX_PIXELS = 51_000_000
"""Most pixels of a picture, those of phones with "50"; of a GIF, of all its frames."""
MAX_SIDE = 30_000
"""Longest side in pixels."""
MAX_SCANNED_PIXELS = 32 * MAX_PIXELS
"""Most pixels times scans of a progressive JPEG; encoders make about 10 scans."""

_SCAN_BYTES = 10
"""Least length of a scan, its header."""

# Pillow warns of what we refuse, or of metadata that we do not use.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Memory that a GIF decoder takes for a frame, in pixels, however small the frame, and
# our time: a thousand frames are counted in 2 ms.
_FRAME_COST = 5000


class Header(NamedTuple):
    """What a file says of its picture.

    Attributes:
        format: One of `FORMATS`.
        width: Pixels, as displayed, that is after the orientation in EXIF.
        height: Pixels, as displayed.
        animated: Whether there are more frames than the first, the one we use.
        has_16_bits: Whether it is a PNG of 16 bits a channel.
        has_alpha: Whether it is a PNG that may be transparent.
    """

    format: str
    width: int
    height: int
    animated: bool
    has_16_bits: bool = False
    has_alpha: bool = False


def check(path: str | os.PathLike) -> Header:
    """Reads the header of a picture, from its first bytes (a GIF's from all).

    Args:
        path: The file. Nothing but a regular file is opened.

    Raises:
        DataError: If the file is missing, empty, not a picture of `FORMATS`, or over
            a limit; names the file.
    """
    with open_file(path) as file:
        return check_stream(file, os.fstat(file.fileno()).st_size, os.fspath(path))


def check_bytes(data: bytes, name: str) -> Header:
    """Reads the header of a picture in memory.

    Args:
        data: The encoded picture.
        name: What errors call it.

    Raises:
        DataError: As `check`.
    """
    return check_stream(io.BytesIO(data), len(data), name)


def profile_of(data: bytes, name: str) -> bytes:
    """The colour profile (ICC) in a picture; empty if it has none.

    Raises:
        DataError: If it is no picture; `name` is what errors call it.
    """
    return _open_lazily(io.BytesIO(data), name).info.get("icc_profile") or b""


def read(path: str | os.PathLike) -> tuple[bytes, Header]:
    """All bytes of a picture that passed `check_bytes`, and its header.

    Raises:
        DataError: As `check`.
    """
    data = read_all(path)
    return data, check_bytes(data, os.fspath(path))


def read_all(path: str | os.PathLike) -> bytes:
    """All bytes of a regular file; of one over the limit so many that this is seen.

    Raises:
        DataError: As `open_file`.
    """
    return read_bytes(path, MAX_BYTES + 1)


def read_bytes(path: str | os.PathLike, most: int) -> bytes:
    """The first bytes of a regular file, `most` or all.

    Raises:
        DataError: As `open_file`.
    """
    with open_file(path) as file:
        # Python makes room for all that it is asked for; that takes as long as reading.
        return file.read(min(os.fstat(file.fileno()).st_size, most))


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Opens a regular file and nothing else.

    Raises:
        DataError: If it is missing, unreadable, a folder or a device; names it.
    """
    name = os.fspath(path)
    try:
        # Opening a pipe would wait for its writer.
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        file = open(path, "rb") if is_file else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name}: {reason}{_other_form(name)}") from None
    if file is None:
        raise DataError(f"{name}: expected a file, received a folder or a device")
    return file


def _other_form(name) -> str:
    """What to add where a file of the same letters is there, otherwise encoded."""
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, name)
        if other != name and os.path.exists(other):
            return f"; its name there is written in another form of Unicode, {form}"
    return ""


def check_stream(stream: BinaryIO, size: int, name: str) -> Header:
    """Reads the header of a picture from a stream, no more of it than `check` does.

    Args:
        stream: At the start of the encoded picture; must be able to seek.
        size: Bytes of the encoded picture.
        name: What errors call it.

    Raises:
        DataError: As `check`, and whatever of it the stream raises.
    """
    if size == 0:
        raise DataError(f"{name}: expected a picture, received an empty file")
    if size > MAX_BYTES:
        raise DataError(f"{name}: expected at most {MAX_BYTES} bytes, received {size}")
    image = _open_lazily(stream, name)
    width, height = image.size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise DataError(
            f"{name}: expected sides of 1 to {MAX_SIDE} pixels, "
            f"received {width}x{height}"
        )
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name}: expected at most {MAX_PIXELS} pixels, received {width}x{height}"
        )
    # Pillow calls the JPEG of a camera that adds a preview behind it MPO.
    kind = image.format if image.format in FORMATS else "JPEG"
    # Each scan is work for all pixels; most files have no room for too many of them.
    most = MAX_SCANNED_PIXELS // (width * height)
    if kind == "JPEG" and size // _SCAN_BYTES > most:
        stream.seek(0)
        # In the coded pixels FF is followed by 00 or D0..D7, so this counts no others.
        scans = stream.read().count(b"\xff\xda")
        if scans > most:
            raise DataError(f"{name}: expected at most {most} scans, received {scans}")
    if exif.orientation(exif.find(image, stream)) >= 5:
        width, height = height, width
    stream.seek(0)
    head = stream.read(25)
    animated = _is_animated(image, stream, head, name)
    has_16_bits = kind == "PNG" and head[24] == 16
    has_alpha = kind == "PNG" and image.has_transparency_data
    return Header(kind, width, height, animated, has_16_bits, has_alpha)


def _open_lazily(stream: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(stream, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{name}: expected at most {MAX_PIXELS} pixels, received far more"
        ) from None
    except DataError:
        raise  # of the stream
    # Pillow's readers raise whatever a damaged header makes them stumble over.
    except Exception:
        raise DataError(
            f"{name}: expected a picture ({', '.join(FORMATS)}), received something "
            "else or a damaged one"
        ) from None


def _is_animated(image: Image.Image, stream: BinaryIO, head: bytes, name: str) -> bool:
    """Whether there are more frames; refuses what would not be decoded well."""
    if image.format == "BMP" and image.mode not in ("RGB", "RGBA"):
        # TensorFlow would take the indices for grey values.
        raise DataError(f"{name}: expected a BMP in full colour, received {image.mode}")
    if image.format == "GIF":
        stream.seek(0)
        pixels, frames = _gif_frames(stream.read())
        if pixels > MAX_PIXELS:
            raise DataError(
                f"{name}: expected at most {MAX_PIXELS} pixels in all frames, "
                "received more"
            )
        return frames > 1
    if image.format == "WEBP" and head[12:16] == b"VP8X" and head[20] & 2:
        # TensorFlow 2.21 writes past its buffer on these and may crash, also where
        # only one frame follows.
        raise DataError(f"{name}: expected a still picture, received an animated WebP")
    return image.format == "PNG" and getattr(image, "is_animated", False)


def _gif_frames(data: bytes) -> tuple[int, int]:
    """Pixels and number of all frames, which a decoder unpacks even for the first."""
    pixels = frames = 0
    try:
        position = 13 + _colour_table(data[10])
        while pixels <= MAX_PIXELS:
            if data[position] == ord(","):
                width, height, flags = struct.unpack_from("<HHB", data, position + 5)
                pixels += max(width * height, _FRAME_COST)
                frames += 1
                position += 11 + _colour_table(flags)
            elif data[position] == ord("!"):
                position += 2
            else:
                break
            while data[position]:
                position += data[position] + 1
            position += 1
    except (IndexError, struct.error):
        pass  # cut off; the decoder finds that out
    return pixels, frames


def _colour_table(flags: int) -> int:
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0
