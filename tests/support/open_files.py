"""Which files this process holds open."""

import os
from pathlib import Path


def below(folder):
    """Paths of the open files in a folder, the deleted ones too.

    Counting descriptors would be simpler, but libraries open their own at any moment.
    """
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:  # The one that lists them.
            continue
        if Path(path).is_relative_to(folder):
            found.append(path)
    return found
