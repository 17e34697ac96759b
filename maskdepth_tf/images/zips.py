"""One zip archive, read as it is: it is checked, and nothing is unpacked to the disk.

Names that lead elsewhere or may be mistaken for others, links and devices,
encryption, sizes out of all proportion, and members that share bytes are refused.
"""

import contextlib
import io
import os
import re
import struct
import unicodedata
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers

MAX_TEXT_BYTES = 128 * 2**20
"""Largest member named *.txt: about a million rows of labels. Others are pictures."""
MAX_MEMBERS = 2_000_000
"""Most members of an archive; each takes about 600 bytes of memory."""
MAX_DIRECTORY_BYTES = 256 * 2**20
"""Largest directory of an archive; an entry takes about 100 bytes."""
MAX_TOTAL_BYTES = 256 * 2**30
"""Most bytes of all members of an archive together, unpacked."""
MAX_RATIO = 200
"""Most bytes that a packed byte may become in members of over `RATIO_FLOOR` bytes."""
RATIO_FLOOR = 2**20
"""Up to this size any ratio will do: a small black bitmap packs 900 to 1."""
_NAME_RULE = (
    "a relative name with forward slashes, no control characters, no empty, '.' or "
    "'..' parts, at most 255 bytes a part and 1024 in all"
)

_BAD_NAME = re.compile(
    r"^[A-Za-z]:|[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\\]|(?:^|/)\.{0,2}(?:/|$)"
)
_ENCRYPTED, _UTF8 = 1 | 1 << 6 | 1 << 13, 1 << 11
_UNSTATED, _FOLDER, _FILE = 0, 4, 8  # kinds of Unix
_UNPACKED_AT_ONCE = 2**20
_LOCAL_HEADER_BYTES, _END_RECORD_BYTES = 30, 22
# What `zipfile` raises of damaged archives.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(ValueError, OverflowError, NotImplementedError),
)


