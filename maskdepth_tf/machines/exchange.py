"""A folder that all machines reach, wherever Beam can read and write files.

All names of a work begin with a sum over all that it depends on, the versions of what
computes included, so that no work takes the files of another:

    SUM.zip             what every worker needs
    SUM-000000.given    what a piece needs besides, if it needs anything
    SUM-000000.made     a piece; under another name until it is whole
    SUM.fault           why a worker refused to go on
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from maskdepth_tf import files

INPUTS, FAULT = ".zip", ".fault"


def given(number: int) -> str:
    """How the name of what a piece needs ends."""
    return f"-{number:06d}.given"


def made(number: int) -> str:
    """How the name of a piece ends."""
    return f"-{number:06d}.made"


def file_systems() -> Any:
    """What Beam calls `FileSystems`."""
    from apache_beam.io import filesystems

    return filesystems.FileSystems


@dataclass(frozen=True)
class Exchange:
    """The files of one work in that folder.

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

    def offer(self, archive: Path) -> str:
        """Puts the archive that every worker needs here, anew; its SHA-256."""
        self.remove(FAULT)
        self.remove(INPUTS)
        with archive.open("rb") as file:
            self.put(INPUTS, file)
        return files.sha256_of(archive)
