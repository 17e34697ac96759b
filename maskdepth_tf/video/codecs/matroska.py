"""Pictures with their timestamps as a stream that ffmpeg reads from a pipe.

Raw pixels in Matroska's container: no other that ffmpeg reads from a pipe and that is
simple to write keeps the time of each picture. Times are in nanoseconds, so that none
is changed on the way.

Reference: RFC 9559, "Matroska Media Container Format Specification", 2024.
"""

from fractions import Fraction

FOURCC = {"rgb24": b"RGB\x18", "rgba": b"RGBA", "gray16le": b"Y1\x00\x10"}
"""Names of pixels' formats -> what Matroska calls them."""
_NANOSECONDS = 10**9
_SEGMENT = bytes.fromhex("18538067") + b"\x01" + 7 * b"\xff"  # of unknown length


def header(width: int, height: int, pixels: str, rate: Fraction) -> bytes:
    """The stream's beginning.

    Args:
        width: Of all pictures.
        height: Of all pictures.
        pixels: A name in `FOURCC`.
        rate: Pictures a second, nominally.
    """
    ebml = _element(
        "1a45dfa3",
        _number("4286", 1),
        _number("42f7", 1),
        _number("42f2", 4),
        _number("42f3", 8),
        _element("4282", b"matroska"),
        _number("4287", 4),
        _number("4285", 2),
    )
    writer = _element("4d80", b"maskdepth") + _element("5741", b"maskdepth")
    information = _element("1549a966", _number("2ad7b1", 1), writer)
    shape = _element(
        "e0",
        _number("b0", width),
        _number("ba", height),
        _element("2eb524", FOURCC[pixels]),
    )
    track = _element(
        "ae",
        _number("d7", 1),
        _number("73c5", 1),
        _number("83", 1),
        _element("86", b"V_UNCOMPRESSED"),
        _number("23e383", round(_NANOSECONDS / rate)),
        shape,
    )
    return ebml + _SEGMENT + information + _element("1654ae6b", track)


def before(time: Fraction, num_bytes: int) -> bytes:
    """What stands before a picture's bytes.

    Args:
        time: When it is shown, in seconds, not negative.
        num_bytes: Of the picture.
    """
    block = b"\x81\x00\x00\x80"  # of track 1, no time after the cluster's, a key frame
    begun = _number("e7", round(time * _NANOSECONDS))
    begun += bytes.fromhex("a3") + _length(len(block) + num_bytes) + block
    return bytes.fromhex("1f43b675") + _length(len(begun) + num_bytes) + begun


def _element(name: str, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes.fromhex(name) + _length(len(data)) + data


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))


def _length(count: int) -> bytes:
    return (count | 1 << 56).to_bytes(8, "big")