class Zip:
    """A checked archive; threads may share it.

    Attributes:
        path: As it was given; errors begin with it.
        folder: The one folder, with its slash, that all members lie in; else "".

    Raises:
        DataError: If the file is missing, no zip archive, damaged or unsafe; names
            the archive and the member.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        file = _ArchiveFile(self.path)
        weakref.finalize(self, file.close)
        with _damage_named(self.path, "a zip archive"):
            self._archive = zipfile.ZipFile(cast(BinaryIO, file))
            file.seek(-_END_RECORD_BYTES - len(self._archive.comment), os.SEEK_END)
            if file.read(4) != b"PK\5\6" or not self._archive.filelist:
                raise zipfile.BadZipFile
        members = self._archive.infolist()
        for member in members:
            member.filename = member.orig_filename
            # Many tools write UTF-8 without saying so.
            if not member.flag_bits & _UTF8:
                with contextlib.suppress(UnicodeDecodeError):
                    member.filename = member.filename.encode("cp437").decode()
        for member, fault in _faults(members, self._archive.start_dir):
            name = member.filename[:200]
            name = name if name.isprintable() else repr(name)
            raise DataError(f"{self.path}: {name}: expected {fault}")
        # macOS puts notes of its own beside every file.
        names = [m.filename for m in members if not m.filename.startswith("__MACOSX/")]
        tops = {name[: name.find("/") + 1] for name in names}
        self.folder = tops.pop() if len(tops) == 1 else ""
        self._files = {m.filename: m for m in members if not m.is_dir()}

    def find(self, name: str) -> zipfile.ZipInfo | None:
        """The file of that name; None if there is none."""
        return self._files.get(name)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """All bytes of a member.

        Raises:
            DataError: If the member is damaged or not what the directory says.
        """
        with self.open(member) as stream:
            # The sum is compared where the end is noticed.
            data = stream.read(member.file_size + 1)
            if len(data) < member.file_size:
                raise EOFError
        return data

    @contextlib.contextmanager
    def open(self, member: zipfile.ZipInfo) -> Iterator[BinaryIO]:
        """A stream of a member's bytes, unpacked only as far as they are read.

        Raises:
            DataError: As `read`, also while reading; damage may show at the end only.
        """
        place = f"{self.path}: {member.filename}"
        with (
            _damage_named(place, "the bytes that the directory states"),
            self._archive.open(member) as packed,
        ):
            # Else `zipfile` may unpack all at once, and only then cut it.
            cast(zipfile.ZipExtFile, packed).MAX_N = _UNPACKED_AT_ONCE
            yield cast(BinaryIO, io.BufferedReader(packed))


class _ArchiveFile(io.FileIO):
    """Limits the directory, of which `zipfile` makes an object for each entry."""

    def __init__(self, path):
        with headers.open_file(path) as file:
            super().__init__(os.dup(file.fileno()))
        self._path = path

    def read(self, size=-1):
        if size <= MAX_DIRECTORY_BYTES:
            data = super().read(size)
            is_entry = data.startswith(b"PK\1\2")
            if not is_entry or data.count(b"PK\1\2") <= MAX_MEMBERS:
                return data
        raise DataError(
            f"{self._path}: expected at most {MAX_MEMBERS} members, their directory in "
            f"{MAX_DIRECTORY_BYTES} bytes, received more"
        )


def max_bytes(name: str) -> int:
    """Most bytes of a file or member of that name."""
    is_text = name.lower().endswith(".txt")
    return MAX_TEXT_BYTES if is_text else headers.MAX_BYTES


@contextlib.contextmanager
def _damage_named(place, expected):
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{place}: {error.strerror or error}") from None
    except _DAMAGE:
        raise DataError(
            f"{place}: expected {expected}, received other or damaged bytes"
        ) from None


def _faults(members, end) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Members at fault, and what is expected and received of each."""
    total = 0
    names: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        if fault := _fault(member):
            yield member, fault
        total += member.file_size
        if total > MAX_TOTAL_BYTES:
            yield member, f"at most {MAX_TOTAL_BYTES} bytes in all, received more"
        # Some disks take names for the same that differ in this only.
        folded = unicodedata.normalize("NFC", member.filename.casefold())
        other = names.setdefault(folded, member)
        if other is not member:
            text = "names that differ in more than case, received also"
            yield member, f"{text} {other.filename!r}"
    ordered = sorted(members, key=lambda member: member.header_offset)
    if ordered[0].header_offset:
        yield ordered[0], "its bytes at the start, received others before them"
    starts = [member.header_offset for member in ordered[1:]]
    for member, start in zip(ordered, [*starts, end], strict=True):
        length = _LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size
        if member.header_offset + length > start:
            yield member, "bytes of its own, received also those after them"


def _fault(member) -> str | None:
    """What is expected and received of one member; None if all is well."""
    name, size, packed = member.filename, member.file_size, member.compress_size
    plain = name.removesuffix("/")
    longest = max(len(part.encode()) for part in plain.split("/"))
    if _BAD_NAME.search(plain) or longest > 255 or len(name.encode()) > 1024:
        return f"{_NAME_RULE}, received another"
    kind = member.external_attr >> 28
    if kind not in (_UNSTATED, _FILE) and not (kind == _FOLDER and member.is_dir()):
        return "a file or a folder, received a link or a device"
    if member.flag_bits & _ENCRYPTED:
        return "bytes that are not encrypted, received encrypted ones"
    if member.volume:
        return "an archive of one part, received one of several"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"stored or deflated bytes, received method {member.compress_type}"
    if size > max_bytes(name):
        return f"at most {max_bytes(name)} bytes, received {size}"
    if size > max(MAX_RATIO * packed, RATIO_FLOOR):
        return f"at most {MAX_RATIO} times its packed bytes, received {size}"
    # Deflated, what cannot be packed becomes a little more.
    is_stored = member.compress_type == zipfile.ZIP_STORED
    if packed > 2 * size + 1024 or (is_stored and packed != size):
        return f"as many packed bytes as {size} can become, received {packed}"
    return None
