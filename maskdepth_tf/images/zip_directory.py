"""The directory of a zip archive, checked before any member is read.

Names that lead elsewhere or may be mistaken for others, links and devices,
encryption, sizes out of all proportion, and members that share bytes are refused.

The directory stays in memory as the bytes that it is, with 24 more for each member:
about 25 MB for 240,000 pictures. An object for each would take ten times that.
"""

import bisect
import re
import struct
import unicodedata
from array import array
from typing import NamedTuple

import numpy as np

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers

MAX_TEXT_BYTES = 128 * 2**20
"""Largest member named *.txt: about a million rows of labels. Others are pictures."""
MAX_MEMBERS = 2_000_000
"""Most members of an archive."""
MAX_TOTAL_BYTES = 256 * 2**30
"""Most bytes of all members of an archive together, unpacked."""
MAX_RATIO = 200
"""Most bytes that a packed byte may become in members of over `RATIO_FLOOR` bytes."""
RATIO_FLOOR = 2**20
"""Up to this size any ratio will do: a small black bitmap packs 900 to 1."""
MAX_NAME_BYTES = 1024
"""Longest name of a member; each of its parts has at most 255 bytes."""
STORED, DEFLATED = 0, 8
"""The methods that are understood."""
LOCAL_HEADER_BYTES = 30
"""What stands before the name and the bytes of a member."""

_ENTRY = struct.Struct("<4s4xHH4xLLLHHH4xLL")
_IN_EXTRA = 0xFFFFFFFF
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
_FOLDER, _FILE = 4, 8
# Most real names: these need no closer look.
_PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9_@-][A-Za-z0-9_@.-]*+/?)++")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_DRIVE = re.compile("[A-Za-z]:")


class Member(NamedTuple):
    """What the directory says of one member.

    Attributes:
        name: With forward slashes; of a folder, with one at the end.
        crc: CRC-32 of its bytes.
        packed: Bytes in the archive.
        size: Bytes unpacked.
        method: `STORED` or `DEFLATED`.
        flags: Bits, of which some say that it is encrypted.
        offset: Where its own header starts in the archive.
        kind: Its type on Unix, 8 for a file, 4 for a folder; 0 if not stated.
    """

    name: str
    crc: int
    packed: int
    size: int
    method: int
    flags: int
    offset: int
    kind: int


def fault(
    path: str, expected: str, received: str, member: Member | None = None
) -> DataError:
    """An error that names the archive and, if there is one, the member."""
    where = path
    if member:
        name = member.name[:200]
        where += f": {name!r}" if _CONTROL.search(name) else f": {name}"
    return DataError(f"{where}: expected {expected}, received {received}")


class Directory:
    """All members of an archive, by name.

    Args:
        path: What errors call the archive.
        data: The bytes of the directory.
        start: Where they start in the archive; all members lie before that.
        count: How many members there are said to be.

    Attributes:
        folder: The one folder, with its slash, that all members lie in; else "".

    Raises:
        DataError: If the directory is damaged or any member unsafe.
    """

    def __init__(self, path: str, data: bytes, start: int, count: int):
        self._path = path
        self._data = data
        self.folder = ""
        positions, keys, starts, ends = self._check_entries(start)
        # Some tools count on from 0 after 65535.
        if not len(positions) or (len(positions) - count) % 2**16:
            raise fault(path, f"{count or 'some'} members", f"{len(positions)}")
        self._refuse_shared_bytes(positions, starts, ends)
        order = np.argsort(keys, kind="stable")
        # An element of a view, unlike one of an array, is a plain int.
        self._keys = keys[order].data
        self._positions = positions[order].data
        self._starts = np.append(np.sort(starts), start).data
        self._refuse_twins()

    def find(self, name: str) -> Member | None:
        """The file of that name; None if there is none."""
        key = hash(_folded(name))
        index = bisect.bisect_left(self._keys, key)
        while index < len(self._keys) and self._keys[index] == key:
            member = self._member(self._positions[index])[0]
            if member.name == name and not name.endswith("/"):
                return member
            index += 1
        return None

    def end(self, member: Member) -> int:
        """Where in the archive the bytes of a member end at the latest."""
        return self._starts[bisect.bisect_right(self._starts, member.offset)]

    def _check_entries(self, start) -> tuple[np.ndarray, ...]:
        """Of each entry: its position, its key, where its member starts and ends."""
        columns = [array("q") for _ in range(4)]
        position = total = 0
        folder: str | None = None
        while position < len(self._data):
            member, following = self._member(position)
            end = member.offset + LOCAL_HEADER_BYTES + len(member.name) + member.packed
            total += member.size
            if reason := _member_fault(member, end <= start, total):
                raise fault(self._path, *reason, member)
            values = position, hash(_folded(member.name)), member.offset, end
            for column, value in zip(columns, values, strict=True):
                column.append(value)
            folder = _common_folder(folder, member.name)
            position = following
        self.folder = folder or ""
        return tuple(np.array(column) for column in columns)

    def _refuse_shared_bytes(self, positions, starts, ends) -> None:
        order = np.argsort(starts, kind="stable")
        for index in np.flatnonzero(ends[order][:-1] > starts[order][1:]):
            first, second = (
                self._member(positions[i])[0] for i in order[index : index + 2]
            )
            raise fault(
                self._path, "bytes of its own", f"some of {first.name!r}", second
            )

    def _refuse_twins(self) -> None:
        keys = np.asarray(self._keys)
        for index in np.flatnonzero(keys[1:] == keys[:-1]):
            first, second = (
                self._member(i)[0] for i in self._positions[index : index + 2]
            )
            if _folded(first.name) == _folded(second.name):
                raise fault(
                    self._path,
                    "names that differ in more than case",
                    f"also {first.name!r}",
                    second,
                )

    def _member(self, position) -> tuple[Member, int]:
        """The entry at a position of the directory, and where the next one is."""
        try:
            values = _ENTRY.unpack_from(self._data, position)
            signature, flags, method, crc, packed, size, *lengths, mode, offset = values
            start = position + _ENTRY.size
            name_end = start + lengths[0]
            extra_end = name_end + lengths[1]
            following = extra_end + lengths[2]
            if _IN_EXTRA in (size, packed, offset):
                extra = self._data[name_end:extra_end]
                size, packed, offset = _large(extra, (size, packed, offset))
        except struct.error:
            signature = b""
        if signature != b"PK\1\2" or following > len(self._data):
            raise fault(self._path, "a directory at the end", "a damaged one")
        name = decoded(self._data[start:name_end])
        member = Member(name, crc, packed, size, method, flags, offset, mode >> 28)
        return member, following


