"""Encoded pictures by name, wherever they lie: in a folder or in zip archives.

A name is what a labels file calls a picture. In a folder it is the path below it; in
archives, the name of a member of any of them. Where all members of an archive lie in
one folder, as in an archive that was made of a folder, that part may be left out.
"""

import functools
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers
from maskdepth_tf.images.zips import Zip, max_bytes


class Pictures(Protocol):
    """Where pictures are read from.

    Threads may share one. Another process is given a copy by pickling, which opens
    folder or archives anew.
    """

    def read(self, name: str) -> bytes:
        """All bytes of a picture, still encoded; a *.txt may be larger than one.

        Raises:
            DataError: If it is missing, too large or damaged; names it.
        """
        ...

    def header(self, name: str) -> headers.Header:
        """What a picture says of itself, from its first bytes (a GIF's from all).

        Raises:
            DataError: As `read`, or if it is no picture that `headers` accepts.
        """
        ...

    def place(self, name: str) -> str:
        """Where a picture is, for a person to find it."""
        ...

    def __contains__(self, name: str) -> bool: ...


class Folder:
    """Pictures below a folder; symbolic links that lead out of it are refused.

    Args:
        root: The folder.
    """

    def __init__(self, root: str | os.PathLike):
        self._root = os.path.realpath(root)
        # One look at the disk for each folder, not for each part of each path.
        self._real_folder = functools.cache(os.path.realpath)

    def __reduce__(self):
        return Folder, (self._root,)

    def __contains__(self, name: str) -> bool:
        try:
            return os.path.isfile(self._path(name))
        except DataError:
            return False

    def read(self, name: str) -> bytes:
        path = self._path(name)
        limit = max_bytes(name)
        data = headers.read_bytes(path, limit + 1)
        if len(data) > limit:
            raise DataError(f"{path}: expected at most {limit} bytes, received more")
        return data

    def header(self, name: str) -> headers.Header:
        return headers.check(self._path(name))

    def place(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _path(self, name) -> str:
        """The real path of a file in the folder."""
        try:
            folder, file = os.path.split(os.path.join(self._root, name))
            path = os.path.join(self._real_folder(folder), file)
        except ValueError as error:
            raise DataError(f"{name!r}: {error}") from None
        if os.path.islink(path):
            path = os.path.realpath(path)
        if not path.startswith(os.path.join(self._root, "")):
            raise DataError(
                f"{name}: expected a file in {self._root}, received a link out"
            )
        return path


class Archives:
    """Pictures in zip archives, which are checked when opened and stay packed.

    Args:
        paths: The archives. What several hold under one name must be the same.

    Raises:
        DataError: If an archive is missing, damaged or unsafe, as `zips.Zip`.
    """

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self._zips = [Zip(path) for path in paths]

    def __reduce__(self):
        return Archives, ([archive.path for archive in self._zips],)

    def __contains__(self, name: str) -> bool:
        return bool(self._all(name))

    def read(self, name: str) -> bytes:
        archive, member = self._find(name)
        return archive.read(member)

    def header(self, name: str) -> headers.Header:
        archive, member = self._find(name)
        with archive.open(member) as stream:
            return headers.check_stream(stream, member.file_size, self.place(name))

    def place(self, name: str) -> str:
        archive, member = self._find(name)
        return f"{archive.path}: {member.filename}"

    def _find(self, name) -> tuple[Zip, zipfile.ZipInfo]:
        members = self._all(name)
        if not members:
            paths = ", ".join(archive.path for archive in self._zips)
            raise DataError(f"{name}: expected a member of {paths}, received none")
        if len({(member.file_size, member.CRC) for _, member in members}) > 1:
            places = ", ".join(f"{a.path}: {member.filename}" for a, member in members)
            raise DataError(f"{name}: expected one picture, received {places}")
        return members[0]

    def _all(self, name) -> list[tuple[Zip, zipfile.ZipInfo]]:
        return [
            (archive, member)
            for archive in self._zips
            for full_name in dict.fromkeys((name, archive.folder + name))
            if (member := archive.find(full_name))
        ]


def open_pictures(roots: Sequence[str | Path]) -> Pictures:
    """Opens one folder, or one or more zip archives that together are a data set.

    Raises:
        DataError: If that is not what the paths are, or an archive is unsafe.
    """
    folders = [root for root in roots if os.path.isdir(root)]
    if not roots or (folders and len(roots) > 1):
        received = ", ".join(map(str, roots)) or "nothing"
        raise DataError(f"expected one folder or zip archives, received {received}")
    return Folder(folders[0]) if folders else Archives(roots)
