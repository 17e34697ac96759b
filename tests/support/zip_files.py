"""Zip archives byte by byte, also those that no tool would write."""

import dataclasses
import struct
import zlib


@dataclasses.dataclass
class Entry:
    """One member; what is None is stated truthfully.

    `size`, `packed`, `crc`, `offset` and `name` are what the directory says.
    """

    name: str | bytes = "a.txt"
    data: bytes = b"some text, some text"
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    size: int | None = None
    packed: int | None = None
    crc: int | None = None
    offset: int | None = None
    extra: bytes = b""
    signature: bytes = b"PK\1\2"
    local_name: str | bytes | None = None
    local_method: int | None = None
    local_extra: int = 0
    body: bytes | None = None


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def encoded(name):
    return name if isinstance(name, bytes) else name.encode()


def local(entry):
    """What stands before the directory: a header and the packed bytes."""
    body = entry.body
    if body is None:
        body = deflate(entry.data) if entry.method == 8 else entry.data
    name = encoded(entry.name if entry.local_name is None else entry.local_name)
    method = entry.method if entry.local_method is None else entry.local_method
    crc, size = zlib.crc32(entry.data), len(entry.data)
    header = struct.pack(
        "<4s5H3L2H",
        *(b"PK\3\4", 20, entry.flags, method, 0, 0x21),
        *(crc, len(body), size, len(name), entry.local_extra),
    )
    return header + name, body


def central(entry, offset, packed):
    def stated(value, truth):
        return truth if value is None else value

    name = encoded(entry.name)
    return (
        struct.pack(
            "<4s6H3L5H2L",
            *(entry.signature, 0x031E, 20, entry.flags, entry.method, 0, 0x21),
            stated(entry.crc, zlib.crc32(entry.data)),
            stated(entry.packed, packed),
            stated(entry.size, len(entry.data)),
            *(len(name), len(entry.extra), 0, 0, 0),
            entry.mode << 16,
            stated(entry.offset, offset),
        )
        + name
        + entry.extra
    )


def end(count, length, start, comment=b"", disk=0):
    fields = (disk, disk, count, count, length, start, len(comment))
    return struct.pack("<4s4HLLH", b"PK\5\6", *fields) + comment


def end64(count, length, start):
    """The large last record, where to find it, and the small one."""
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + length, 1)
    return record + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def make(*entries, count=None, shift=0, **last):
    """An archive; `count` and `shift` are lies of its last record."""
    data = bytearray()
    directory = bytearray()
    for entry in entries:
        header, body = local(entry)
        directory += central(entry, len(data), len(body))
        data += header + body
    count = len(entries) if count is None else count
    last_record = end(count, len(directory), len(data) + shift, **last)
    return bytes(data + directory + last_record)