def max_bytes(name: str) -> int:
    """Most bytes of a file or member of that name."""
    is_text = name.lower().endswith(".txt")
    return MAX_TEXT_BYTES if is_text else headers.MAX_BYTES


def decoded(name: bytes) -> str:
    """A name in an archive; many tools write UTF-8 without saying so."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437")


def _large(extra, values):
    """Replaces values that did not fit into 32 bits by those in the extra field."""
    at = 0
    while at < len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            large = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            return [next(large, v) if v == _IN_EXTRA else v for v in values]
        at += 4 + length
    return values


def _folded(name) -> str:
    """What names share that some disk takes for the same."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", name.casefold())


def _common_folder(folder, name) -> str | None:
    """The leading folder of a name, if that of all before it was the same."""
    # macOS puts notes of its own beside every file.
    if name.startswith("__MACOSX/"):
        return folder
    top = name[: name.find("/") + 1]
    return top if folder in (None, top) else ""


def _member_fault(member, is_inside, total) -> tuple[str, str] | None:
    """What a member must be and what it is, or None; `total` bytes up to here."""
    name, _, packed, size, method, flags, _, kind = member
    if expected := _name_fault(name):
        return expected, "another"
    if kind not in (0, _FILE) and (kind != _FOLDER or not name.endswith("/")):
        return "a file or a folder", "a link or a device"
    if flags & _ENCRYPTED:
        return "bytes that are not encrypted", "encrypted ones"
    if method not in (STORED, DEFLATED):
        return "stored or deflated bytes", f"those of method {method}"
    if size > max_bytes(name):
        return f"at most {max_bytes(name)} bytes", f"{size}"
    if size > max(MAX_RATIO * packed, RATIO_FLOOR):
        return f"at most {MAX_RATIO} times its packed bytes", f"{size} for {packed}"
    # Deflated, what cannot be packed becomes a little more.
    if packed != size and (method == STORED or packed > 2 * size + 1024):
        return f"no more than {size} packed bytes", f"{packed}"
    if not is_inside:
        return "bytes before the directory", "an offset too large"
    if total > MAX_TOTAL_BYTES:
        return f"at most {MAX_TOTAL_BYTES} bytes in all members", "more"
    return None


def _name_fault(name) -> str | None:
    """What a name must be and is not, or None."""
    if len(name) < 256 and _PLAIN_NAME.fullmatch(name):
        return None
    parts = name.removesuffix("/").split("/")
    sizes = [len(part.encode()) for part in parts]
    if len(name.encode()) > MAX_NAME_BYTES or max(sizes) > 255:
        return f"a name of at most {MAX_NAME_BYTES} bytes, 255 a part"
    if _CONTROL.search(name):
        return "a name without control characters"
    if "\\" in name:
        return "a name with forward slashes"
    if name.startswith("/") or _DRIVE.match(name):
        return "a relative name"
    if {"", ".", ".."} & set(parts):
        return "a name without empty, '.' or '..' parts"
    return None
