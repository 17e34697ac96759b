"""One zip archive, read as it is: nothing is unpacked, nothing in it is believed.

Its directory is checked when it is opened (`zip_directory`). A member must then hold
exactly the bytes, by number and CRC-32, that are stated there.
"""

import io
import os
import struct
import sys
import weakref
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers
from maskdepth_tf.images.zip_directory import (
    DEFLATED,
    LOCAL_HEADER_BYTES,
    MAX_MEMBERS,
    Directory,
    Member,
    decoded,
    fault,
)

MAX_DIRECTORY_BYTES = 256 * 2**20
"""Largest directory of an archive; an entry takes about 100 bytes."""

# Records of the format, of which these are the fields that matter here.
_END = struct.Struct("<4xHH2xHLL2x")
_END64 = struct.Struct("<16xLL8xQQQ")
_LOCATOR = struct.Struct("<8xQ4x")
_LOCAL = struct.Struct("<4s4xH16xHH")
_MAX_COMMENT = 0xFFFF
_PIECE = 2**14


class Zip:
    """A checked archive; threads and forked processes may share it.

    Attributes:
        path: As it was given; errors begin with it.
        directory: Its members.

    Raises:
        DataError: If the file is missing, no zip archive, damaged or unsafe; names
            the archive and the member.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        with headers.open_file(path) as file:
            self._size = os.fstat(file.fileno()).st_size
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self.directory = self._read_directory()

    def read(self, member: Member) -> bytes:
        """All bytes of a member.

        Raises:
            DataError: If the member is damaged or not what the directory says.
        """
        return b"".join(self._pieces(member))

    def open(self, member: Member) -> BinaryIO:
        """A stream of a member's bytes, unpacked only as far as they are read.

        Raises:
            DataError: While reading, as `read`; damage may show at the end only.
        """
        return cast(BinaryIO, io.BufferedReader(_Unpacked(self._pieces(member))))

    def _pieces(self, member) -> Iterator[bytes]:
        """The bytes bit by bit, never one too many; checked once all were given."""
        size = crc = 0
        for piece in self._unpack(member):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
            if size > member.size:
                raise fault(self.path, f"{member.size} bytes", "more", member)
            yield piece
        if size < member.size:
            raise fault(self.path, f"{member.size} bytes", f"{size}", member)
        if crc != member.crc:
            raise fault(self.path, f"CRC-32 {member.crc:08x}", f"{crc:08x}", member)

    def _unpack(self, member) -> Iterator[bytes]:
        start = self._data_start(member)
        inflater, left = zlib.decompressobj(-zlib.MAX_WBITS), member.size
        for done in range(0, member.packed, _PIECE):
            piece = self._read(start + done, min(_PIECE, member.packed - done))
            if member.method == DEFLATED:
                try:
                    # At most one byte too many; a limit of 0 would be none.
                    piece = inflater.decompress(piece, left + 1)
                except zlib.error:
                    raise fault(
                        self.path, "deflated bytes", "damaged ones", member
                    ) from None
            left -= len(piece)
            yield piece

    def _data_start(self, member) -> int:
        """Where the bytes of a member start, once its own header was compared."""
        header = self._read(member.offset, LOCAL_HEADER_BYTES)
        signature, method, length, extra = _LOCAL.unpack(header)
        name = decoded(self._read(member.offset + LOCAL_HEADER_BYTES, length))
        if (signature, method, name) != (b"PK\3\4", member.method, member.name):
            raise fault(
                self.path, "a header as in the directory", "another or none", member
            )
        start = member.offset + LOCAL_HEADER_BYTES + length + extra
        if start + member.packed > self.directory.end(member):
            raise fault(self.path, "bytes of its own", "also those after it", member)
        return start

    def _read(self, offset, size) -> bytes:
        data = b""
        try:
            # An archive may state offsets that no file can have.
            if offset < self._size:
                data = os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}") from None
        if len(data) < size:
            raise fault(self.path, "a whole zip archive", "a part of one")
        return data

    def _read_directory(self) -> Directory:
        tail_start = max(self._size - _END.size - _MAX_COMMENT, 0)
        tail = self._read(tail_start, self._size - tail_start)
        at = _find_end(tail)
        if at is None:
            raise fault(self.path, "a zip archive", "something else or a part of one")
        disk, first_disk, count, length, start = _END.unpack_from(tail, at)
        end = tail_start + at
        locator = self._read(max(end - _LOCATOR.size, 0), _LOCATOR.size)
        if locator.startswith(b"PK\6\7"):
            (end,) = _LOCATOR.unpack(locator)
            record = self._read(end, _END64.size)
            disk, first_disk, count, length, start = _END64.unpack(record)
        if disk or first_disk:
            raise fault(self.path, "a whole zip archive", "one of several parts")
        if count > MAX_MEMBERS or length > MAX_DIRECTORY_BYTES:
            raise fault(
                self.path,
                f"at most {MAX_MEMBERS} members in {MAX_DIRECTORY_BYTES} bytes",
                f"{count} in {length}",
            )
        if start + length != end:
            raise fault(self.path, "a directory at the end", "a damaged one")
        return Directory(self.path, self._read(start, length), start, count)


class _Unpacked(io.RawIOBase):
    """What was made of pieces so far, and of more when it is asked for."""

    def __init__(self, pieces):
        self._pieces = pieces
        self._data = bytearray()
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, buffer):
        end = self._position + len(buffer)
        self._fill(end)
        data = self._data[self._position : end]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset, whence=io.SEEK_SET):
        if whence == io.SEEK_END:
            self._fill(sys.maxsize)
        self._position = (0, self._position, len(self._data))[whence] + offset
        return self._position

    def _fill(self, size):
        while len(self._data) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._data += piece


def _find_end(tail) -> int | None:
    """Position of the last record, which with its comment ends the archive."""
    at = tail.rfind(b"PK\5\6")
    while at >= 0:
        length = tail[at + _END.size - 2 : at + _END.size]
        if at + _END.size + int.from_bytes(length, "little") == len(tail):
            return at
        at = tail.rfind(b"PK\5\6", 0, at)
    return None
