"""Something happens at any point at which a process changes files."""

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from unittest import mock

CHANGES = ("rename", "replace", "unlink", "mkdir", "rmdir", "fsync")
"""Functions of `os` that change files."""


class Points:
    """Counts the points at which files change and does something at one of them.

    Args:
        number: Which; None for none.
        action: What to do there, and at each write after it.
    """

    def __init__(self, number: int | None, action: Callable[[], None]):
        self.count, self._number, self._action = 0, number, action

    def reach(self, is_write: bool) -> None:
        """Counts a point."""
        number, self.count = self.count, self.count + 1
        is_due = self._number is not None and number >= self._number
        if is_due and (is_write or number == self._number):
            self._action()

    @contextlib.contextmanager
    def installed(self, only_writes: bool = False) -> Iterator[None]:
        """Replaces what opens files for writing, and all of `CHANGES`."""
        with contextlib.ExitStack() as stack:
            opener = self._opener(builtins.open)
            for module in (builtins, io):
                stack.enter_context(mock.patch.object(module, "open", opener))
            for name in () if only_writes else CHANGES:
                change = self._change(getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, change))
            yield

    def _change(self, change):
        def counted(*args, **kwargs):
            self.reach(False)
            result = change(*args, **kwargs)
            self.reach(False)
            return result

        return counted

    def _opener(self, plain_open):
        points = self

        class Torn:
            """Writes the first half, for all to see, then the rest."""

            def write(self, data):
                data = memoryview(data).cast("B")
                half = len(data) // 2
                super().write(data[:half])
                self.flush()
                points.reach(True)
                return half + super().write(data[half:])

        class TornRaw(io.FileIO):
            """Writes less than it is given, as raw files may."""

            def write(self, data):
                written = super().write(data[: (len(data) + 1) // 2])
                points.reach(True)
                return written

        class TornBuffered(Torn, io.BufferedWriter):
            pass

        class TornRandom(Torn, io.BufferedRandom):
            pass

        def torn_open(file, mode="r", buffering=-1, *args, **kwargs):
            if "b" not in mode or not set(mode) & set("wax+"):
                return plain_open(file, mode, buffering, *args, **kwargs)
            points.reach(True)
            raw = (TornRaw if buffering == 0 else io.FileIO)(file, mode)
            if buffering == 0:
                return raw
            return TornRandom(raw) if "+" in mode else TornBuffered(raw)

        return torn_open
