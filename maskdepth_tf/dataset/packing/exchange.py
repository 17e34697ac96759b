"""A folder that all machines of a build reach, wherever Beam can read and write files.

All names of a build begin with a sum over its plan, its sources, its teacher and the
versions of what computes, so that no build takes the files of another:

    SUM.zip             the plan, the cut-outs, the rooms and the teacher
    SUM-000000.npz      a shard; under another name until it is whole
    SUM.fault           why a worker refused to go on
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

INPUTS, FAULT = ".zip", ".fault"
GIVEN, FOREGROUNDS, BACKGROUNDS, TEACHER = "given.json", "fg", "bg", "teacher"
"""What the archive holds: a file and three folders."""


def shard(number: int) -> str:
    """How the name of a shard ends."""
    return f"-{number:06d}.npz"


def file_systems() -> Any:
    """What Beam calls `FileSystems`."""
    from apache_beam.io import filesystems

    return filesystems.FileSystems


@dataclass(frozen=True)
class Exchange:
    """The files of one build in that folder.

    Attributes:
        folder: Where it is, a path or a URL.
        sum: What their names begin with.
    """

    folder: str
    sum: str

    def path(self, suffix: str) -> str:
        """Where a file is."""
        return f"{self.folder}/{self.sum}{suffix}"

    def has(self, suffix: str) -> bool:
        """Whether a file is there, whole."""
        return file_systems().exists(self.path(suffix))

    def open(self, suffix: str) -> BinaryIO:
        """The bytes of a file."""
        return file_systems().open(self.path(suffix))

    def put(self, suffix: str, file: BinaryIO) -> None:
        """Makes a file appear, whole."""
        partial = self.path(f"{suffix}.{secrets.token_hex(8)}")
        with file_systems().create(partial) as copy:
            shutil.copyfileobj(file, copy)
        file_systems().rename([partial], [self.path(suffix)])

    def fetch(self, suffix: str, path: str | Path) -> None:
        """Copies a file to this machine."""
        with self.open(suffix) as file, open(path, "xb") as copy:
            shutil.copyfileobj(file, copy)

    def remove(self, suffix: str) -> None:
        """Removes a file, should it be there."""
        if self.has(suffix):
            file_systems().delete([self.path(suffix)])
